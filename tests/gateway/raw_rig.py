"""A gateway between a raw client and a raw server, each of them within reach of the test."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headway.gateway.client import ClientConnection
from headway.gateway.gateway import Gateway
from headway.gateway.plan import Plan, Rules, Upstream
from headway.stores import Store
from tests.gateway.raw_client import (
    GOOD,
    PATHS,
    RawAnswer,
    RawClient,
    RawServer,
    Saying,
    connected,
    raw_server,
)

USUAL = Rules()
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chat(
    content: str = "hi",
    *,
    path: str = PATHS["openai.chat"],
    lines: Iterable[str] = (),
    model: str = "m",
    **more: object,
) -> bytes:
    """The bytes of a question whose answer may be kept and shared."""
    asked = {
        "model": model,
        "temperature": 0,
        "messages": [{"role": "user", "content": content}],
        **more,
    }
    body = json.dumps(asked).encode()
    usual = ["host: model.test", "content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *usual, *lines, "", ""]).encode() + body


def get(path: str, *lines: str) -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: model.test", *lines, "", ""]).encode()


def saying(text: str) -> bytes:
    """The body of a completion that says *text*."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()


def said_in(answer: RawAnswer) -> str:
    """What the completion says."""
    text: str = json.loads(answer.body)["choices"][0]["message"]["content"]
    return text


def why_not(answer: RawAnswer) -> str:
    """What a refusal says."""
    message: str = json.loads(answer.body)["error"]["message"]
    return message


def asked_in(server: RawServer) -> str:
    """The text of the last question that the server heard."""
    text: str = json.loads(server.requests[-1].body)["messages"][0]["content"]
    return text


def answer_of(
    body: bytes,
    *,
    status: str = "200 OK",
    lines: Iterable[str] = (),
    kind: str = "application/json",
) -> bytes:
    """The bytes of an answer with its length."""
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """An event of a streamed completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def upstream_at(server: RawServer, name: str = "a", *, path: str = "", **more: object) -> Upstream:
    """*server* as an upstream, by a base URL that ends with *path*."""
    return Upstream(name=name, url=f"{server.url}{path}", **more)


@asynccontextmanager
async def gateway_by(plan: Plan, *, store: Store | None = None) -> AsyncIterator[Gateway]:
    """A gateway that listens, seen from inside too."""
    gateway = Gateway(plan, store=store)
    await gateway.listen()
    try:
        yield gateway
    finally:
        await gateway.aclose()


@dataclass(frozen=True)
class Rig:
    """A client of a gateway that has one server behind it."""

    client: RawClient
    gateway: Gateway
    server: RawServer

    async def ask(self, request: bytes) -> RawAnswer:
        await self.client.send(request)
        return await self.client.answer()

    @property
    def connection(self) -> ClientConnection:
        """The only connection of a client, as the gateway sees it."""
        (only,) = self.gateway.connections
        return only


@asynccontextmanager
async def rig(
    says: bytes | list[bytes] | Saying = GOOD,
    *,
    rules: Rules = USUAL,
    store: Store | None = None,
    path: str = "",
    **more: object,
) -> AsyncIterator[Rig]:
    """A server that *says* so, by *more* an upstream; a gateway by *rules*; and a client."""
    async with raw_server(says) as server:
        plan = Plan(upstreams=(upstream_at(server, path=path, **more),), rules=rules)
        async with gateway_by(plan, store=store) as gateway, connected(gateway.url) as client:
            yield Rig(client, gateway, server)


@asynccontextmanager
async def deaf_client(url: str) -> AsyncIterator[RawClient]:
    """A client that reads nothing of what it is told, and has hardly room for it."""
    async with connected(url, receive_bytes=4096) as client:
        client.writer.transport.pause_reading()
        try:
            yield client
        finally:
            client.reset()


def most_written_ahead(gateway: Gateway) -> int:
    """How many bytes wait for the client that reads the slowest."""
    sizes = (one.transport.get_write_buffer_size() for one in gateway.connections)
    return max(sizes, default=0)
