"""Anthropic messages: what is sent, and what an answer says. No I/O."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from .talk import Ask, Delta, Exchange, ModelFailed, ToolCall, Turn, arguments_object

MOST_TOKENS_OUT = 8192
VERSION = "2023-06-01"

_Shape = TypeVar("_Shape", bound=msgspec.Struct)

_KEPT = {"type": "ephemeral"}


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    content: list[_Block] = []
    stop_reason: str | None = None
    error: object = None


class _DeltaPart(msgspec.Struct):
    type: str = ""
    text: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: _DeltaPart = msgspec.field(default_factory=_DeltaPart)
    error: object = None


def headers(key: str) -> dict[str, str]:
    """Who asks."""
    return {"x-api-key": key, "anthropic-version": VERSION, "content-type": "application/json"}


def body(model: str, ask: Ask, *, temperature: float | None) -> dict[str, Any]:
    """The request; equal asks give equal bytes. Rules and data are marked as worth keeping."""
    prompt = ask.prompt
    written: dict[str, Any] = {"model": model, "max_tokens": MOST_TOKENS_OUT}
    if ask.tools:
        written["tools"] = [
            {"name": spec.name, "description": spec.about, "input_schema": spec.schema}
            for spec in ask.tools
        ]
        if not ask.may_call:
            written["tool_choice"] = {"type": "none"}
    written["system"] = [{"type": "text", "text": prompt.rules, "cache_control": _KEPT}]
    written["messages"] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": prompt.data, "cache_control": _KEPT},
                {"type": "text", "text": prompt.task},
            ],
        },
        *(message for exchange in ask.exchanges for message in _messages(exchange)),
    ]
    if temperature is not None:
        written["temperature"] = temperature
    if ask.streams:
        written["stream"] = True
    return written


def read_turn(answer: bytes) -> Turn:
    """The answer that came as a whole. Raises ModelFailed."""
    message = _decoded(answer, _Message)
    _refuse(message.error, message.stop_reason)
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = tuple(
        ToolCall(block.id, block.name, bytes(block.input).decode())
        for block in message.content
        if block.type == "tool_use"
    )
    return Turn(text, calls, message.stop_reason == "max_tokens")


def read_event(data: str) -> Delta:
    """What one event of a stream adds. Raises ModelFailed."""
    event = _decoded(data.encode(), _Event)
    _refuse(event.error, event.delta.stop_reason)
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        return Delta(event.delta.text)
    cut_off = event.delta.stop_reason == "max_tokens"
    return Delta("", event.type == "message_stop", cut_off)


def _decoded(data: bytes, kind: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ModelFailed(f"the answer is no message: {wrong}") from None


def _refuse(error: object, reason: str | None) -> None:
    if error is not None:
        message = error.get("message") if isinstance(error, dict) else error
        raise ModelFailed(f"the endpoint reports {str(message)[:200]}")
    if reason == "refusal":
        raise ModelFailed("the model declined to answer")


def _messages(exchange: Exchange) -> list[dict[str, Any]]:
    turn = exchange.turn
    said = [{"type": "text", "text": turn.text}] if turn.text.strip() else []
    asked = [
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": arguments_object(call.arguments),
        }
        for call in turn.tool_calls
    ]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": result}
        for call, result in zip(turn.tool_calls, exchange.results, strict=True)
    ]
    return [
        {"role": "assistant", "content": [*said, *asked]},
        {"role": "user", "content": results},
    ]
