"""Questions to put to a provider, on every wire, and what a client sees of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.contract.wire_doors import Way

OPENAI_KEY = {"authorization": "Bearer key-of-a"}
ANTHROPIC_KEY = {"x-api-key": "key-of-a", "anthropic-version": "2023-06-01"}

TOOL = {
    "type": "function",
    "function": {
        "name": "price",
        "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Ask:
    """A request on one wire, as JSON or as the very bytes."""

    wire: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def with_body(self, **changes: Any) -> Ask:
        """The same with other members of the body; ``...`` leaves one out."""
        body = {k: v for k, v in {**self.body, **changes}.items() if v is not ...}
        return Ask(self.wire, body, self.headers)

    def with_headers(self, **changes: str) -> Ask:
        """The same with more headers; ``_`` stands for ``-``."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        return Ask(self.wire, self.body, {**self.headers, **named}, self.raw)

    def as_bytes(self, raw: bytes) -> Ask:
        """The same with these bytes as its body."""
        return Ask(self.wire, self.body, self.headers, raw)

    @property
    def content(self) -> bytes:
        return msgspec.json.encode(self.body) if self.raw is None else self.raw

    def url(self, way: Way) -> str:
        """Where the request goes."""
        paths = {
            "openai.chat": f"{way.openai_url}/chat/completions",
            "openai.responses": f"{way.openai_url}/responses",
            "openai.embeddings": f"{way.openai_url}/embeddings",
            "anthropic.messages": f"{way.anthropic_url}/v1/messages",
            "anthropic.count_tokens": f"{way.anthropic_url}/v1/messages/count_tokens",
        }
        return paths[self.wire]

    @property
    def all_headers(self) -> dict[str, str]:
        key = ANTHROPIC_KEY if self.wire.startswith("anthropic") else OPENAI_KEY
        return {"content-type": "application/json", **key, **self.headers}


_USER = [{"role": "user", "content": "What is a moat?"}]

CHAT = Ask("openai.chat", {"model": "gpt-5.6", "messages": _USER, "temperature": 0})
RESPONSES = Ask(
    "openai.responses", {"model": "gpt-5.6", "input": "What is a moat?", "temperature": 0}
)
MESSAGES = Ask(
    "anthropic.messages",
    {"model": "claude-sonnet-5", "messages": _USER, "temperature": 0, "max_tokens": 200},
)
EMBEDDINGS = Ask(
    "openai.embeddings", {"model": "text-embedding-3-small", "input": ["a moat", "a castle"]}
)
COUNT = Ask("anthropic.count_tokens", {"model": "claude-sonnet-5", "messages": _USER})

PLAIN = {
    "chat": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "embeddings": EMBEDDINGS,
    "count_tokens": COUNT,
}
STREAMS = {
    "chat": CHAT.with_body(stream=True),
    "chat with usage": CHAT.with_body(stream=True, stream_options={"include_usage": True}),
    "responses": RESPONSES.with_body(stream=True),
    "messages": MESSAGES.with_body(stream=True),
}
SPOKEN = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}
"""The wires on which a model speaks."""


@dataclass(frozen=True)
class Seen:
    """What a client saw: status, headers by name, the body's bytes, how it ended.

    ``mark`` says where the answer came from, in Headway's words.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    mark: str
    error: str | None = None

    @property
    def answer(self) -> tuple[int, bytes, str | None]:
        """All of it but the headers."""
        return self.status, self.body, self.error


async def ask(way: Way, question: Ask, *, stop_after: int | None = None) -> Seen:
    """What a client that reads bytes sees; with *stop_after* it leaves when it has so many."""
    body = b""
    async with way.http.stream(
        "POST", question.url(way), content=question.content, headers=question.all_headers
    ) as response:
        headers = {name.lower(): value for name, value in response.headers.multi_items()}
        mark = way.mark_of(headers)
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if stop_after is not None and len(body) >= stop_after:
                    break
        except Exception as error:
            return Seen(response.status_code, headers, body, mark, type(error).__name__)
        return Seen(response.status_code, headers, body, mark)


async def ask_together(way: Way, question: Ask, times: int) -> list[Seen]:
    """What so many clients see who ask at once."""
    return list(await asyncio.gather(*[ask(way, question) for _ in range(times)]))


def ask_blocking(way: Way, question: Ask) -> Seen:
    """What a client that blocks sees."""
    body = b""
    with way.http.stream(
        "POST", question.url(way), content=question.content, headers=question.all_headers
    ) as response:
        headers = {name.lower(): value for name, value in response.headers.multi_items()}
        mark = way.mark_of(headers)
        try:
            for chunk in response.iter_raw():
                body += chunk
        except Exception as error:
            return Seen(response.status_code, headers, body, mark, type(error).__name__)
        return Seen(response.status_code, headers, body, mark)
