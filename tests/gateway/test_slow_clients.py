"""Clients that do not read, or go: what is held for them has an end, and nobody else suffers."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from headway.gateway import client as client_module
from headway.gateway.gateway import Gateway
from headway.gateway.plan import Limits, Plan, Rules, Timeouts
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import RawServer, connected, raw_server
from tests.gateway.raw_rig import (
    STREAM_HEAD,
    answer_of,
    chat,
    deaf_client,
    event,
    gateway_by,
    get,
    most_written_ahead,
    rig,
    saying,
    upstream_at,
)

ONE_CHUNK = b"%x\r\n%b\r\n"


@pytest.mark.anyio
async def test_hits_that_are_not_read_are_not_written_without_end() -> None:
    long = answer_of(saying("h" * 300_000))
    async with rig(long) as here:
        await here.ask(chat())
        async with deaf_client(here.gateway.url) as deaf:
            deaf.writer.write(chat() * 100)
            await until(lambda: most_written_ahead(here.gateway) > 0)
            await asyncio.sleep(0.05)
            assert most_written_ahead(here.gateway) < 2_000_000


@pytest.mark.anyio
async def test_refusals_that_are_not_read_are_not_written_without_end() -> None:
    async with gateway_by(Plan(upstreams=())) as gateway, deaf_client(gateway.url) as deaf:
        for _ in range(20):  # each less than a head may have, and read by itself
            await deaf.send(get("/x") * 1500)
            await asyncio.sleep(0.02)
        await until(lambda: most_written_ahead(gateway) > 0)
        await asyncio.sleep(0.05)
        assert most_written_ahead(gateway) < 1_000_000


@pytest.mark.anyio
@pytest.mark.parametrize("is_kept", [True, False], ids=["a hit that closes", "a miss"])
async def test_a_client_that_takes_nothing_is_closed_in_the_end(
    is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LINGER_S", 0.1)
    monkeypatch.setattr(client_module, "STALL_S", 0.1)
    async with (
        raw_server(answer_of(saying("h" * 6_000_000))) as server,
        gateway_by(Plan(upstreams=(upstream_at(server),))) as gateway,
    ):
        if is_kept:
            async with connected(gateway.url) as first:
                await first.send(chat())
                await first.answer()
            await until(lambda: not gateway.connections)
        async with deaf_client(gateway.url) as deaf:
            await deaf.send(chat(lines=["connection: close"] if is_kept else []))
            await until(lambda: bool(gateway.connections))
            await until(lambda: most_written_ahead(gateway) > 0)
            await until(lambda: not gateway.connections, within_s=3)


@pytest.mark.anyio
async def test_the_total_time_ends_readers_that_hold_their_server() -> None:
    async def says_without_end(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while True:
            writer.write(ONE_CHUNK % (65536, b"d" * 65536))
            await writer.drain()
            await asyncio.sleep(0)

    times = Timeouts(total_s=0.3, between_chunks_s=0.1)
    async with (
        raw_server(says_without_end) as server,
        gateway_by(Plan(upstreams=(upstream_at(server, timeouts=times),))) as gateway,
        deaf_client(gateway.url) as one,
        deaf_client(gateway.url) as other,
    ):
        await one.send(chat(stream=True))
        await other.send(chat(stream=True))
        await until(lambda: gateway.under_way == 2)
        await until(lambda: not gateway.under_way, within_s=3)
        await until(lambda: not gateway.connections, within_s=3)
        assert not gateway.flights


def test_a_reset_in_the_turn_of_a_chunk_takes_it_from_nobody_else() -> None:
    """On uvloop, where a transport is told at once that its socket has gone."""
    uvloop = pytest.importorskip("uvloop")
    answering: list[asyncio.StreamWriter] = []

    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        answering.append(writer)

    async def rounds() -> None:
        async with (
            raw_server(says) as server,
            gateway_by(Plan(upstreams=(upstream_at(server),))) as gateway,
        ):
            for number in range(10):
                await one_round(gateway, number)
                answering.pop().close()

    async def one_round(gateway: Gateway, number: int) -> None:
        with two_sockets(gateway) as (leaving, staying):
            for place, end in enumerate((leaving, staying), start=1):
                end.sendall(chat(f"{number}", stream=True))
                await until(lambda place=place: readers(gateway) == place)
            await until(lambda: bool(answering))
            out = answering[0].get_extra_info("socket").fileno()
            first, second = event({"content": "one"}), event({"content": "two"})
            os.write(out, STREAM_HEAD + ONE_CHUNK % (len(first), first))
            await receive(staying, first)
            await receive(leaving, first)
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaving.close()
            os.write(out, ONE_CHUNK % (len(second), second))
            await receive(staying, second)

    async def bounded() -> None:
        await asyncio.wait_for(rounds(), 30)

    uvloop.run(bounded())


def readers(gateway: Gateway) -> int:
    return sum(len(flight.readers) for flight in gateway.flights.values())


@contextmanager
def two_sockets(gateway: Gateway) -> Iterator[tuple[socket.socket, socket.socket]]:
    place = ("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    with socket.create_connection(place) as one, socket.create_connection(place) as other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


async def receive(end: socket.socket, expected: bytes) -> None:
    """Return when it has come; other bytes may come before it."""
    got = b""
    async with asyncio.timeout(20):
        while expected not in got:
            data = await asyncio.get_running_loop().sock_recv(end, 65536)
            assert data, got
            got += data


# --- when all leave -----------------------------------------------------------------------------


async def never(proxy: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.anyio
@pytest.mark.parametrize("when", ["connecting", "limit", "retry", "sent", "head"])
async def test_nothing_is_left_when_all_leave(when: str) -> None:
    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        if when == "retry":
            writer.write(answer_of(b"{}", status="503 No", lines=["retry-after: 5"]))
        elif when == "head":
            writer.write(STREAM_HEAD + ONE_CHUNK % (5, b"data:"))

    rules = Rules(limits=Limits(at_once=1), retry_share=None)
    async with (
        raw_server(says) as server,
        gateway_by(Plan(upstreams=(upstream_at(server),), rules=rules)) as gateway,
    ):
        upstream = gateway._servers["a"]
        if when == "connecting":
            upstream._connected = never
        async with AsyncExitStack() as stack:
            if when == "limit":  # somebody else is inside, who leaves last
                holder = await stack.enter_async_context(connected(gateway.url))
                await holder.send(chat("other", stream=True))
                await until(lambda: len(server.requests) == 1)
            await four_come_and_leave(gateway, server, when)
        await until(lambda: not gateway.under_way and not upstream._connecting, within_s=3)
        await until(lambda: upstream.connections == (1 if when == "retry" else 0), within_s=3)
        assert not gateway.flights
        for limit in gateway._limits.values():
            assert (limit.inside, limit.waiting) == (0, 0)


async def four_come_and_leave(gateway: Gateway, server: RawServer, when: str) -> None:
    before = len(gateway.flights)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(connected(gateway.url))
            await client.send(chat("the same", stream=True))
            stack.callback(client.reset)
        await until(lambda: readers(gateway) == before + 4 and has_come_to(gateway, server, when))
        assert len(gateway.flights) == before + 1
    await until(lambda: len(gateway.flights) == before, within_s=3)


def has_come_to(gateway: Gateway, server: RawServer, when: str) -> bool:
    upstream = gateway._servers["a"]
    if when == "connecting":
        return bool(upstream._connecting)
    if when == "limit":
        return any(limit.waiting for limit in gateway._limits.values())
    if when == "retry":
        return upstream.health.failures == 1
    if when == "head":
        return all(flight.is_begun for flight in gateway.flights.values())
    return len(server.requests) == 1
