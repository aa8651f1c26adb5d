"""What long requests and many different ones leave behind: nothing that grows, and no answer."""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest

from headway.gateway import client as client_module
from headway.gateway.plan import ClientKey, Plan, Upstream
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import connected, head_to
from tests.gateway.raw_rig import chat, gateway_by, get, rig

pytestmark = pytest.mark.anyio
NOBODY = Upstream(name="a", url="http://127.0.0.1:1")


class Measured:
    """How many bytes more are held than at the beginning."""

    @property
    def held(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


@contextmanager
def memory() -> Iterator[Measured]:
    gc.collect()
    tracemalloc.start()
    try:
        yield Measured()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [70_000, 150_000])
async def test_hits_of_a_long_request_are_followed_by_nothing(size: int) -> None:
    async with rig() as here:
        for _ in range(3):
            assert (await here.ask(chat("x" * size))).status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(here.client.reader.read(1000), 0.1)


async def test_a_connection_that_idles_after_a_hit_closes_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "IDLE_S", 0.05)
    async with rig() as here:
        for mark in ("miss", "hit"):
            assert (await here.ask(chat())).mark == mark
        assert await here.client.rest() == b""


async def test_a_body_in_tiny_chunks_takes_little_more_than_its_bytes() -> None:
    count = 100_000
    chunks = b"".join(
        b"2\r\n%c%c\r\n" % (65 + number % 26, 65 + number // 26 % 26) for number in range(count)
    )
    async with rig() as here:
        try:
            await here.client.send(head_to("transfer-encoding: chunked"))
            await until(lambda: bool(here.gateway.connections))
            with memory() as measured:
                for at in range(0, len(chunks), 100_000):
                    here.client.writer.write(chunks[at : at + 100_000])
                    await here.client.writer.drain()
                await until(lambda: here.connection._size == 2 * count, within_s=5)
                held = measured.held
        finally:
            here.client.reset()
    assert held < 6 * 2 * count


async def test_long_names_of_models_are_not_remembered() -> None:
    async with rig() as here:
        with memory() as measured:
            for number in range(30):
                assert (await here.ask(chat(model=f"{number}" + "m" * 200_000))).status == 200
                here.server.requests.clear()
                here.server.heard.clear()
            assert measured.held < 2_000_000


@pytest.mark.parametrize(("count", "size"), [(700, 4_000), (50, 60_000)], ids=["short", "long"])
async def test_heads_without_a_known_key_are_not_remembered(count: int, size: int) -> None:
    plan = Plan(upstreams=(NOBODY,), keys=(ClientKey("me", sha256(b"k").hexdigest()),))
    async with gateway_by(plan) as gateway, connected(gateway.url) as client:
        with memory() as measured:
            for number in range(count):
                await client.send(get("/v1/models", f"x-padding: {number}" + "p" * size))
                assert (await client.answer()).status == 401
            assert measured.held < 1_000_000


async def test_servers_of_earlier_plans_are_forgotten() -> None:
    async with gateway_by(Plan(upstreams=(NOBODY,))) as gateway:
        for number in range(50):
            gateway.reload(Plan(upstreams=(Upstream(name="a", url=NOBODY.url, key=f"{number}"),)))
        assert len(gateway._leaving) < 10
