"""What a hit costs an official client, beside the same client over a transport with a constant.

    python bench/door.py [--json] [--rounds 9]

A hit comes out of the cache; the constant is the least a transport can do: it makes a response of
bytes at hand. Also: the door alone with a question of 10 KB, and what it adds to a miss. CPU time
of the whole process, minimum of interleaved rounds, requests and answers of 10 KB.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from typing import Any

import anthropic
import httpx2
import openai

from headway import Cache
from headway.adapters.http import through

WORDS = "moat " * 2000
QUESTION = [{"role": "user", "content": "moat " * 2000}]
CHAT: dict[str, Any] = {"model": "gpt-x", "messages": QUESTION, "temperature": 0}
MESSAGE: dict[str, Any] = {
    "model": "claude-x",
    "messages": QUESTION,
    "max_tokens": 10,
    "extra_body": {"temperature": 0},
}
MOST_RATIO, MOST_DOOR_US = 1.15, 120.0

Job = Callable[[], Awaitable[Any]]


def chat_body() -> bytes:
    message = {"role": "assistant", "content": WORDS}
    return _json(
        id="a",
        object="chat.completion",
        created=1,
        model="gpt-x",
        choices=[{"index": 0, "message": message, "finish_reason": "stop"}],
        usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    )


def chat_events() -> list[bytes]:
    frame = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}
    pieces: list[tuple[dict[str, str], str | None]] = [({"content": "moat "}, None)] * 50
    pieces.append(({}, "stop"))
    choices = [[{"index": 0, "delta": d, "finish_reason": f}] for d, f in pieces]
    events = [b"data: " + _json(**frame, choices=each) + b"\n\n" for each in choices]
    return [*events, b"data: [DONE]\n\n"]


def message_body() -> bytes:
    return _json(
        id="a",
        type="message",
        role="assistant",
        model="claude-x",
        content=[{"type": "text", "text": WORDS}],
        stop_reason="end_turn",
        stop_sequence=None,
        usage={"input_tokens": 1, "output_tokens": 1},
    )


def message_events() -> list[bytes]:
    start = {
        "id": "a",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    delta = {"type": "text_delta", "text": "moat "}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": start}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *[("content_block_delta", {"index": 0, "delta": delta})] * 50,
        ("content_block_stop", {"index": 0}),
        (
            "message_delta",
            {
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 2},
            },
        ),
        ("message_stop", {}),
    ]
    return [
        b"event: %b\ndata: %b\n\n" % (name.encode(), _json(type=name, **data))
        for name, data in events
    ]


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


class Chunks(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A body in the pieces in which it once came."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Constant(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Answers every request with the same bytes, in the cheapest way there is."""

    def __init__(self, body: bytes | list[bytes]) -> None:
        self._body = body
        self._headers = [(b"content-type", b"application/json"), (b"x-request-id", b"req_1")]
        self._headers.append((b"openai-version", b"2020-10-01"))
        if isinstance(body, bytes):
            self._headers.append((b"content-length", b"%d" % len(body)))
        else:
            self._headers[0] = (b"content-type", b"text/event-stream; charset=utf-8")

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if isinstance(self._body, bytes):
            return httpx2.Response(200, headers=self._headers, content=self._body)
        return httpx2.Response(200, headers=self._headers, stream=Chunks(self._body))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)


def clients() -> dict[str, tuple[Job, Job]]:
    """For each way of asking: with a hit, and with the constant."""
    asked: dict[str, tuple[bytes | list[bytes], Callable[[Any], Job]]] = {
        "openai": (chat_body(), _ask_openai),
        "openai, streamed": (chat_events(), _stream_openai),
        "anthropic": (message_body(), _ask_anthropic),
        "anthropic, streamed": (message_events(), _stream_anthropic),
    }
    made = {}
    for name, (body, ask) in asked.items():
        hit = through(httpx2, Cache("1h"), base=Constant(body))
        made[name] = (ask(hit), ask(httpx2.AsyncClient(transport=Constant(body))))
    body = chat_body()
    blocking = through(httpx2, Cache("1h"), base=Constant(body), sync=True)
    made["openai, blocking"] = (
        _ask_blocking(blocking),
        _ask_blocking(httpx2.Client(transport=Constant(body))),
    )
    return made


def _ask_openai(http: httpx2.AsyncClient) -> Job:
    llm = openai.AsyncOpenAI(api_key="k", base_url="http://model.test/v1", http_client=http)
    return lambda: llm.chat.completions.create(**CHAT)


def _stream_openai(http: httpx2.AsyncClient) -> Job:
    llm = openai.AsyncOpenAI(api_key="k", base_url="http://model.test/v1", http_client=http)

    async def read() -> None:
        async for _ in await llm.chat.completions.create(**CHAT, stream=True):
            pass

    return read


def _ask_anthropic(http: httpx2.AsyncClient) -> Job:
    llm = anthropic.AsyncAnthropic(api_key="k", base_url="http://model.test", http_client=http)
    return lambda: llm.messages.create(**MESSAGE)


def _stream_anthropic(http: httpx2.AsyncClient) -> Job:
    llm = anthropic.AsyncAnthropic(api_key="k", base_url="http://model.test", http_client=http)

    async def read() -> None:
        async for _ in await llm.messages.create(**MESSAGE, stream=True):
            pass

    return read


def _ask_blocking(http: httpx2.Client) -> Job:
    llm = openai.OpenAI(api_key="k", base_url="http://model.test/v1", http_client=http)

    async def ask() -> None:
        llm.chat.completions.create(**CHAT)

    return ask


def alone() -> dict[str, Job]:
    """The transports without a client around them, and a miss."""
    body, headers = chat_body(), {"authorization": "Bearer k", "user-agent": "bench"}
    http, constant = through(httpx2, Cache("1h"), base=Constant(body)), Constant(body)
    url = "http://model.test/v1/chat/completions"
    request = http.build_request("POST", url, json=CHAT, headers=headers)
    door, seeds = http._transport, count()

    async def miss() -> None:
        other = http.build_request("POST", url, json={**CHAT, "seed": next(seeds)})
        await (await door.handle_async_request(other)).aread()

    async def no_door() -> None:
        other = http.build_request("POST", url, json={**CHAT, "seed": next(seeds)})
        await (await constant.handle_async_request(other)).aread()

    return {
        "door": lambda: door.handle_async_request(request),
        "constant": lambda: constant.handle_async_request(request),
        "miss": miss,
        "no door": no_door,
    }


async def cpu_us(job: Job, times: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(times):
        await job()
    return (time.process_time() - began) / times * 1e6


async def measure(rounds: int) -> dict[str, float]:
    jobs: dict[str, tuple[Job, int]] = {}
    for name, (hit, constant) in clients().items():
        jobs |= {f"{name}: hit": (hit, 60), f"{name}: constant": (constant, 60)}
    jobs |= {name: (job, 300) for name, job in alone().items()}
    for job, _ in jobs.values():
        await cpu_us(job, 5)
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, (job, times) in jobs.items():
            best[name] = min(best[name], await cpu_us(job, times))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    best = asyncio.run(measure(options.rounds))
    names = [name.removesuffix(": hit") for name in best if name.endswith(": hit")]
    ratios = {name: best[f"{name}: hit"] / best[f"{name}: constant"] for name in names}
    print(f"{'':22}{'hit':>9}{'constant':>10}{'ratio':>8}    CPU us")
    for name, ratio in ratios.items():
        hit, constant = best[f"{name}: hit"], best[f"{name}: constant"]
        print(f"{name:22}{hit:9.0f}{constant:10.0f}{ratio:8.3f}")
    added = best["miss"] - best["no door"]
    print(f"the door alone: {best['door']:.1f} us (a constant: {best['constant']:.1f})")
    print(f"a miss costs {added:.0f} us more than no door")
    if options.json:
        goals = {
            "hit_ratio": max(ratios.values()) <= MOST_RATIO,
            "door_us": best["door"] <= MOST_DOOR_US,
        }
        result = {"ratios": ratios, "door_us": best["door"], "miss_adds_us": added}
        print(json.dumps({**result, "cpu_us": best, "goals_met": goals}))


if __name__ == "__main__":
    main()
