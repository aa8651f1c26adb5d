"""Servers that end or use a connection before they are asked: nobody waits for them in vain."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headway.gateway.gateway import Gateway
from headway.gateway.outbox import Outbox
from headway.gateway.plan import Plan, Rules, Timeouts, Upstream
from headway.gateway.server import Server
from headway.gateway.upstream import UpstreamConnection
from headway.gateway.wheel import TimerWheel
from tests.gateway.both_loops import anyio_backend as anyio_backend
from tests.gateway.raw_client import GOOD, connected
from tests.gateway.raw_rig import chat, gateway_by

HERE = "127.0.0.1"
Greets = Callable[[socket.socket], None]
RESET = struct.pack("ii", 1, 0)


def hangs_up(end: socket.socket) -> None:
    end.close()


def resets(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.close()


def speaks_first(end: socket.socket) -> None:
    end.sendall(GOOD)
    end.close()


@contextmanager
def server_that(greets: Greets) -> Iterator[str]:
    """On a thread of its own, so that what it does comes at any moment."""
    listening = socket.create_server((HERE, 0), backlog=512)

    def accept() -> None:
        while True:
            try:
                end, _ = listening.accept()
            except OSError:
                return
            greets(end)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://{HERE}:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize("greets", [hangs_up, resets, speaks_first])
async def test_everybody_hears_of_a_server_that_goes_before_it_is_asked(greets: Greets) -> None:
    with server_that(greets) as url:
        times = Timeouts(connect_s=5, first_byte_s=5)
        rules = Rules(attempts=1, passes_over=False)
        plan = Plan(upstreams=(Upstream(name="a", url=url, timeouts=times),), rules=rules)
        async with gateway_by(plan) as gateway:
            heard: Counter[int] = Counter()
            for turn in range(3):
                heard.update(
                    await asyncio.gather(*(status_of(gateway, turn, n) for n in range(60)))
                )
            assert set(heard) <= {200, 502}
            assert heard.total() == 180
            assert gateway.under_way == 0


async def status_of(gateway: Gateway, turn: int, number: int) -> int:
    async with connected(gateway.url) as client:
        await client.send(chat(f"question {turn} {number}"))
        return (await client.answer()).status


class Waiting:
    """Waits for a connection, and writes down what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_connection(self, connection: UpstreamConnection) -> None:
        self.told.set_result("it stands")

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        self.told.set_result(why)


async def test_what_ended_since_it_stood_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, outbox = TimerWheel(), Outbox()
    server = Server(Upstream(name="a", url=f"http://{HERE}:1"), wheel, outbox)

    async def ended_already(connection: UpstreamConnection, proxy: object) -> None:
        connection.connection_lost(None)

    monkeypatch.setattr(server, "_reach", ended_already)
    waiting = Waiting()
    server.connect(waiting, 1.0)
    told = await asyncio.wait_for(waiting.told, 30)
    assert told == "no connection: it closed the connection before it was asked"
    assert server.connections == 0
    wheel.close()
