"""An OpenAI chat completion, whole or as a stream of chunks that ends with ``[DONE]``."""

from __future__ import annotations

from .json_values import as_count, as_list, as_object, as_text
from .reading import Reading, reports_error
from .usage import openai_usage

_GOOD_ENDS = frozenset({"stop", "tool_calls", "function_call"})
_MOST_CHOICES = 1024


class ChatReading(Reading):
    """Reads ``choices[]``: their texts, tool calls and finish reasons."""

    terminal = "[DONE]"

    def __init__(self) -> None:
        super().__init__()
        self._ends: dict[int, str | None] = {}

    def read_done(self) -> None:
        self.is_ended = True

    def read_event(self, name: str | None, value: dict[str, object]) -> bool:
        return self._read(value, name, "delta")

    def read_body(self, value: object) -> None:
        self._read(as_object(value), None, "message")

    def _read(self, value: dict[str, object], name: str | None, part: str) -> bool:
        if name == "error" or reports_error(value):
            self.has_failed = True
        self.model = as_text(value.get("model")) or self.model
        if value.get("usage") is not None:
            self.usage = openai_usage(value["usage"])
        has_content = False
        for position, choice in enumerate(map(as_object, as_list(value.get("choices")))):
            index = as_count(choice.get("index"))
            at = position if index is None else index
            has_content |= self._read_choice(at, choice, as_object(choice.get(part)))
        return has_content

    def _read_choice(self, at: int, choice: dict[str, object], message: dict[str, object]) -> bool:
        if reports_error(choice):
            self.has_failed = True
        end = as_text(choice.get("finish_reason"))
        if at in self._ends or len(self._ends) < _MOST_CHOICES:
            self._ends[at] = end or self._ends.get(at)
        if end is not None and at <= min(self._ends):
            self.finish_reason = end
        has_content = self.add_text(message.get("content"))
        for name in _OTHER_CONTENT:
            has_content |= bool(message.get(name))
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
        for end in self._ends.values():
            if end not in _GOOD_ENDS:
                return f"its finish reason is {end}" if end else "a choice has no finish reason"
        return super().objection()


_OTHER_CONTENT = (
    "tool_calls",
    "function_call",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "audio",
)
