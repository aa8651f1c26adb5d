"""Answers in the shape of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import tokens
from .answer import Reported, ToolUse
from .refusal import event_bytes
from .reply import Draft, Piece

Json = dict[str, Any]
DONE = Piece(b"data: [DONE]\n\n")


def usage_of(usage: Reported) -> Json:
    """Usage in chat's words."""
    return {
        "prompt_tokens": usage.tokens_in,
        "completion_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "prompt_tokens_details": {"cached_tokens": usage.tokens_cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.tokens_reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def plain(draft: Draft) -> Json:
    """The whole answer in one object."""
    count = draft.question.body.get("n") or 1
    assert isinstance(count, int)
    body = {
        **_frame(draft, "chat.completion"),
        "choices": [_choice(draft, index) for index in range(count)],
        "service_tier": "default",
        "system_fingerprint": "fp_headway",
    }
    return {**body, "usage": usage_of(draft.usage)} if draft.answer.reports_usage else body


def _frame(draft: Draft, kind: str) -> Json:
    return {
        "id": draft.id("chatcmpl-"),
        "object": kind,
        "created": draft.created,
        "model": draft.question.model,
    }


def _choice(draft: Draft, index: int) -> Json:
    answer = draft.answer
    message: Json = {"role": "assistant", "content": answer.whole_text, "refusal": answer.refusal}
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [
            _call(draft, call, index, at) for at, call in enumerate(answer.calls)
        ]
    message["annotations"] = []
    logprobs = _logprobs(draft, answer.text_pieces)
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": answer.finish,
    }


def _call(draft: Draft, call: ToolUse, index: int, at: int) -> Json:
    function = {"name": call.name, "arguments": call.arguments_json}
    call_id = call.id or draft.id("call_", (index, at))
    return {"id": call_id, "type": "function", "function": function}


def _logprobs(draft: Draft, pieces: list[str]) -> Json | None:
    if not draft.question.body.get("logprobs"):
        return None
    return {"content": [_logprob(draft, piece) for piece in pieces], "refusal": None}


def _logprob(draft: Draft, piece: str) -> Json:
    """Each piece counts as one token, and as a sure one."""
    most = draft.question.body.get("top_logprobs") or 0
    token = {"token": piece, "logprob": -0.01, "bytes": list(piece.encode())}
    return {**token, "top_logprobs": [token] if most else []}


def stream(draft: Draft) -> Iterator[Piece]:
    """Role chunk, content, tool calls, finish; a usage chunk if it was asked for; ``[DONE]``."""
    options = tokens.object_of(draft.question.body.get("stream_options"))
    wants_usage = bool(options.get("include_usage")) and draft.answer.reports_usage
    common = {**_frame(draft, "chat.completion.chunk"), "service_tier": "default"}
    common["system_fingerprint"] = "fp_headway"
    extra: Json = {"usage": None} if wants_usage else {}
    count = draft.question.body.get("n") or 1
    assert isinstance(count, int)
    for index in range(count):
        for delta, made, finish in _deltas(draft, index):
            logprobs = _logprobs(draft, [delta["content"]]) if delta.get("content") else None
            choice = {"index": index, "delta": delta, "logprobs": logprobs}
            choices = [{**choice, "finish_reason": finish}]
            yield Piece(event_bytes({**common, "choices": choices, **extra}), made)
    if wants_usage:
        body = {**common, "choices": [], "usage": usage_of(draft.usage)}
        yield Piece(event_bytes(body), reports_usage=True)
    yield DONE


def _deltas(draft: Draft, index: int) -> Iterator[tuple[Json, int, str | None]]:
    """Each delta, the tokens in it, and the finish reason (in the last one alone)."""
    answer = draft.answer
    says_nothing = answer.tool_calls and answer.whole_text is None
    opening = None if says_nothing else ""
    yield {"role": "assistant", "content": opening, "refusal": None}, 0, None
    for piece in tokens.pieces(answer.reasoning or ""):
        yield {"reasoning_content": piece}, tokens.count(piece), None
    for piece in answer.text_pieces:
        yield {"content": piece}, tokens.count(piece), None
    for piece in tokens.pieces(answer.refusal or ""):
        yield {"refusal": piece}, tokens.count(piece), None
    for at, call in enumerate(answer.calls):
        yield from _call_deltas(draft, call, index, at)
    yield {}, 0, answer.finish


def _call_deltas(
    draft: Draft, call: ToolUse, index: int, at: int
) -> Iterator[tuple[Json, int, str | None]]:
    whole = _call(draft, call, index, at)
    opening = {**whole, "function": {"name": call.name, "arguments": ""}}
    yield {"tool_calls": [{"index": at, **opening}]}, tokens.count(call.name), None
    for fragment in tokens.fragments(call.arguments_json):
        delta = {"index": at, "function": {"arguments": fragment}}
        yield {"tool_calls": [delta]}, tokens.count(fragment), None
