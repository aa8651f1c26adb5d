"""Clients who ask one question after another, each on a connection of its own, and write down all
that went wrong."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from headway.gateway.addresses import HostPort, address_of, listening_together
from headway.gateway.plan import Plan, Upstream
from headway.gateway.workers import Workers
from headway.testing.provider import Provider

LOCAL = HostPort("127.0.0.1", 0)


def request(text: str, *, stream: bool = False) -> bytes:
    asked = {
        "model": "gpt-x",
        "temperature": 0,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }
    body = json.dumps(asked).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: model.test\r\nauthorization: Bearer key\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(port: int, text: str, *, stream: bool = False) -> bytes:
    """All that came, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request(text, stream=stream))
        return await reader.read()
    finally:
        writer.close()


def is_whole(answer: bytes, *, stream: bool = False) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return False
    if stream:
        return body.rstrip().endswith((b"data: [DONE]", b"0")) and b"data: [DONE]" in body
    said: str = json.loads(body)["choices"][0]["message"]["content"]
    return said != ""


@dataclass
class AtWork:
    """What clients at work saw: ``good`` answers, and every failure in words."""

    port: int
    good: int = 0
    failures: list[str] = field(default_factory=list)
    questions: Iterator[int] = field(default_factory=itertools.count)

    async def one_after_another(self, end: asyncio.Event, stream: bool) -> None:
        while not end.is_set():
            try:
                answer = await ask(self.port, f"question {next(self.questions)}", stream=stream)
            except OSError as error:
                self.failures.append(repr(error))
                continue
            if is_whole(answer, stream=stream):
                self.good += 1
            else:
                self.failures.append(repr(answer[-200:]))

    async def until_good(self, count: int) -> None:
        """Return when they have had so many more good answers."""
        wanted = self.good + count
        await until(lambda: self.good >= wanted or bool(self.failures))


@asynccontextmanager
async def at_work(port: int, count: int = 4) -> AsyncIterator[AtWork]:
    """*count* clients who ask until the block ends, every other for a stream."""
    end, seen = asyncio.Event(), AtWork(port)
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(seen.one_after_another(end, stream=number % 2 == 1))
        try:
            yield seen
        finally:
            end.set()


async def until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for may be in another process
            await asyncio.sleep(0.01)


def plan_to(provider: Provider) -> Plan:
    return Plan(upstreams=(Upstream(name="openai", url=provider.openai_url),))


@asynccontextmanager
async def workers(
    plan: Plan, count: int, *, drain_s: float = 30.0
) -> AsyncIterator[tuple[Workers, int]]:
    """So many workers, and the port that they share."""
    sockets = listening_together(LOCAL, count, "--listen")
    port = address_of(sockets[0]).port
    crew = Workers(plan, sockets, drain_s=drain_s)
    try:
        await crew.start()
        yield crew, port
    finally:
        await crew.aclose()
