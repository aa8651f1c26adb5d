"""How a server is tried again, and the wheel of timers that all time-outs hang on."""

import asyncio

import pytest

from headway import clock
from headway.gateway import server as server_module
from headway.gateway.outbox import Outbox
from headway.gateway.plan import Upstream
from headway.gateway.server import Server
from headway.gateway.wheel import NEVER, TimerWheel
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import RawServer
from tests.gateway.raw_rig import rig

pytestmark = pytest.mark.anyio


async def test_trying_again_does_not_count_against_a_server_that_is_up() -> None:
    upstream = Upstream(name="a", url="http://127.0.0.1:1", probe="")
    server = Server(upstream, TimerWheel(), Outbox())
    for _ in range(5):
        server.failed("so that it is passed over")
    server.answered()  # a request that was under way came back well
    server._begin_probe()  # its timer goes on all the same
    server.failed("once")
    server.close()
    assert server.health.is_up


async def test_a_probe_that_trickles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is not renewed by every byte."""

    async def trickles(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while not writer.is_closing():
            writer.write(b"y")
            await asyncio.sleep(0.01)

    monkeypatch.setattr(server_module, "PROBE_S", 0.1)
    ended: list[bool] = []
    async with rig(trickles) as here:
        upstream = here.gateway._servers["a"]
        server_module._Probe(upstream, here.gateway.wheel, ended.append).begin()
        await until(lambda: bool(ended), within_s=2)
    assert ended == [False]


class Timed:
    """Writes down that its time is over, and may fail at that."""

    def __init__(self, ran: list[str], name: str, *, fails: bool) -> None:
        self.due, self.tick, self.is_over = NEVER, 0, False
        self._ran, self._name, self._fails = ran, name, fails

    def ran_out(self) -> None:
        self._ran.append(self._name)
        if self._fails:
            raise RuntimeError("a fault")


async def test_a_time_out_that_fails_takes_no_others_with_it() -> None:
    wheel = TimerWheel()
    ran: list[str] = []
    due = clock.monotonic() + 0.03
    wheel.watch(Timed(ran, "failing", fails=True), due)
    wheel.watch(Timed(ran, "sound", fails=False), due)
    try:
        await until(lambda: len(ran) == 2, within_s=2)
    finally:
        wheel.close()
    assert ran == ["failing", "sound"]
