"""Exchanges with model endpoints, made up from a seed, with what a reader must find in them.

The shapes are those of the official clients' types. What is expected is worked out here from the
script of the answer, never with the code under test.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from headway.wire.exchange import RequestFacts, ToolCall, Usage, read_request
from headway.wire.sse import write_event

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
    "anthropic.count_tokens": "/v1/messages/count_tokens",
}
WORDS = [
    "profit",
    "rose",
    "by",
    "12.5 %",
    "in",
    "2025",
    "naïve",
    "—",
    "価格",
    "🙂",
    '"quoted"',
    "\\",
]


@dataclass
class Script:
    """What a model says, before it is put on a wire."""

    model: str
    words: list[str]
    reasoning: list[str]
    calls: list[ToolCall]
    usage: Usage
    is_cut_at_limit: bool


@dataclass
class Exchange:
    """One exchange: the request's facts, the answer's head and bytes, and what is true of it."""

    request: RequestFacts
    status: int
    headers: dict[str, str]
    body: bytes
    clean: bool = True
    expected: dict[str, Any] = field(default_factory=dict)


def make_exchange(seed: int) -> Exchange:
    """One of many kinds of exchange; equal seeds give equal exchanges."""
    rng = random.Random(seed)
    wire = rng.choice([*PATHS, "openai.chat", "openai.responses", "anthropic.messages"])
    exchange = _answered(rng, wire)
    if rng.random() < 0.1:
        return _failed(rng, wire)
    if rng.random() < 0.2:
        return _truncated(rng, exchange)
    return exchange


def _answered(rng: random.Random, wire: str) -> Exchange:
    if wire == "openai.embeddings":
        return _embeddings(rng)
    if wire == "anthropic.count_tokens":
        return _count(rng)
    streams = rng.random() < 0.7
    script = _script(rng)
    request = _request(wire, {"model": script.model, "stream": streams, "temperature": 0})
    write = {
        "openai.chat": (_chat_body, _chat_stream),
        "openai.responses": (_response_body, _response_stream),
        "anthropic.messages": (_message_body, _message_stream),
    }[wire][streams]
    body = write(rng, script)
    headers = EVENT_STREAM if streams else JSON
    return Exchange(request, 200, headers, body, expected=_expected(wire, script))


def _request(wire: str, body: dict[str, Any]) -> RequestFacts:
    return read_request("POST", PATHS[wire], {}, json.dumps(body).encode())


def _script(rng: random.Random) -> Script:
    tokens_in, tokens_out = rng.randrange(1, 90_000), rng.randrange(1, 5_000)
    cached = rng.randrange(tokens_in)
    usage = Usage(
        tokens_in, cached, rng.randrange(tokens_in - cached), tokens_out, rng.randrange(tokens_out)
    )
    words = [rng.choice(WORDS) + " " for _ in range(rng.randrange(1, 30))]
    calls = [
        ToolCall(f"call_{n}_{rng.randrange(10**6)}", f"tool_{n}", _arguments(rng))
        for n in range(rng.choice([0, 0, 1, 2, 3]))
    ]
    return Script(
        model=f"model-{rng.randrange(5)}",
        words=words,
        reasoning=[rng.choice(WORDS) for _ in range(rng.choice([0, 0, 5]))],
        calls=calls,
        usage=usage,
        is_cut_at_limit=rng.random() < 0.15,
    )


def _arguments(rng: random.Random) -> str:
    given = {"ticker": rng.choice(["NVDA", "AAPL"]), "note": rng.choice(WORDS), "n": rng.random()}
    return json.dumps(given, ensure_ascii=rng.random() < 0.5)


def _expected(wire: str, script: Script) -> dict[str, Any]:
    ends = {
        "openai.chat": ("length", "tool_calls" if script.calls else "stop"),
        "openai.responses": ("max_output_tokens", "completed"),
        "anthropic.messages": ("max_tokens", "tool_use" if script.calls else "end_turn"),
    }[wire]
    return {
        "is_complete": True,
        "is_error": False,
        "may_keep": not script.is_cut_at_limit,
        "model": script.model,
        "usage": script.usage,
        "finish_reason": ends[0] if script.is_cut_at_limit else ends[1],
        "tool_calls": tuple(script.calls),
        "text_size": sum(map(len, script.words)),
    }


def _pieces(rng: random.Random, text: str) -> list[str]:
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _interleaved(rng: random.Random, lists: list[list[Any]]) -> list[Any]:
    """The items of all lists, each list in its order: parallel tool calls on one stream."""
    waiting = [list(reversed(one)) for one in lists if one]
    mixed = []
    while waiting:
        one = rng.choice(waiting)
        mixed.append(one.pop())
        waiting = [left for left in waiting if left]
    return mixed


def _framed(rng: random.Random, events: list[tuple[str | None, Any]]) -> bytes:
    """The events in one of the legal framings, with comments between them."""
    end = rng.choice([b"\n", b"\r\n"])
    written = []
    for name, data in events:
        if rng.random() < 0.05:
            written.append(b": keep-alive\n\n")
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=rng.random() < 0.5)
        written.append(write_event(text, event=name))
    return b"".join(written).replace(b"\n", end)


# -- OpenAI chat completions


def _chat_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.tokens_in,
        "completion_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "prompt_tokens_details": {
            "cached_tokens": usage.tokens_cached,
            "cache_write_tokens": usage.tokens_cache_written,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.tokens_reasoning},
    }


def _chat_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _chat_body(rng: random.Random, script: Script) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(script.words)}
    if script.calls:
        message["tool_calls"] = [_chat_call(call) for call in script.calls]
    if script.reasoning:
        message["reasoning_content"] = "".join(script.reasoning)
    end = _expected("openai.chat", script)["finish_reason"]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": script.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": end}],
        "usage": _chat_usage(script.usage),
        "system_fingerprint": None,
    }
    return json.dumps(body, indent=rng.choice([None, 2])).encode()


def _chat_stream(rng: random.Random, script: Script) -> bytes:
    def chunk(delta: dict[str, Any], end: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": script.model,
            "choices": [choice],
            "usage": None,
        }

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"reasoning_content": text}) for text in script.reasoning]
    chunks += [chunk({"content": word}) for word in script.words]
    chunks += [chunk({"tool_calls": [_begun(n, one)]}) for n, one in enumerate(script.calls)]
    arguments = [
        [
            chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
            for piece in _pieces(rng, one.arguments)
        ]
        for n, one in enumerate(script.calls)
    ]
    chunks += _interleaved(rng, arguments)
    chunks.append(chunk({}, _expected("openai.chat", script)["finish_reason"]))
    last = chunk({})
    chunks.append({**last, "choices": [], "usage": _chat_usage(script.usage)})
    return _framed(rng, [*((None, one) for one in chunks), (None, "[DONE]")])


def _begun(n: int, call: ToolCall) -> dict[str, Any]:
    return {"index": n, **_chat_call(ToolCall(call.id, call.name, ""))}


# -- OpenAI responses


def _response(script: Script, status: str | None = None) -> dict[str, Any]:
    status = status or ("incomplete" if script.is_cut_at_limit else "completed")
    is_over = status in ("completed", "incomplete")
    text = {"type": "output_text", "text": "".join(script.words), "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}
    usage = script.usage
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": script.model,
        "output": [message, *map(_response_call, script.calls)] if is_over else [],
        "usage": {
            "input_tokens": usage.tokens_in,
            "input_tokens_details": {
                "cached_tokens": usage.tokens_cached,
                "cache_write_tokens": usage.tokens_cache_written,
            },
            "output_tokens": usage.tokens_out,
            "output_tokens_details": {"reasoning_tokens": usage.tokens_reasoning},
            "total_tokens": usage.tokens_in + usage.tokens_out,
        }
        if is_over
        else None,
    }


def _response_call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    }


def _response_body(rng: random.Random, script: Script) -> bytes:
    return json.dumps(_response(script), indent=rng.choice([None, 2])).encode()


def _response_stream(rng: random.Random, script: Script) -> bytes:
    whole = _response(script)
    events: list[dict[str, Any]] = [
        {"type": f"response.{kind}", "response": _response(script, "in_progress")}
        for kind in ("created", "in_progress")
    ]
    events += [
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": text}
        for text in script.reasoning
    ]
    message = whole["output"][0]
    events.append({"type": "response.output_item.added", "output_index": 0, "item": message})
    events += [
        {"type": "response.output_text.delta", "output_index": 0, "delta": word}
        for word in script.words
    ]
    events.append({"type": "response.output_text.done", "text": "".join(script.words)})
    for n, call in enumerate(script.calls, start=1):
        events += _response_call_events(rng, n, call)
    last = {"type": f"response.{whole['status']}", "response": whole}
    if rng.random() < 0.2:  # some servers leave the output out here
        last = {"type": last["type"], "response": {**whole, "output": []}}
    events.append(last)
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(events)]
    return _framed(rng, [(event["type"], event) for event in numbered])


def _response_call_events(rng: random.Random, n: int, call: ToolCall) -> list[dict[str, Any]]:
    done = _response_call(call)
    begun = {**done, "arguments": "", "status": "in_progress"}
    place = {"output_index": n, "item_id": done["id"]}
    kind = "response.function_call_arguments"
    return [
        {"type": "response.output_item.added", "output_index": n, "item": begun},
        *(
            {"type": f"{kind}.delta", **place, "delta": piece}
            for piece in _pieces(rng, call.arguments)
        ),
        {"type": f"{kind}.done", **place, "arguments": call.arguments},
        {"type": "response.output_item.done", "output_index": n, "item": done},
    ]


# -- Anthropic messages


def _message_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.tokens_in - usage.tokens_cached - usage.tokens_cache_written,
        "cache_creation_input_tokens": usage.tokens_cache_written,
        "cache_read_input_tokens": usage.tokens_cached,
        "output_tokens": usage.tokens_out,
        "output_tokens_details": {"thinking_tokens": usage.tokens_reasoning},
    }


def _message_body(rng: random.Random, script: Script) -> bytes:
    blocks: list[dict[str, Any]] = []
    if script.reasoning:
        text = "".join(script.reasoning)
        blocks.append({"type": "thinking", "thinking": text, "signature": "s"})
    blocks.append({"type": "text", "text": "".join(script.words)})
    script.calls[:] = [_in_one_form(call) for call in script.calls]
    blocks += [
        {"type": "tool_use", "id": one.id, "name": one.name, "input": json.loads(one.arguments)}
        for one in script.calls
    ]
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": blocks,
        "stop_reason": _expected("anthropic.messages", script)["finish_reason"],
        "stop_sequence": None,
        "usage": _message_usage(script.usage),
    }
    return json.dumps(body, indent=rng.choice([None, 2])).encode()


def _in_one_form(call: ToolCall) -> ToolCall:
    """Here the arguments come parsed, so that their text is the reader's: sorted and dense."""
    text = json.dumps(
        json.loads(call.arguments), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return ToolCall(call.id, call.name, text)


def _message_stream(rng: random.Random, script: Script) -> bytes:
    total = _message_usage(script.usage)
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": [],
        "stop_reason": None,
        "usage": {**total, "output_tokens": 1, "output_tokens_details": None},
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if script.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": text} for text in script.reasoning]
        deltas.append({"type": "signature_delta", "signature": "s"})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    texts = [{"type": "text_delta", "text": word} for word in script.words]
    blocks.append(({"type": "text", "text": ""}, texts))
    for call in script.calls:
        begun = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        pieces = ["", *_pieces(rng, call.arguments)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        blocks.append((begun, deltas))
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        if rng.random() < 0.2:
            events.append({"type": "ping"})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    end = _expected("anthropic.messages", script)["finish_reason"]
    usage = total if rng.random() < 0.5 else {**total, "input_tokens": None}
    events.append({"type": "message_delta", "delta": {"stop_reason": end}, "usage": usage})
    events.append({"type": "message_stop"})
    return _framed(rng, [(event["type"], event) for event in events])


# -- answers that are one value


def _embeddings(rng: random.Random) -> Exchange:
    texts = [rng.choice(WORDS) for _ in range(rng.randrange(1, 5))]
    request = _request("openai.embeddings", {"model": "embed-1", "input": texts})
    tokens = rng.randrange(1, 1000)
    data = [
        {"object": "embedding", "index": n, "embedding": [rng.uniform(-1, 1) for _ in range(8)]}
        for n in range(len(texts))
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": "embed-1", "usage": usage}
    expected = {"is_complete": True, "may_keep": True, "usage": Usage(tokens, 0, 0, 0, 0)}
    return Exchange(request, 200, JSON, json.dumps(body).encode(), expected=expected)


def _count(rng: random.Random) -> Exchange:
    messages = [{"role": "user", "content": "hello"}]
    request = _request("anthropic.count_tokens", {"model": "claude-1", "messages": messages})
    body = json.dumps({"input_tokens": rng.randrange(1, 1000)}).encode()
    expected = {"is_complete": True, "may_keep": True, "usage": Usage(0, 0, 0, 0, 0)}
    return Exchange(request, 200, JSON, body, expected=expected)


# -- what goes wrong


def _failed(rng: random.Random, wire: str) -> Exchange:
    """An error: by its status, in the body of a 200, or in the middle of a stream."""
    request = _request(wire, {"model": "m", "stream": True, "input": ["a"]})
    error = {"type": "overloaded_error", "message": "Overloaded", "code": None}
    body = {"type": "error", "error": error}
    expected = {"is_error": True, "may_keep": False}
    kind = rng.randrange(3)
    if kind == 0:
        status = rng.choice([400, 401, 404, 429, 500, 529])
        return Exchange(request, status, JSON, json.dumps(body).encode(), expected=expected)
    if kind == 1 or wire not in ("openai.chat", "openai.responses", "anthropic.messages"):
        return Exchange(request, 200, JSON, json.dumps(body).encode(), expected=expected)
    begun = _answered(rng, wire)
    cut = begun.body[: begun.body.rfind(b"\n\n", 0, len(begun.body) // 2) + 2]
    end = write_event(json.dumps(body), event="error") + write_event("[DONE]")
    return Exchange(request, 200, EVENT_STREAM, b"\n\n" + cut + b"\n\n" + end, expected=expected)


def _truncated(rng: random.Random, exchange: Exchange) -> Exchange:
    """Cut off before its last byte that counts; the connection may even have ended cleanly."""
    whole = exchange.body.rstrip()
    exchange.body = whole[: rng.randrange(len(whole))]
    exchange.clean = rng.random() < 0.5
    exchange.expected = {"is_complete": False, "may_keep": False}
    return exchange
