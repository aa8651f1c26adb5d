"""Answers in the shape of OpenAI's responses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from . import tokens
from .answer import Reported, ToolUse
from .refusal import event_bytes
from .reply import Draft, Piece

Json = dict[str, Any]
_ECHOED: dict[str, Any] = {  # members of the request that the response repeats, or their defaults
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def usage_of(usage: Reported) -> Json:
    """Usage in the words of responses."""
    return {
        "input_tokens": usage.tokens_in,
        "input_tokens_details": {"cached_tokens": usage.tokens_cached, "cache_write_tokens": 0},
        "output_tokens": usage.tokens_out,
        "output_tokens_details": {"reasoning_tokens": usage.tokens_reasoning},
        "total_tokens": usage.tokens_in + usage.tokens_out,
    }


def plain(draft: Draft) -> Json:
    """The whole answer in one object."""
    return _response(draft, _status(draft), output_of(draft))


def id_of(draft: Draft) -> str:
    """The id by which a later request goes on from this response."""
    return draft.id("resp_", "", 48)


def _status(draft: Draft) -> str:
    finish = draft.answer.finish
    return "incomplete" if finish in {"length", "content_filter"} else "completed"


def _response(draft: Draft, status: str, output: list[Json]) -> Json:
    body = draft.question.body
    echoed = {name: body.get(name, usual) for name, usual in _ECHOED.items()}
    is_over = status in {"completed", "incomplete"}
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    details = {"reason": reasons[draft.answer.finish]} if status == "incomplete" else None
    says_usage = is_over and draft.answer.reports_usage
    return {
        "id": id_of(draft),
        "object": "response",
        "created_at": draft.created,
        "status": status,
        "background": False,
        "completed_at": draft.created if status == "completed" else None,
        "error": None,
        "incomplete_details": details,
        "model": draft.question.model,
        "output": output,
        **echoed,
        "service_tier": "default" if is_over else "auto",
        "usage": usage_of(draft.usage) if says_usage else None,
    }


def output_of(draft: Draft) -> list[Json]:
    """The items of the answer: reasoning, message, function calls."""
    answer, items = draft.answer, []
    if answer.reasoning is not None:
        items.append(_reasoning(draft, [answer.reasoning]))
    parts = [part for part, _, _ in _parts(draft)]
    if parts:
        items.append(_message(draft, parts, _status(draft)))
    return items + [_call(draft, call, at) for at, call in enumerate(answer.calls)]


def _reasoning(draft: Draft, summaries: list[str]) -> Json:
    summary = [{"type": "summary_text", "text": text} for text in summaries]
    return {"id": draft.id("rs_", "", 48), "type": "reasoning", "summary": summary}


def _message(draft: Draft, parts: list[Json], status: str) -> Json:
    return {
        "id": draft.id("msg_", "", 48),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": parts,
    }


def _call(draft: Draft, call: ToolUse, at: int) -> Json:
    return {
        "id": draft.id("fc_", at, 48),
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments_json,
        "call_id": call.id or draft.id("call_", at),
        "name": call.name,
    }


def _parts(draft: Draft) -> Iterator[tuple[Json, list[str], str]]:
    """Each part of the message, its pieces, and the member that holds its words."""
    answer = draft.answer
    if answer.whole_text is not None:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.whole_text}
        yield part, answer.text_pieces, "text"
    if answer.refusal is not None:
        yield (
            {"type": "refusal", "refusal": answer.refusal},
            tokens.pieces(answer.refusal),
            "refusal",
        )


def stream(draft: Draft) -> Iterator[Piece]:
    """The typed events, numbered, from ``response.created`` to ``response.completed``."""
    numbers = count()
    for kind, made, members in _events(draft):
        body = {"type": kind, "sequence_number": next(numbers), **members}
        reports = kind in {"response.completed", "response.incomplete"}
        yield Piece(event_bytes(body, kind), made, reports and draft.answer.reports_usage)


_Event = tuple[str, int, Json]


def _events(draft: Draft) -> Iterator[_Event]:
    begun = {"response": _response(draft, "in_progress", [])}
    yield "response.created", 0, begun
    yield "response.in_progress", 0, begun
    for index, item in enumerate(output_of(draft)):
        kind = item["type"]
        if kind == "reasoning":
            inner = _reasoning_events(draft, item, index)
        elif kind == "message":
            inner = _message_events(draft, item, index)
        else:
            inner = _call_events(item, index)
        yield from inner
        yield "response.output_item.done", 0, {"output_index": index, "item": item}
    whole = plain(draft)
    yield f"response.{whole['status']}", 0, {"response": whole}


def _reasoning_events(draft: Draft, item: Json, index: int) -> Iterator[_Event]:
    yield _added({**item, "summary": []}, index)
    at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    empty = {"type": "summary_text", "text": ""}
    yield "response.reasoning_summary_part.added", 0, {**at, "part": empty}
    text = draft.answer.reasoning or ""
    for piece in tokens.pieces(text):
        delta = {**at, "delta": piece}
        yield "response.reasoning_summary_text.delta", tokens.count(piece), delta
    yield "response.reasoning_summary_text.done", 0, {**at, "text": text}
    part = {"type": "summary_text", "text": text}
    yield "response.reasoning_summary_part.done", 0, {**at, "part": part}


def _message_events(draft: Draft, item: Json, index: int) -> Iterator[_Event]:
    yield _added({**item, "status": "in_progress", "content": []}, index)
    for number, (part, pieces, member) in enumerate(_parts(draft)):
        at = {"item_id": item["id"], "output_index": index, "content_index": number}
        yield "response.content_part.added", 0, {**at, "part": {**part, member: ""}}
        name = "response.output_text" if member == "text" else "response.refusal"
        extra: Json = {"logprobs": []} if member == "text" else {}
        for piece in pieces:
            yield f"{name}.delta", tokens.count(piece), {**at, "delta": piece, **extra}
        yield f"{name}.done", 0, {**at, member: part[member], **extra}
        yield "response.content_part.done", 0, {**at, "part": part}


def _call_events(item: Json, index: int) -> Iterator[_Event]:
    yield _added({**item, "status": "in_progress", "arguments": ""}, index)
    at, kind = {"item_id": item["id"], "output_index": index}, "response.function_call_arguments"
    for fragment in tokens.fragments(item["arguments"]):
        yield f"{kind}.delta", tokens.count(fragment), {**at, "delta": fragment}
    yield f"{kind}.done", 0, {**at, "arguments": item["arguments"]}


def _added(item: Json, index: int) -> _Event:
    return "response.output_item.added", 0, {"output_index": index, "item": item}
