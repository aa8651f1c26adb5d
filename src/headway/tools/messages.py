"""From what a model wrote to the calls in it, and from results to the messages it is sent back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, cast

from ..errors import BadSetup, HeadwayError
from .outcome import BatchOutcome, CallResult, ToolCall
from .values import as_text, whole

Wire = Literal["openai.chat", "openai.responses", "anthropic.messages"]
Message = dict[str, object]


def calls_of(message: object, *, references: bool = False) -> list[ToolCall]:
    """The tool calls in what a model answered, in its order; none if it made none.

    Args:
        message: from OpenAI a chat completion or its message, or a response or its output; from
            Anthropic a message or its content: objects of the SDKs or plain dicts.
        references: the model was told that ``$1.field`` stands for an earlier result; otherwise
            such texts are taken as they are.

    Raises:
        BadSetup: a call has no id or no name, so that nobody could answer it.
    """
    return [
        _call(part, kind, literal=not references)
        for part in _parts(message)
        if (kind := _kind(part)) is not None
    ]


def results_for(outcome: BatchOutcome | Sequence[CallResult], wire: Wire) -> list[Message]:
    """What to append to the conversation, right after the model's message; in the calls' order.

    For ``"openai.chat"`` one message a result, for ``"openai.responses"`` one input item a result,
    for ``"anthropic.messages"`` one user message with all results; add text of your own to that
    one only behind them. A result that is no success says so: by ``is_error`` on Anthropic's wire,
    by its first word on OpenAI's.
    """
    results = outcome.results if isinstance(outcome, BatchOutcome) else list(outcome)
    if wire == "anthropic.messages":
        blocks = [_tool_result(result) for result in results]
        return [{"role": "user", "content": blocks}] if blocks else []
    answer = _ON_OPENAI.get(wire)
    if answer is None:
        raise BadSetup(
            f"results_for(wire={wire!r}); use 'openai.chat', 'openai.responses' or "
            "'anthropic.messages'"
        )
    return [answer(result) for result in results]


class _Kind:
    """Where one kind of call has its id, its name and its arguments."""

    def __init__(
        self, within: str | None, id: str, arguments: str, *, custom: bool = False
    ) -> None:
        self.within, self.id, self.arguments, self.custom = within, id, arguments, custom


_KINDS = {
    "function": _Kind("function", "id", "arguments"),
    "custom": _Kind("custom", "id", "input", custom=True),
    "function_call": _Kind(None, "call_id", "arguments"),
    "custom_tool_call": _Kind(None, "call_id", "input", custom=True),
    "tool_use": _Kind(None, "id", "input"),
}


def _parts(message: object) -> Iterator[object]:
    """Whatever in *message* may be a call."""
    if isinstance(message, list | tuple):
        yield from message
        return
    for choice in _items(message, "choices")[:1]:
        yield from _items(_get(choice, "message"), "tool_calls")
    for name in ("tool_calls", "output", "content"):
        yield from _items(message, name)


def _kind(part: object) -> _Kind | None:
    kind = _get(part, "type")
    if kind is None and _get(part, "function") is not None:  # some servers leave it out
        kind = "function"
    return _KINDS.get(kind) if isinstance(kind, str) else None


def _call(part: object, kind: _Kind, *, literal: bool) -> ToolCall:
    named = _get(part, kind.within) if kind.within else part
    id, name, arguments = _get(part, kind.id), _get(named, "name"), _get(named, kind.arguments)
    if not isinstance(id, str) or not id:
        raise BadSetup(f"the call of {name!r} has no id, so its result could not be sent back")
    if not isinstance(name, str) or not name:
        raise BadSetup(f"the call {id!r} names no tool")
    if kind.custom:
        return ToolCall(id, name, {"input": arguments}, literal, custom=True)
    if not isinstance(arguments, str | Mapping):
        arguments = {} if arguments is None else as_text(arguments)
    return ToolCall(id, name, cast("Mapping[str, object] | str", arguments), literal)


def _get(holder: object, name: str) -> object:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _items(holder: object, name: str) -> Sequence[object]:
    items = _get(holder, name)
    return items if isinstance(items, list | tuple) else ()


def _tool_result(result: CallResult) -> Message:
    block: Message = {
        "type": "tool_result",
        "tool_use_id": result.id,
        "content": _content(result, _ANTHROPIC_BLOCKS),
    }
    if result.status != "done":
        block["is_error"] = True
    return block


def _chat_message(result: CallResult) -> Message:
    content = _content(result, _CHAT_PARTS)
    return {"role": "tool", "tool_call_id": result.id, "content": content}


def _output_item(result: CallResult) -> Message:
    kind = "custom_tool_call_output" if result.custom else "function_call_output"
    return {"type": kind, "call_id": result.id, "output": _content(result, _RESPONSES_PARTS)}


_ON_OPENAI: dict[str, Callable[[CallResult], Message]] = {
    "openai.chat": _chat_message,
    "openai.responses": _output_item,
}

_ANTHROPIC_BLOCKS = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_CHAT_PARTS = frozenset({"text"})
_RESPONSES_PARTS = frozenset({"input_text", "input_image", "input_file"})


def _content(result: CallResult, known: frozenset[str]) -> object:
    """The value as text, or as it is if it consists of parts that the wire knows."""
    if result.status != "done":
        return f"Error: {_reason(result)}"
    value = whole(result.value)
    if isinstance(value, list) and value and all(_get(part, "type") in known for part in value):
        return value
    return as_text(value)


def _reason(result: CallResult) -> str:
    error = result.error
    if isinstance(error, HeadwayError):
        return str(error)
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
