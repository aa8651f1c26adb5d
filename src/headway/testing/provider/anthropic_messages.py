"""Answers in the shape of Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from . import tokens
from .answer import Answer
from .marked_cache import CacheUse
from .refusal import event_bytes
from .reply import Draft, Piece

Json = dict[str, Any]
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def usage_of(draft: Draft, cache: CacheUse) -> Json:
    """Usage in Anthropic's words: ``input_tokens`` is what was neither read nor written."""
    return {
        "input_tokens": cache.total - cache.read - cache.written,
        "cache_creation_input_tokens": cache.written,
        "cache_read_input_tokens": cache.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cache.written_5m,
            "ephemeral_1h_input_tokens": cache.written_1h,
        },
        "output_tokens": draft.usage.tokens_out,
        "output_tokens_details": {"thinking_tokens": draft.usage.tokens_reasoning},
        "service_tier": "standard",
    }


def stop_reason(answer: Answer) -> str:
    """Why the answer ends, in Anthropic's words."""
    if answer.stop_sequence is not None:
        return "stop_sequence"
    if answer.refusal is not None and answer.finish_reason is None:
        return "refusal"
    return _STOP_REASONS.get(answer.finish, answer.finish)


def plain(draft: Draft, cache: CacheUse) -> Json:
    """The whole answer in one object."""
    answer = draft.answer
    content = [block for block, _ in _blocks(draft)]
    return _message(draft, content, usage_of(draft, cache)) | {
        "stop_reason": stop_reason(answer),
        "stop_sequence": answer.stop_sequence,
    }


def _message(draft: Draft, content: list[Json], usage: Json) -> Json:
    return {
        "id": draft.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": draft.question.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _blocks(draft: Draft) -> Iterator[tuple[Json, list[tuple[Json, int]]]]:
    """Each block of the answer as it stands in the end, and the deltas that make it."""
    answer = draft.answer
    if answer.reasoning is not None:
        signature = draft.id("", "signature", 64)
        deltas = [
            ({"type": "thinking_delta", "thinking": piece}, tokens.count(piece))
            for piece in tokens.pieces(answer.reasoning)
        ]
        deltas.append(({"type": "signature_delta", "signature": signature}, 0))
        yield (
            {"type": "thinking", "thinking": answer.reasoning, "signature": signature},
            deltas,
        )
    for text, pieces in _texts(answer):
        deltas = [({"type": "text_delta", "text": piece}, tokens.count(piece)) for piece in pieces]
        yield {"type": "text", "text": text}, deltas
    for at, call in enumerate(answer.calls):
        block = {"type": "tool_use", "id": call.id or draft.id("toolu_", at), "name": call.name}
        deltas = [
            ({"type": "input_json_delta", "partial_json": fragment}, tokens.count(fragment))
            for fragment in ["", *tokens.fragments(call.arguments_json)]
        ]
        yield {**block, "input": _input_of(call.arguments_json)}, deltas


def _texts(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    if answer.whole_text is not None:
        yield answer.whole_text, answer.text_pieces
    if answer.refusal is not None:
        yield answer.refusal, tokens.pieces(answer.refusal)


def _input_of(arguments: str) -> object:
    """Plain answers carry arguments as an object; what is no JSON stays the text it is."""
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments


_EMPTY: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def stream(draft: Draft, cache: CacheUse) -> Iterator[Piece]:
    """message_start, the blocks (a ping in the first), message_delta with usage, message_stop."""
    answer, usage = draft.answer, usage_of(draft, cache)
    begun = {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    opening = _message(draft, [], {**usage, **begun})
    if not answer.reports_usage:
        del opening["usage"]
    yield _event("message_start", message=opening)
    pings = [_event("ping")]
    for index, (block, deltas) in enumerate(_blocks(draft)):
        empty = {**block, **_EMPTY[block["type"]]}
        yield _event("content_block_start", index=index, content_block=empty)
        while pings:
            yield pings.pop()
        for delta, made in deltas:
            yield _event("content_block_delta", made, index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": stop_reason(answer), "stop_sequence": answer.stop_sequence}
    if answer.reports_usage:
        counted = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        final = {name: usage[name] for name in (*counted, "output_tokens", "output_tokens_details")}
        yield _event("message_delta", 0, True, delta=delta, usage=final)
    else:
        yield _event("message_delta", delta=delta)
    yield _event("message_stop")


def _event(kind: str, made: int = 0, reports: bool = False, **members: object) -> Piece:
    return Piece(event_bytes({"type": kind, **members}, kind), made, reports)
