"""An OpenAI response, whole or as a stream that ends with the response as it then is."""

from __future__ import annotations

from typing import Final

import msgspec

from .json_values import as_count, as_list, as_object, as_text
from .reading import CallDrafts, Reading, decode_usual, reports_error
from .usage import ResponseUsage, openai_usage

_ENDS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
    }
)
_CALL_PIECES = {
    "response.function_call_arguments.delta": "delta",
    "response.custom_tool_call_input.delta": "delta",
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
}
_FAILED = ("failed", "cancelled")
_CALLS = ("function_call", "custom_tool_call")


class _UsualPart(msgspec.Struct, gc=False):
    text: str | None = None


class _UsualItem(msgspec.Struct, gc=False):
    type: str
    content: list[_UsualPart] | None = None
    call_id: object = None
    name: object = None
    arguments: str | msgspec.UnsetType = msgspec.UNSET
    input: object = None


class _UsualResponse(msgspec.Struct, gc=False):
    """A whole response as nearly all are; others do not fit in."""

    status: str
    model: str
    output: list[_UsualItem]
    usage: ResponseUsage | None = None
    error: None = None
    incomplete_details: None = None
    type: None = None


_decode_usual: Final = msgspec.json.Decoder(_UsualResponse).decode


class ResponseReading(Reading):
    """Reads output items as they come; what the last event says of the whole has the last word."""

    terminal = "response.completed"

    def __init__(self) -> None:
        self._status: str | None = None
        self._has_output = False

    def read_event(self, name: str | None, value: dict[str, object]) -> bool:
        kind = as_text(value.get("type")) or name or ""
        if name == "error" or reports_error(value):
            self.has_failed = True
        if kind.endswith(".delta"):
            return self._read_delta(kind, value)
        if kind in _CALL_PIECES:
            self._add_to_call(value, whole=value.get(_CALL_PIECES[kind]))
        elif kind in ("response.output_item.added", "response.output_item.done"):
            return self._read_item(value.get("output_index"), as_object(value.get("item")))
        elif "response" in value:
            self.is_ended = self.is_ended or kind in _ENDS
            self._read_response(as_object(value["response"]), kind in _ENDS)
        return False

    def read_whole(self, body: bytes) -> None:
        response = decode_usual(_decode_usual, body)
        if response is None:
            super().read_whole(body)
            return
        self.model = response.model or None
        self.finish_reason = self._status = response.status or None
        self.has_failed = self._status in _FAILED
        if response.usage is not None:
            self.usage = response.usage.usage()
        self._has_output = bool(response.output)
        for index, item in enumerate(response.output):
            if item.type == "message":
                self.text_size += sum(len(part.text or "") for part in item.content or ())
            elif item.type in _CALLS:
                written = item.input if item.arguments is msgspec.UNSET else item.arguments
                self.calls.add(index, id=item.call_id, name=item.name, whole=written or None)

    def read_body(self, value: object) -> None:
        response = as_object(value)
        self._read_response(response, is_last=True)
        for item in map(as_object, as_list(response.get("output"))):
            if item.get("type") == "message":
                self.add_text(item.get("content"))

    def _read_delta(self, kind: str, value: dict[str, object]) -> bool:
        piece = value.get("delta")
        if kind == "response.output_text.delta":
            return self.add_text(piece)
        if kind in _CALL_PIECES:
            self._add_to_call(value, piece=piece)
        return bool(piece)

    def _add_to_call(
        self, value: dict[str, object], *, piece: object = None, whole: object = None
    ) -> None:
        place = as_count(value.get("output_index"))
        if self.calls.knows(place):
            self.calls.add(place, piece=piece, whole=whole)

    def _read_item(self, index: object, item: dict[str, object]) -> bool:
        self._has_output = True
        if item.get("type") not in _CALLS:
            return False
        _add_call(self.calls, as_count(index), item)
        return True

    def _read_response(self, response: dict[str, object], is_last: bool) -> None:
        self.model = as_text(response.get("model")) or self.model
        if response.get("usage") is not None:
            self.usage = openai_usage(response["usage"])
        self._status = as_text(response.get("status")) or self._status
        if reports_error(response) or self._status in _FAILED:
            self.has_failed = True
        if is_last:
            reason = as_text(as_object(response.get("incomplete_details")).get("reason"))
            self.finish_reason = reason or self._status
            self._take_over(as_list(response.get("output")))

    def _take_over(self, output: list[object]) -> None:
        if output:
            self._has_output = True
            self._calls = None
        for index, item in enumerate(map(as_object, output)):
            if item.get("type") in _CALLS:
                _add_call(self.calls, index, item)

    def objection(self) -> str | None:
        if self._status != "completed":
            return f"its status is {self._status or 'missing'}"
        return super().objection() if self._has_output else "it has no output"


def _add_call(calls: CallDrafts, place: int | None, item: dict[str, object]) -> None:
    whole = item.get("arguments", item.get("input")) or None
    calls.add(place, id=item.get("call_id"), name=item.get("name"), whole=whole)
