"""Requests are checked as the providers do: types, ranges, and tool calls that have results."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .refusal import Refused
from .tokens import list_of, object_of

Json = dict[str, Any]
Share = Annotated[float, Meta(ge=0, le=1)]
Heat = Annotated[float, Meta(ge=0, le=2)]
Positive = Annotated[int, Meta(ge=1)]


class _Part(msgspec.Struct):
    """A part of a message, a block, an item: what is read of it, wherever it stands."""

    type: str | None = None
    text: str | None = None
    id: str | None = None
    role: str | None = None
    name: str | None = None
    call_id: str | None = None
    tool_use_id: str | None = None
    content: str | list[Json] | None = None
    cache_control: Json | None = None


class _Function(msgspec.Struct):
    name: str
    parameters: Json | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class _ChatCall(msgspec.Struct):
    id: str
    function: _CalledFunction | None = None


class _ChatMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_ChatCall] | None = None
    tool_call_id: str | None = None


class _ChatTool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Chat(msgspec.Struct):
    model: str
    messages: Annotated[list[_ChatMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: Json | None = None
    temperature: Heat | None = None
    top_p: Share | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    tools: list[_ChatTool] | None = None
    tool_choice: str | Json | None = None
    response_format: Json | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _ResponsesTool(msgspec.Struct):
    type: str
    name: str | None = None
    parameters: Json | None = None


class _Responses(msgspec.Struct):
    model: str
    input: str | list[_Part]
    instructions: str | None = None
    stream: bool | None = None
    temperature: Heat | None = None
    top_p: Share | None = None
    max_output_tokens: Positive | None = None
    tools: list[_ResponsesTool] | None = None
    tool_choice: str | Json | None = None
    text: Json | None = None
    reasoning: _Reasoning | None = None
    previous_response_id: str | None = None
    store: bool | None = None


class _Embeddings(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, Meta(ge=1, le=16_384)] | None = None
    encoding_format: Literal["float", "base64"] | None = None


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Part]


class _Tool(msgspec.Struct):
    name: str
    input_schema: Json | None = None
    cache_control: Json | None = None


class _CountTokens(msgspec.Struct):
    model: str
    messages: Annotated[list[_Message], Meta(min_length=1)]
    system: str | list[_Part] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Json | None = None


class _Messages(_CountTokens, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    stream: bool | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    stop_sequences: list[str] | None = None
    output_config: Json | None = None
    cache_control: Json | None = None


_SHAPES: dict[str, type[msgspec.Struct]] = {
    "openai.chat": _Chat,
    "openai.responses": _Responses,
    "openai.embeddings": _Embeddings,
    "anthropic.messages": _Messages,
    "anthropic.count_tokens": _CountTokens,
}


def checked_body(wire: str, body: bytes) -> Json:
    """The parsed body.

    Raises:
        Refused: it is no JSON object, or the provider would not have it.
    """
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Refused(400, f"We could not parse the JSON body of your request: {wrong}") from wrong
    if not isinstance(parsed, dict):
        raise Refused(400, "The body of the request must be a JSON object.")
    try:
        msgspec.convert(parsed, _SHAPES[wire])
    except msgspec.ValidationError as wrong:
        raise _refusal_of(str(wrong), is_openai=wire.startswith("openai")) from wrong
    _check_tool_results(wire, parsed)
    return parsed


_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r" - at `\$\.?(.*)`$")


def _refusal_of(wrong: str, *, is_openai: bool) -> Refused:
    place = _PLACE.search(wrong)
    where = place.group(1) if place else ""
    missing = _MISSING.search(wrong)
    if missing:
        param = f"{where}.{missing.group(1)}" if where else missing.group(1)
        said = (
            f"Missing required parameter: '{param}'."
            if is_openai
            else f"{_dotted(param)}: Field required"
        )
        return Refused(400, said, param=param, code="missing_required_parameter")
    what = _PLACE.sub("", wrong)
    said = f"Invalid value for '{where}': {what}." if is_openai else f"{_dotted(where)}: {what}"
    code = "invalid_type" if "got `" in wrong else "invalid_value"
    return Refused(400, said, param=where or None, code=code)


def _dotted(path: str) -> str:
    """``messages[0].role`` as Anthropic writes it: ``messages.0.role``."""
    return path.replace("[", ".").replace("]", "")


def _check_tool_results(wire: str, body: Json) -> None:
    if wire == "openai.chat":
        _check_chat_results([object_of(message) for message in body["messages"]])
    elif wire == "openai.responses":
        _check_response_results([object_of(item) for item in list_of(body["input"])], body)
    elif wire == "anthropic.messages":
        _check_message_results([object_of(message) for message in body["messages"]])


_STRAY_RESULT = (
    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
    "'tool_calls'."
)
_OPEN_CALLS = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'. The following tool_call_ids did not have response messages: "
)


def _check_chat_results(messages: list[Json]) -> None:
    open_calls: list[str] = []
    for at, message in enumerate([*messages, {"role": "user"}]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Refused(400, _STRAY_RESULT, param=f"messages.[{at}].role")
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise Refused(400, _OPEN_CALLS + ", ".join(open_calls), param=f"messages.[{at}].role")
        open_calls = [str(call.get("id")) for call in list_of(message.get("tool_calls"))]


def _check_response_results(items: list[Json], body: Json) -> None:
    called = {item.get("call_id") for item in items if item.get("type") == "function_call"}
    given = {item.get("call_id") for item in items if item.get("type") == "function_call_output"}
    for call_id in sorted(str(one) for one in called - given):
        raise Refused(400, f"No tool output found for function call {call_id}.", param="input")
    if body.get("previous_response_id") is None:
        for call_id in sorted(str(one) for one in given - called):
            raise Refused(
                400,
                f"No tool call found for function call output with call_id {call_id}.",
                param="input",
            )


def _check_message_results(messages: list[Json]) -> None:
    called: list[str] = []
    for at, message in enumerate(messages):
        blocks = [object_of(block) for block in list_of(message["content"])]
        given = [str(b.get("tool_use_id")) for b in blocks if b.get("type") == "tool_result"]
        missing, stray = set(called) - set(given), set(given) - set(called)
        if missing:
            ids = ", ".join(sorted(missing))
            said = (
                f"`tool_use` ids were found without `tool_result` blocks immediately after: {ids}."
            )
            raise Refused(400, f"messages.{at - 1}: {said}")
        if stray:
            ids = ", ".join(sorted(stray))
            said = f"unexpected `tool_use_id` found in `tool_result` blocks: {ids}."
            raise Refused(400, f"messages.{at}: {said}")
        called = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
    if called:
        ids = ", ".join(called)
        said = f"`tool_use` ids were found without `tool_result` blocks immediately after: {ids}."
        raise Refused(400, f"messages.{len(messages) - 1}: {said}")
