"""Servers behind TLS, as the providers' are: what is trusted, and how a connection may end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headway.gateway import server as server_module
from headway.gateway.plan import Plan, Rules, Timeouts
from tests.gateway.both_loops import anyio_backend as anyio_backend
from tests.gateway.certificates import Authority, authority
from tests.gateway.raw_client import GOOD, RawServer, Saying, connected, raw_server, resets
from tests.gateway.raw_rig import (
    STREAM_HEAD,
    Rig,
    answer_of,
    asked_in,
    chat,
    event,
    gateway_by,
    said_in,
    saying,
    upstream_at,
    why_not,
)

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trust(trusted: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.bundle))
    server_module._tls.cache_clear()
    yield
    server_module._tls.cache_clear()


@asynccontextmanager
async def rig(
    says: bytes | list[bytes] | Saying, tls: ssl.SSLContext, **more: object
) -> AsyncIterator[Rig]:
    async with raw_server(says, tls=tls) as server:
        plan = Plan(upstreams=(upstream_at(server, **more),))
        async with gateway_by(plan) as gateway, connected(gateway.url) as client:
            yield Rig(client, gateway, server)


async def test_it_is_asked_over_one_connection(trusted: Authority) -> None:
    async with rig(GOOD, trusted.server(HERE)) as at:
        for turn in range(3):
            answer = await at.ask(chat(f"question {turn}"))
            assert (answer.status, said_in(answer)) == (200, "café")
            assert asked_in(at.server) == f"question {turn}"
        assert at.server.connections == 1


async def test_long_requests_and_answers_come_through_whole(trusted: Authority) -> None:
    text = "a long story " * 200_000
    async with rig(answer_of(saying(text)), trusted.server(HERE)) as at:
        answer = await at.ask(chat(text))
        assert said_in(answer) == text == asked_in(at.server)


async def test_a_stream_comes_piece_by_piece(trusted: Authority) -> None:
    go_on = asyncio.Event()

    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        first = event({"content": "one"})
        writer.write(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(first), first))
        await go_on.wait()
        last = event({"content": "two"}, "stop") + b"data: [DONE]\n\n"
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))

    async with rig(says, trusted.server(HERE)) as at:
        await at.client.send(chat(stream=True))
        assert b"one" in await asyncio.wait_for(at.client.reader.readuntil(b"\n\n"), 30)
        go_on.set()
        assert b"two" in await asyncio.wait_for(at.client.reader.readuntil(b"[DONE]"), 30)


@pytest.mark.parametrize("is_reset", [False, True], ids=["without a goodbye", "reset"])
async def test_a_stream_that_is_cut_does_not_end_well(trusted: Authority, is_reset: bool) -> None:
    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        first = event({"content": "one"})
        writer.write(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(first), first))
        await writer.drain()
        await asyncio.sleep(0.05)
        if is_reset:
            resets(writer)
        else:
            writer.transport.abort()

    async with rig(says, trusted.server(HERE)) as at:
        answer = await at.ask(chat(stream=True))
        assert b"one" in answer.body
        assert answer.ending == "cut" or b"error" in answer.body


async def test_a_connection_that_was_closed_meanwhile_is_made_anew(trusted: Authority) -> None:
    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        await writer.drain()
        writer.close()

    async with rig(says, trusted.server(HERE)) as at:
        for turn in range(5):
            assert (await at.ask(chat(f"question {turn}"))).status == 200


async def test_who_cannot_be_trusted_is_told_nothing(trusted: Authority, tmp_path: Path) -> None:
    stranger = authority(tmp_path, "a stranger")
    async with rig(GOOD, stranger.server(HERE)) as at:
        answer = await at.ask(chat("a secret"))
        assert (answer.status, at.server.requests) == (502, [])
        message = why_not(answer)
        assert "certificate" in message
        assert "SSL_CERT_FILE" in message


async def test_a_certificate_for_somebody_else_is_refused(trusted: Authority) -> None:
    async with rig(GOOD, trusted.server("127.0.0.2")) as at:
        answer = await at.ask(chat("a secret"))
        assert (answer.status, at.server.requests) == (502, [])
        message = why_not(answer)
        assert "127.0.0.1" in message
        assert "SSL_CERT_FILE" not in message  # it would not help


async def test_a_certificate_that_has_expired_is_refused(trusted: Authority) -> None:
    async with rig(GOOD, trusted.server(HERE, is_expired=True)) as at:
        answer = await at.ask(chat("a secret"))
        assert (answer.status, at.server.requests) == (502, [])
        assert "expired" in why_not(answer)


@asynccontextmanager
async def other_server(greets: bytes) -> AsyncIterator[RawServer]:
    """A server that says *greets* to whatever is said first, and then nothing; not over TLS."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        writer.write(greets)

    server = await asyncio.start_server(serve, HERE, 0)
    try:
        yield RawServer(url=f"https://{HERE}:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def test_a_server_that_does_not_speak_tls_is_named() -> None:
    async with other_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        plan = Plan(upstreams=(upstream_at(server),))
        async with gateway_by(plan) as gateway, connected(gateway.url) as client:
            await client.send(chat())
            answer = await client.answer()
        assert answer.status == 502
        message = why_not(answer)
        assert "does it speak TLS" in message
        assert "http://" in message


async def test_a_greeting_that_does_not_come_is_not_waited_for() -> None:
    async with other_server(b"") as server:
        plan = Plan(upstreams=(upstream_at(server, timeouts=Timeouts(connect_s=0.1)),))
        async with gateway_by(plan) as gateway, connected(gateway.url) as client:
            await client.send(chat())
            assert (await client.answer()).status == 504


@pytest.mark.parametrize("greets", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_greetings_that_fail_leave_nothing_behind(greets: bytes) -> None:
    async with other_server(greets) as server:
        times, rules = Timeouts(connect_s=0.05), Rules(attempts=1, passes_over=False)
        plan = Plan(upstreams=(upstream_at(server, timeouts=times),), rules=rules)
        async with gateway_by(plan) as gateway, connected(gateway.url) as client:
            for turn in range(5):
                await client.send(chat(f"question {turn}"))
                assert (await client.answer()).status in (502, 504)
            (one,) = gateway._servers.values()
            assert one.connections == 0
