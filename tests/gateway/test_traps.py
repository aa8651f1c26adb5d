"""Traps 17, 20 and 22, and what of 7 only a server with several upstreams can fall into."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import pytest

from headway.gateway.gateway import Gateway
from headway.gateway.plan import Plan, Route, Rules, Target, Timeouts, Upstream
from headway.testing.provider import Pace, Provider
from tests.contract.every_door import SERVERS
from tests.contract.gateway_door import gateway_to
from tests.contract.wire_doors import Setup, Way, WireDoor
from tests.contract.wire_exchanges import CHAT, EMBEDDINGS, STREAMS, Ask, ask
from tests.gateway.raw_client import (
    GOOD,
    RawServer,
    connected,
    passing,
    raw_server,
    request_to,
)

EVERY = pytest.mark.parametrize("door", SERVERS, ids=lambda door: door.name)
pytestmark = pytest.mark.anyio
PASSING, KEPT = Setup(ttl=None), Setup()


# --- 17: headers of a hop, encodings ------------------------------------------------------------

OF_A_HOP = [
    "connection: keep-alive, x-of-this-hop",
    "x-of-this-hop: 1",
    "keep-alive: timeout=5",
    "te: trailers",
    "trailer: x-sum",
    "proxy-authorization: Basic YTpi",
    "proxy-connection: keep-alive",
    "x-headway-agent: writer",
    "x-headway-priority: high",
]


@EVERY
async def test_trap_17_headers_of_a_hop_stay_on_it(door: WireDoor) -> None:
    async with (
        raw_server() as server,
        door.open(server, PASSING) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(request_to(CHAT, add=OF_A_HOP))
        assert (await client.answer()).status == 200
    sent = {name for name, _ in server.requests[0].headers}
    named = {line.partition(":")[0] for line in OF_A_HOP} - {"connection"}
    assert not sent & named
    assert server.requests[0].all_of("connection") in ([], ["keep-alive"])


@EVERY
async def test_trap_17_the_host_is_the_servers_own(door: WireDoor) -> None:
    async with raw_server() as server, door.open(server, PASSING) as way:
        await ask(way, CHAT)
    (host,) = server.requests[0].all_of("host")
    assert host.startswith("127.0.0.1:")
    assert not way.openai_url.startswith(f"http://{host}/")


@EVERY
async def test_trap_17_all_other_headers_go_on_as_they_came(door: WireDoor) -> None:
    own = ["x-own: 1", "X-Own: 2", "user-agent: mine/1.0", "accept-encoding: br;q=0.5, zstd"]
    async with (
        raw_server() as server,
        door.open(server, PASSING) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(request_to(CHAT, add=own))
        await client.answer()
    heard = server.requests[0]
    assert ", ".join(heard.all_of("x-own")) == "1, 2"
    assert heard.all_of("user-agent") == ["mine/1.0"]
    assert heard.all_of("accept-encoding") == ["br;q=0.5, zstd"]
    assert heard.all_of("authorization") == ["Bearer key-of-a"]
    assert heard.all_of("content-length") == [str(len(CHAT.content))]


@EVERY
async def test_trap_17_headers_of_the_servers_hop_stay_on_it(door: WireDoor) -> None:
    hop = b"connection: x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\nproxy-status: a\r\n"
    own = b"x-own: 1\r\nX-Own: 2\r\n"
    says = GOOD.replace(b"\r\n\r\n", b"\r\n" + hop + own + b"\r\n", 1)
    async with (
        raw_server(says) as server,
        door.open(server, PASSING) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(request_to(CHAT))
        answer = await client.answer()
    names = {name for name, _ in answer.headers}
    assert not names & {"x-secret", "keep-alive", "proxy-status"}
    assert [value for name, value in answer.headers if name == "x-own"] == ["1", "2"]


@EVERY
@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_trap_17_encoded_bytes_are_handed_on_untouched(
    door: WireDoor, question: Ask, encoding: str
) -> None:
    question = question.with_headers(accept_encoding=encoding)
    async with (
        Provider(encodings=["gzip", "deflate"]) as provider,
        door.open(provider, KEPT) as way,
    ):
        first, second = [await ask(way, question) for _ in range(2)]
    assert (first.mark, second.mark) == ("miss", "hit")
    if not door.passes_bytes:
        texts = [decoded(one.body, one.headers.get("content-encoding")) for one in (first, second)]
        assert all(text.startswith((b"{", b"data:")) for text in texts)
        return
    assert first.headers["content-encoding"] == second.headers["content-encoding"] == encoding
    assert first.body == second.body
    assert provider.log[0].headers["accept-encoding"] == encoding


def decoded(body: bytes, encoding: str | None) -> bytes:
    """The body as it was before it was encoded."""
    if encoding is None:
        return body
    return gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)


@EVERY
async def test_trap_17_nobody_gets_an_encoding_he_cannot_read(door: WireDoor) -> None:
    zipped = CHAT.with_headers(accept_encoding="gzip")
    plain = CHAT.with_headers(accept_encoding="identity")
    async with Provider(encodings=["gzip"]) as provider, door.open(provider, KEPT) as way:
        seen = [await ask(way, question) for question in (zipped, plain, zipped, plain)]
    assert [one.headers.get("content-encoding") for one in seen] == ["gzip", None] * 2
    assert gzip.decompress(seen[2].body).startswith(b"{")
    assert seen[3].body.startswith(b"{")


# --- 7: several servers, several names ----------------------------------------------------------


@asynccontextmanager
async def two_servers(*routes: Route) -> AsyncIterator[tuple[Way, Provider, Provider]]:
    """A gateway with the servers ``first`` and ``second``."""
    async with Provider() as first, Provider() as second, httpx2.AsyncClient(verify=False) as http:
        upstreams = (
            Upstream(name="first", url=f"{first.url}/v1"),
            Upstream(name="second", url=f"{second.url}/v1"),
        )
        rules = Rules(attempts=1, first_wait_s=0.001)
        gateway = Gateway(Plan(upstreams=upstreams, routes=routes, rules=rules))
        await gateway.listen()
        try:
            yield Way(http, f"{gateway.url}/v1", gateway.url), first, second
        finally:
            await gateway.aclose()


async def test_trap_07_the_server_is_part_of_the_key() -> None:
    async with two_servers() as (way, first, second):
        ways = [Way(way.http, f"{way.anthropic_url}/{name}", "") for name in ("first", "second")]
        seen = [await ask(one, CHAT) for one in (*ways, *ways)]
    assert [one.mark for one in seen] == ["miss", "miss", "hit", "hit"]
    assert (len(first.log), len(second.log)) == (1, 1)


async def test_trap_07_an_alias_that_moves_takes_no_answer_with_it() -> None:
    def plan(before: Plan, model: str) -> Plan:
        route = Route(model="fast", targets=(Target("first", model),))
        return Plan(upstreams=before.upstreams, routes=(route,), rules=before.rules)

    question = CHAT.with_body(model="fast")
    async with Provider() as provider, httpx2.AsyncClient(verify=False) as http:
        upstreams = (Upstream(name="first", url=f"{provider.url}/v1"),)
        gateway = Gateway(plan(Plan(upstreams=upstreams), "gpt-5.6"))
        await gateway.listen()
        try:
            way = Way(http, f"{gateway.url}/v1", gateway.url)
            seen = [await ask(way, question)]
            gateway.reload(plan(gateway.plan, "gpt-5.6-mini"))
            seen += [await ask(way, question) for _ in range(2)]
        finally:
            await gateway.aclose()
    assert [one.mark for one in seen] == ["miss", "miss", "hit"]
    assert [asked.body["model"] for asked in provider.log] == ["gpt-5.6", "gpt-5.6-mini"]


async def test_trap_07_the_answer_of_a_fallback_is_not_kept_for_the_first() -> None:
    both = (Target("first"), Target("second"))
    route = Route(targets=both, rules=Rules(attempts=1))
    async with two_servers(route) as (way, first, second):
        first.fail_next(status=503)
        seen = [await ask(way, CHAT) for _ in range(3)]
    assert [one.status for one in seen] == [200] * 3
    assert [one.mark for one in seen] == ["miss", "miss", "hit"]
    assert (len(first.log), len(second.log)) == (2, 1)
    assert seen[0].body != seen[1].body == seen[2].body


# --- 20: four times, and a connection that was closed meanwhile ---------------------------------

SOON_S = 0.06
NO_TIMES = {"connect_s": None, "first_byte_s": None, "between_chunks_s": None, "total_s": None}


def limited(**times: float) -> Setup:
    """A door with these time-outs alone."""
    return Setup(ttl=None, timeouts=Timeouts(**{**NO_TIMES, **times}))


@contextmanager
def full_port() -> Iterator[str]:
    """The address of a server that takes in no more connections and refuses none."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            for caller in callers:
                caller.close()


@EVERY
async def test_trap_20_a_connection_that_does_not_stand_in_time(door: WireDoor) -> None:
    with full_port() as url:
        async with door.open(RawServer(url=url), limited(connect_s=SOON_S)) as way:
            seen = await ask(way, CHAT)
    assert seen.status in (408, 504)


@EVERY
@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_trap_20_a_first_byte_that_does_not_come_in_time(
    door: WireDoor, question: Ask
) -> None:
    async with Provider() as provider:
        provider.fail_next(never_answers=True)
        async with door.open(provider, limited(first_byte_s=SOON_S)) as way:
            seen = await ask(way, question)
            await provider.until(lambda log: log[0].ending == "cancelled")
    assert seen.status in (408, 504)


@EVERY
async def test_trap_20_a_chunk_that_does_not_come_in_time(door: WireDoor) -> None:
    async with (
        Provider("one two three", pace=Pace(tokens_per_s=1)) as provider,
        door.open(provider, limited(between_chunks_s=SOON_S)) as way,
    ):
        seen = await ask(way, STREAMS["chat"])
        await provider.until(lambda log: log[0].ending == "cancelled")
    assert seen.status == 200
    assert seen.error is not None or b'"error"' in seen.body
    assert b"[DONE]" not in seen.body


@EVERY
async def test_trap_20_an_end_that_does_not_come_in_time(door: WireDoor) -> None:
    async with (
        Provider("word " * 400, pace=Pace(tokens_per_s=100)) as provider,
        door.open(provider, limited(total_s=SOON_S)) as way,
    ):
        plain = await ask(way, CHAT)
        stream = await ask(way, STREAMS["chat"])
        await provider.until(lambda log: log[-1].ending == "cancelled")
    assert plain.status in (408, 504)
    assert stream.error is not None or b'"error"' in stream.body
    assert b"[DONE]" not in stream.body


@EVERY
async def test_trap_20_the_four_times_are_four(door: WireDoor) -> None:
    """Each time that a slow answer takes is bounded by its own limit, and by none of the others."""
    late, slow = Pace(), Pace(tokens_per_s=100)
    cases = [
        (late, 0.12, limited(connect_s=SOON_S, between_chunks_s=SOON_S)),
        (slow, 0.0, limited(connect_s=SOON_S, first_byte_s=SOON_S, between_chunks_s=SOON_S)),
    ]
    for pace, wait_s, setup in cases:
        async with Provider("word " * 12, pace=pace) as provider, door.open(provider, setup) as way:
            provider.fail_next(wait_s=wait_s)
            seen = await ask(way, STREAMS["chat"])
        assert (seen.status, seen.error) == (200, None)
        assert b"[DONE]" in seen.body


@asynccontextmanager
async def forgetful(answer: bytes = b"") -> AsyncIterator[RawServer]:
    """A server that answers the first request on each connection, and drops it at the second."""
    known: set[asyncio.StreamWriter] = set()

    async def say(server: RawServer, writer: asyncio.StreamWriter) -> None:
        if writer not in known:
            known.add(writer)
            writer.write(GOOD)
            return
        writer.write(answer)
        await passing()
        writer.close()

    async with raw_server(say) as server:
        yield server


@EVERY
@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"], EMBEDDINGS], ids=lambda q: q.wire)
async def test_trap_20_a_connection_that_was_closed_meanwhile_is_nobodys_failure(
    door: WireDoor, question: Ask
) -> None:
    async with raw_server(closing_behind) as server, door.open(server, PASSING) as way:
        seen = [await ask(way, question) for _ in range(4)]
    assert [one.status for one in seen] == [200] * 4
    assert server.connections == 4


async def closing_behind(server: RawServer, writer: asyncio.StreamWriter) -> None:
    """Answer, as if the connection stayed open, and close it."""
    writer.write(GOOD)
    writer.close()


@EVERY
async def test_trap_20_a_request_lost_on_an_old_connection_is_sent_once_more(
    door: WireDoor,
) -> None:
    async with forgetful() as server, door.open(server, PASSING) as way:
        seen = [await ask(way, CHAT) for _ in range(2)]
    assert [one.status for one in seen] == [200, 200]
    assert len(server.requests) == 3


@EVERY
async def test_trap_20_but_not_if_anything_came_back(door: WireDoor) -> None:
    async with forgetful(b"HTTP/1.1 200") as server, door.open(server, PASSING) as way:
        seen = [await ask(way, CHAT) for _ in range(2)]
    assert seen[0].status == 200
    assert seen[1].status in (500, 502)
    assert len(server.requests) == 2


@EVERY
async def test_trap_20_and_not_on_a_new_connection(door: WireDoor) -> None:
    async def drop(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with raw_server(drop) as server, door.open(server, PASSING) as way:
        assert (await ask(way, CHAT)).status in (500, 502)
    assert len(server.requests) == 1


# --- 22: back-pressure --------------------------------------------------------------------------

STALLED, OFFERED = 100, 2_000_000
FULL_BYTES = 1_500_000
"""Of one stream, on all its way: some 700 KB in the gateway, the rest in sockets."""


async def test_trap_22_clients_that_do_not_read_stop_their_servers() -> None:
    written: list[int] = [0] * STALLED
    ready = asyncio.Event()
    numbers = iter(range(STALLED))

    async def pour(server: RawServer, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        end: socket.socket = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        writer.transport.set_write_buffer_limits(high=16_384)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % OFFERED)
        piece = b"data: {}\n\n".ljust(10_000, b" ")
        while written[number] < OFFERED:
            writer.write(piece)
            written[number] += len(piece)
            await writer.drain()

    listening = socket.create_server(("127.0.0.1", 0), backlog=STALLED)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # those accepted inherit it
    async with raw_server(pour) as server:
        gateway = gateway_to(server.url, PASSING)
        gateway.adopt(listening)
        readers = [
            asyncio.create_task(stalled(gateway.url, number, ready)) for number in range(STALLED)
        ]
        try:
            await until_still(written)
            assert min(written) > 0
            assert max(written) < FULL_BYTES
            for reader in readers[1:]:
                reader.cancel()
            ready.set()
            size = await readers[0]
        finally:
            for reader in readers:
                reader.cancel()
            await gateway.aclose()
    assert size == OFFERED


async def stalled(url: str, number: int, ready: asyncio.Event) -> int:
    """How long the body was, for a client that reads it late."""
    question = STREAMS["chat"].with_body(seed=number)
    async with connected(url, receive_bytes=8_192) as client:
        await client.send(request_to(question))
        await ready.wait()
        return len((await client.answer()).body)


async def until_still(written: list[int]) -> None:
    """Return when nobody has written anything for a while."""
    before = -1
    while not all(written) or sum(written) != before:
        before = sum(written)
        await asyncio.sleep(0.08)


async def test_trap_22_one_slow_reader_of_many_is_let_go_and_holds_nobody() -> None:
    """A stream that is too large to be kept whole is not held for whoever does not read it."""
    setup = Setup(max_bytes=300_000)
    body = (
        b"".join(b"data: %d %b\n\n" % (n, b"x" * 1000) for n in range(1500)) + b"data: [DONE]\n\n"
    )
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    joined = asyncio.Event()

    async def say(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(head % len(body))
        await joined.wait()
        for at in range(0, len(body), 20_000):
            writer.write(body[at : at + 20_000])
            await writer.drain()

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    async with raw_server(say) as server:
        gateway = gateway_to(server.url, setup)
        gateway.adopt(listening)
        try:
            async with (
                connected(gateway.url, receive_bytes=4_096) as slow,
                connected(gateway.url) as quick,
            ):
                for client in (slow, quick):
                    await client.send(request_to(STREAMS["chat"]))
                while gateway.under_way < 2:  # noqa: ASYNC110 - it is looked at from outside
                    await asyncio.sleep(0.001)
                joined.set()
                answer = await quick.answer()
                late = await slow.answer()
        finally:
            await gateway.aclose()
    assert (answer.body, answer.ending) == (body, "whole")
    assert len(server.requests) == 1
    assert late.ending in ("cut", "reset")
    assert len(late.body) < len(body)
