"""An OpenAI chat completion, whole or as a stream of chunks that ends with ``[DONE]``.

Most answers are what they should be: these are decoded straight into the members that count. The
others are taken apart one by one, and become the very same.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .json_values import as_count, as_list, as_object, as_text
from .reading import Reading, decode_usual
from .usage import ChatUsage, openai_usage

_GOOD_ENDS: Final = frozenset({"stop", "tool_calls", "function_call"})
_MOST_CHOICES: Final = 1024


class _UsualFunction(msgspec.Struct, gc=False):
    name: str
    arguments: str


class _UsualCall(msgspec.Struct, gc=False):
    id: str
    function: _UsualFunction
    index: None = None


class _UsualMessage(msgspec.Struct, gc=False):
    content: str | None = None
    tool_calls: list[_UsualCall] | None = None
    function_call: None = None


class _UsualChoice(msgspec.Struct, gc=False):
    message: _UsualMessage
    finish_reason: str
    index: Literal[0] = 0
    error: None = None
    type: None = None


class _UsualAnswer(msgspec.Struct, gc=False):
    """A whole answer of one choice, as nearly all are; others do not fit in."""

    choices: tuple[_UsualChoice]
    model: str | None = None
    usage: ChatUsage | None = None
    error: None = None
    type: None = None


class _Choice(msgspec.Struct):
    index: object = None
    delta: object = None
    message: object = None
    finish_reason: object = None
    error: object = None
    type: object = None


class _Answer(msgspec.Struct):
    model: object = None
    choices: list[_Choice] | None = None
    usage: object = None
    error: object = None
    type: object = None


_decode: Final = msgspec.json.Decoder(_Answer).decode
_decode_usual: Final = msgspec.json.Decoder(_UsualAnswer).decode


def _answer_of(value: object) -> _Answer:
    """What counts of any value: members of the wrong type count as if they were not there."""
    answer = as_object(value)
    return _Answer(
        answer.get("model"),
        [_choice_of(as_object(one)) for one in as_list(answer.get("choices"))],
        answer.get("usage"),
        answer.get("error"),
        answer.get("type"),
    )


def _choice_of(choice: dict[str, object]) -> _Choice:
    return _Choice(*map(choice.get, _Choice.__struct_fields__))


class ChatReading(Reading):
    """Reads ``choices[]``: their texts, tool calls and finish reasons."""

    terminal = "[DONE]"

    def __init__(self) -> None:
        self._ends: dict[int, str | None] = {}

    def read_done(self) -> None:
        self.is_ended = True

    def read_data(self, name: str | None, data: bytes | str) -> bool:
        try:
            chunk = _decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return super().read_data(name, data)
        text = self._only_text(chunk) if name is None else None
        if text is None:
            return self._read(chunk, name, True)
        self.text_size += len(text)
        return text != ""

    def _only_text(self, chunk: _Answer) -> str | None:
        """The next piece of the text, if the chunk says nothing new besides."""
        choices = chunk.choices
        if choices is None or len(choices) != 1 or chunk.model != self.model:
            return None
        choice = choices[0]
        if not (
            chunk.usage is chunk.error is chunk.type is None
            and choice.finish_reason is choice.error is choice.type is None
            and choice.index == 0
            and 0 in self._ends
        ):
            return None
        delta = choice.delta
        if type(delta) is not dict or len(delta) != 1:
            return None
        return as_text(delta.get("content"))

    def read_event(self, name: str | None, value: dict[str, object]) -> bool:
        return self._read(_answer_of(value), name, True)

    def read_whole(self, body: bytes) -> None:
        answer = decode_usual(_decode_usual, body)
        if answer is None:
            super().read_whole(body)
        else:
            self._read_usual(answer)

    def _read_usual(self, answer: _UsualAnswer) -> None:
        choice = answer.choices[0]
        message = choice.message
        self.model = answer.model or self.model
        if answer.usage is not None:
            self.usage = answer.usage.usage()
        self._read_end(0, choice.finish_reason)
        if message.content is not None:
            self.text_size += len(message.content)
        for position, call in enumerate(message.tool_calls or ()):
            named = call.function
            self.calls.add((0, position), id=call.id, name=named.name, piece=named.arguments)

    def read_body(self, value: object) -> None:
        self._read(_answer_of(value), None, False)

    def _read(self, answer: _Answer, name: str | None, in_pieces: bool) -> bool:
        if answer.error is not None or answer.type is not None or name is not None:
            self.has_failed |= name == "error" or _reports_error(answer)
        if answer.model and isinstance(answer.model, str):
            self.model = answer.model
        if answer.usage is not None:
            self.usage = openai_usage(answer.usage)
        has_content = False
        for position, choice in enumerate(answer.choices or ()):
            index = as_count(choice.index)
            at = position if index is None else index
            if choice.finish_reason is not None or at not in self._ends:
                self._read_end(at, as_text(choice.finish_reason))
            if choice.error is not None or choice.type is not None:
                self.has_failed |= _reports_error(choice)
            said = choice.delta if in_pieces else choice.message
            if isinstance(said, dict) and self._read_message(at, said):
                has_content = True
        return has_content

    def _read_end(self, at: int, end: str | None) -> None:
        ends = self._ends
        if at in ends or len(ends) < _MOST_CHOICES:
            ends[at] = end or ends.get(at)
        if end is not None and (at == 0 or at <= min(ends)):
            self.finish_reason = end

    def _read_message(self, at: int, message: dict[str, object]) -> bool:
        has_content = False
        content = message.get("content")
        if isinstance(content, str):
            self.text_size += len(content)
            has_content = content != ""
        elif content is not None:
            has_content = self.add_text(content)
        if not _OTHER_CONTENT.isdisjoint(message):
            has_content = has_content or any(map(message.get, _OTHER_CONTENT))
            self._read_calls(at, message)
        return has_content

    def _read_calls(self, at: int, message: dict[str, object]) -> None:
        for position, call in enumerate(map(as_object, as_list(message.get("tool_calls")))):
            index = as_count(call.get("index"))
            named = as_object(call.get("function") or call.get("custom"))
            arguments = named.get("arguments", named.get("input"))
            place = (at, position if index is None else index)
            self.calls.add(place, id=call.get("id"), name=named.get("name"), piece=arguments)
        called = as_object(message.get("function_call"))
        if called:
            self.calls.add((at, None), name=called.get("name"), piece=called.get("arguments"))

    def objection(self) -> str | None:
        if not self._ends:
            return "it has no choices"
        if not _GOOD_ENDS.issuperset(self._ends.values()):
            end = next(end for end in self._ends.values() if end not in _GOOD_ENDS)
            return f"its finish reason is {end}" if end else "a choice has no finish reason"
        return None if self._calls is None else self._calls.objection()


def _reports_error(said: _Answer | _Choice) -> bool:
    return said.error not in (None, False) or said.type == "error"


_OTHER_CONTENT: Final = frozenset(
    {
        "tool_calls",
        "function_call",
        "refusal",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "audio",
    }
)
