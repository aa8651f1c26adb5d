"""An Anthropic message, whole or as a stream from ``message_start`` to ``message_stop``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .json_values import as_count, as_list, as_object, as_text, canonical_json
from .reading import CallDrafts, Reading, decode_usual, reports_error
from .usage import AnthropicUsage, MessageUsage

_GOOD_ENDS = frozenset({"end_turn", "stop_sequence", "tool_use"})
_MOST_OPEN = 10_000
_EMPTY_AT_FIRST = ("text", "thinking")


class _UsualBlock(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    id: object = None
    name: object = None
    input: object = None


class _UsualMessage(msgspec.Struct, gc=False):
    """A whole message as nearly all are; others do not fit in."""

    type: Literal["message"]
    model: str
    content: list[_UsualBlock]
    stop_reason: str
    usage: MessageUsage
    error: None = None


_decode_usual: Final = msgspec.json.Decoder(_UsualMessage).decode


class MessageReading(Reading):
    """Reads the content blocks of a message, and its usage as it adds up."""

    terminal = "message_stop"

    def __init__(self) -> None:
        self._calls = CallDrafts(without_arguments="{}")
        self._tokens = AnthropicUsage()
        self._blocks = 0
        self._open: set[int | None] = set()

    def read_event(self, name: str | None, value: dict[str, object]) -> bool:
        kind = as_text(value.get("type")) or name
        if kind == "content_block_delta":
            return self._read_delta(value.get("index"), as_object(value.get("delta")))
        if kind == "content_block_start":
            return self._read_start(value.get("index"), as_object(value.get("content_block")))
        if kind == "content_block_stop":
            self._open.discard(as_count(value.get("index")))
        elif kind == "message_start":
            self._read_message(as_object(value.get("message")))
        elif kind == "message_delta":
            self._read_message(as_object(value.get("delta")))
            self._read_usage(value.get("usage"))
        elif kind == "message_stop":
            self.is_ended = True
        if name == "error" or reports_error(value):
            self.has_failed = True
        return False

    def read_whole(self, body: bytes) -> None:
        message = decode_usual(_decode_usual, body)
        if message is None:
            super().read_whole(body)
            return
        self.model, self.finish_reason = message.model or None, message.stop_reason or None
        self.usage = message.usage.usage()
        self._blocks = len(message.content)
        for index, block in enumerate(message.content):
            if block.type == "text":
                self.text_size += len(block.text or "")
            elif block.type == "tool_use":
                self._begin_call(index, block.id, block.name, block.input)

    def read_body(self, value: object) -> None:
        message = as_object(value)
        self.has_failed = reports_error(message)
        self._read_message(message)
        for index, block in enumerate(map(as_object, as_list(message.get("content")))):
            self._blocks += 1
            if block.get("type") == "text":
                self.add_text(block.get("text"))
            elif block.get("type") == "tool_use":
                self._begin_call(index, block.get("id"), block.get("name"), block.get("input"))

    def _read_message(self, message: dict[str, object]) -> None:
        self.model = as_text(message.get("model")) or self.model
        self.finish_reason = as_text(message.get("stop_reason")) or self.finish_reason
        self._read_usage(message.get("usage"))

    def _read_usage(self, reported: object) -> None:
        if reported is not None:
            self._tokens.read(reported)
            self.usage = self._tokens.total()

    def _read_start(self, index: object, block: dict[str, object]) -> bool:
        self._blocks += 1
        if len(self._open) < _MOST_OPEN:
            self._open.add(as_count(index))
        if block.get("type") == "tool_use":
            self._begin_call(index, block.get("id"), block.get("name"), block.get("input"))
        if block.get("type") not in _EMPTY_AT_FIRST:
            return True
        return self.add_text(block.get("text")) or bool(block.get("thinking"))

    def _begin_call(self, index: object, id: object, name: object, given: object) -> None:
        """A stream begins with an empty input and sends the JSON of the real one after it."""
        written = (canonical_json(given) or b"").decode("utf-8", "replace") if given else None
        self.calls.add(as_count(index), id=id, name=name, whole=written)

    def _read_delta(self, index: object, delta: dict[str, object]) -> bool:
        if delta.get("type") == "input_json_delta":
            piece = delta.get("partial_json")
            if self.calls.knows(as_count(index)):
                self.calls.add(as_count(index), piece=piece)
            return bool(piece)
        return self.add_text(delta.get("text")) or bool(delta.get("thinking"))

    def objection(self) -> str | None:
        if not self._blocks:
            return "it has no content"
        if self._open:
            return "a content block has no end"
        if self.finish_reason not in _GOOD_ENDS:
            return f"its stop reason is {self.finish_reason or 'missing'}"
        return super().objection()
