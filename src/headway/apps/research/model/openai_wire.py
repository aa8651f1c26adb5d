"""OpenAI chat completions: what is sent, and what an answer says. No I/O."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .talk import Ask, Delta, Exchange, ModelFailed, ToolCall, ToolSpec, Turn, arguments_object


# Endpoints that only resemble OpenAI's leave fields out, or null, or send arguments as an object.
class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    delta: _Message = msgspec.field(default_factory=_Message)
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: object = None


def headers(key: str) -> dict[str, str]:
    """Who asks."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def body(model: str, ask: Ask, *, temperature: float | None) -> dict[str, Any]:
    """The request; equal asks give equal bytes."""
    prompt = ask.prompt
    written: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": prompt.rules},
            {"role": "user", "content": f"{prompt.data}\n\n{prompt.task}"},
            *(message for exchange in ask.exchanges for message in _messages(exchange)),
        ],
    }
    if ask.tools:
        written["tools"] = [_tool(spec) for spec in ask.tools]
        if not ask.may_call:
            written["tool_choice"] = "none"
    if temperature is not None:
        written["temperature"] = temperature
    if ask.streams:
        written["stream"] = True
        written["stream_options"] = {"include_usage": True}
    return written


def read_turn(answer: bytes) -> Turn:
    """The answer that came as a whole. Raises ModelFailed."""
    choice = _first_choice(_decoded(answer))
    if choice is None:
        raise ModelFailed("the answer holds no choice")
    message = choice.message
    if message.refusal:
        raise ModelFailed(f"the model declined: {message.refusal[:200]}")
    _refuse_filtered(choice.finish_reason)
    calls = enumerate(message.tool_calls or ())
    wanted = tuple(_call(place, call) for place, call in calls)
    return Turn(message.content or "", wanted, choice.finish_reason == "length")


def read_event(data: str) -> Delta:
    """What one event of a stream adds. Raises ModelFailed."""
    if data.strip() == "[DONE]":
        return Delta()
    choice = _first_choice(_decoded(data.encode()))
    if choice is None:
        return Delta()
    _refuse_filtered(choice.finish_reason)
    reason = choice.finish_reason
    return Delta(choice.delta.content or "", reason is not None, reason == "length")


def _decoded(data: bytes) -> _Answer:
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ModelFailed(f"the answer is no chat completion: {wrong}") from None
    if answer.error is not None:
        raise ModelFailed(f"the endpoint reports {_told(answer.error)}")
    return answer


def _told(error: object) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:200]


def _first_choice(answer: _Answer) -> _Choice | None:
    return answer.choices[0] if answer.choices else None


def _call(place: int, call: _Call) -> ToolCall:
    arguments = call.function.arguments or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(call.id or f"call_{place}", call.function.name or "", arguments)


def _refuse_filtered(reason: str | None) -> None:
    if reason == "content_filter":
        raise ModelFailed("the endpoint's content filter stopped the answer")


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.about, "parameters": spec.schema}
    return {"type": "function", "function": function}


def _messages(exchange: Exchange) -> list[dict[str, Any]]:
    turn = exchange.turn
    asked = [_asked(call) for call in turn.tool_calls]
    return [
        {"role": "assistant", "content": turn.text or None, "tool_calls": asked},
        *(
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(turn.tool_calls, exchange.results, strict=True)
        ),
    ]


def _asked(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(arguments_object(call.arguments)).decode()
    kind: Literal["function"] = "function"
    return {"id": call.id, "type": kind, "function": {"name": call.name, "arguments": arguments}}
