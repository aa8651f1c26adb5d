"""A question on its way: to which server, with whose credentials, on which connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headway.gateway.asking import Asking
from headway.gateway.flight import Flight
from headway.gateway.gateway import Gateway
from headway.gateway.plan import Limits, Plan, Route, Rules, Target, Upstream
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import GOOD, RawServer, connected, raw_server
from tests.gateway.raw_rig import (
    answer_of,
    chat,
    gateway_by,
    rig,
    said_in,
    saying,
    upstream_at,
)

pytestmark = pytest.mark.anyio


def first_then_second(*upstreams: Upstream) -> Plan:
    """One attempt at ``a``, then one at ``b``."""
    route = Route(targets=(Target("a"), Target("b")), rules=Rules(attempts=1))
    return Plan(upstreams=upstreams, routes=(route,))


async def test_what_the_first_server_said_stands_where_the_second_is_down() -> None:
    limited = answer_of(b"{}", status="429 Too Many Requests", lines=["retry-after: 77"])
    down = Upstream(name="b", url="http://127.0.0.1:1")
    async with (
        raw_server(limited) as server,
        gateway_by(first_then_second(upstream_at(server), down)) as gateway,
    ):
        for _ in range(5):
            gateway._servers["b"].failed("so that it is passed over")
        async with connected(gateway.url) as client:
            await client.send(chat())
            answer = await client.answer()
    assert (answer.status, answer.header("retry-after")) == (429, "77")


OWN = {"authorization": "Bearer of-the-client", "x-api-key": "of-the-client", "cookie": "a=b"}


@pytest.mark.parametrize("is_same", [True, False], ids=["the same host", "another host"])
async def test_credentials_of_the_client_go_to_no_other_host(is_same: bool) -> None:
    async with raw_server(answer_of(b"{}", status="500 No")) as one, raw_server() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        second = Upstream(name="b", url=f"{one.url if is_same else elsewhere}/second")
        async with (
            gateway_by(first_then_second(upstream_at(one), second)) as gateway,
            connected(gateway.url) as client,
        ):
            await client.send(chat(lines=[f"{name}: {value}" for name, value in OWN.items()]))
            await client.answer()
    asked_first, asked_second = (*one.requests, *other.requests)
    assert asked_second.line.startswith("POST /second/")
    assert OWN.items() <= dict(asked_first.headers).items()
    shown = OWN.keys() & dict(asked_second.headers).keys()
    assert shown == (OWN.keys() if is_same else set())


async def test_upstreams_of_one_url_under_different_keys_share_no_answers() -> None:
    async def says_whose(server: RawServer, writer: asyncio.StreamWriter) -> None:
        (shown,) = server.requests[-1].all_of("authorization")
        writer.write(answer_of(saying(shown)))

    async with raw_server(says_whose) as server:
        upstreams = [upstream_at(server, name, key=f"key-of-{name}") for name in ("a", "b")]
        async with (
            gateway_by(Plan(upstreams=tuple(upstreams))) as gateway,
            connected(gateway.url) as client,
        ):
            for name in ("a", "b"):
                await client.send(chat(path=f"/{name}/v1/chat/completions"))
                assert said_in(await client.answer()) == f"Bearer key-of-{name}"


@asynccontextmanager
async def reads_no_first_body() -> AsyncIterator[Upstream]:
    """A server that refuses before the first body has come, and reads no more of it."""
    heads: list[bytes] = []

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if len(heads) == 1:
                writer.transport.pause_reading()
                writer.write(answer_of(b"{}", status="413 Too Large"))
            else:
                writer.write(GOOD)
            await asyncio.Event().wait()
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.get_running_loop().create_task(answers(reader, writer)))

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    end = server.sockets[0]
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    try:
        yield Upstream(name="a", url=f"http://127.0.0.1:{end.getsockname()[1]}")
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def test_a_connection_with_half_a_request_on_it_is_not_used_again() -> None:
    async with (
        reads_no_first_body() as upstream,
        gateway_by(Plan(upstreams=(upstream,))) as gateway,
        connected(gateway.url) as client,
    ):
        await client.send(chat("x" * 8_000_000))
        assert (await client.answer()).status == 413
        await client.send(chat("another"))
        assert (await client.answer()).status == 200


class LeavesAtOnce:
    """Wants a connection, and no longer."""

    def on_connection(self, connection: Any) -> None:
        connection.abort()

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        pass


async def test_who_leaves_as_the_connection_comes_to_stand_leaks_none() -> None:
    async with rig() as here:
        upstream = here.gateway._servers["a"]
        connect = upstream._connected

        async def connected_and_left(proxy: object) -> Any:
            connection = await connect(None)
            asyncio.get_running_loop().call_soon(give_up)
            return connection

        upstream._connected = connected_and_left
        give_up = upstream.connect(LeavesAtOnce(), 5.0)
        await until(lambda: here.server.connections == 1)
        await asyncio.sleep(0.05)
        assert (upstream.connections, here.server.open_connections) == (0, 0)


async def test_a_reload_goes_on_counting_those_inside_a_limit() -> None:
    may_answer = asyncio.Event()
    inside = most = 0

    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await may_answer.wait()
        inside -= 1
        writer.write(GOOD)

    async with raw_server(says) as server:
        plan = Plan(upstreams=(upstream_at(server),), rules=Rules(limits=Limits(at_once=1)))
        async with (
            gateway_by(plan) as gateway,
            connected(gateway.url) as one,
            connected(gateway.url) as two,
            connected(gateway.url) as three,
        ):
            for number, client in enumerate((one, two, three)):
                await client.send(chat(f"{number}"))
                await asyncio.sleep(0.03)
                gateway.reload(plan)
            may_answer.set()
            for client in (one, two, three):
                assert (await client.answer()).status == 200
    assert most == 1


async def test_an_idempotency_key_counts_however_it_is_spelled() -> None:
    async def fails_first(server: RawServer, writer: asyncio.StreamWriter) -> None:
        is_first = len(server.requests) == 1
        writer.write(answer_of(b"{}", status="503 No") if is_first else GOOD)

    async with rig(fails_first, rules=Rules(first_wait_s=0.01)) as here:
        answer = await here.ask(chat(path="/v1/files", lines=["IDEMPOTENCY-KEY: k"]))
    assert answer.status == 200


# --- faults of our own --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Flight, "start"), (Flight, "_send"), (Asking, "request_to")],
    ids=["at the start", "inside a limit", "on a connection"],
)
async def test_a_fault_inside_is_told_and_leaves_nothing(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **named: object) -> None:
        raise RuntimeError("a fault")

    async with rig(rules=Rules(limits=Limits(at_once=1))) as here:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, fails)
            answer = await here.ask(chat())
        assert (answer.status, answer.header("x-headway-refused")) == (500, "internal_error")
        assert_nothing_is_left(here.gateway)
        async with connected(here.gateway.url) as client:
            await client.send(chat())
            assert (await client.answer()).status == 200


def assert_nothing_is_left(gateway: Gateway) -> None:
    assert not gateway.flights
    assert gateway.under_way == 0
    assert [limit.inside for limit in gateway._limits.values()] in ([], [0])
    assert gateway._servers["a"].connections == 0
