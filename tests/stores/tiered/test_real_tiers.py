"""Memory in front of a real Valkey that is killed, frozen and started again, and of the disk."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from headway import Cache, operation
from headway.stores import MemoryStore
from headway.stores.disk import DiskStore
from headway.stores.redis import RedisStore
from headway.stores.tiered import TieredStore
from headway.testing import Valkey
from tests.stores.tiered.conftest import put, read

# Real time on a machine that may be busy: what must be quick is asserted with room.
SOFT_S, MOST_S = 0.25, 1.5


@pytest.fixture
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@asynccontextmanager
async def over_redis(server: Valkey, *, strict: bool = False) -> AsyncIterator[TieredStore]:
    store = TieredStore(
        MemoryStore(),
        RedisStore(server.url),
        strict=strict,
        soft_timeout=SOFT_S,
        probe_every="100ms",
    )
    await store.get("nothing")
    try:
        yield store
    finally:
        await store.aclose()


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def until(store: TieredStore, state: str) -> None:
    async def is_so() -> bool:
        return store.state == state

    await eventually(is_so)


async def test_killed_and_started_again(server: Valkey) -> None:
    async with over_redis(server) as store, over_redis(server) as other:
        await put(store, "before", "value", tags=("a",))
        await put(store, "old", "value", tags=("b",))
        server.kill()
        assert await read(store, "nothing") is None
        assert store.state == "down"
        assert await read(store, "before") == "value"
        await put(store, "meanwhile", "value")
        await store.invalidate(["b"])
        assert await read(store, "old") is None
        server.start()
        await until(store, "up")
        await until(other, "up")

        async def is_there() -> bool:
            return [await read(other, key) for key in ("before", "meanwhile")] == ["value"] * 2

        await eventually(is_there)
        assert await read(other, "old") is None


async def test_frozen_and_thawed(server: Valkey) -> None:
    async with over_redis(server) as store, over_redis(server) as other:
        await put(store, "key", "value")
        server.freeze()
        began = time.monotonic()
        assert await asyncio.gather(*[read(store, f"absent {n}") for n in range(50)]) == [None] * 50
        assert SOFT_S * 0.9 <= time.monotonic() - began < MOST_S
        began = time.monotonic()
        for number in range(50):
            assert await read(store, f"another {number}") is None
            await put(store, f"another {number}", number)
        assert time.monotonic() - began < SOFT_S
        attempts = store.attempts
        await asyncio.sleep(1)
        assert store.attempts - attempts >= 3
        server.thaw()
        await until(store, "up")

        async def is_there() -> bool:
            return await read(other, "another 49") == 49

        await eventually(is_there)
        assert await read(store, "key") == "value"


async def test_no_errors_and_nothing_in_memory_made_again_while_it_is_gone(server: Valkey) -> None:
    async with over_redis(server) as store:
        ran: list[int] = []

        @operation(Cache("60s", store=store), name="tiered.real")
        async def double(number: int) -> int:
            ran.append(number)
            return 2 * number

        async def ask() -> None:
            answers = await asyncio.gather(*[double(n % 10) for n in range(40)])
            assert answers == [2 * (n % 10) for n in range(40)]

        await ask()
        server.kill()
        await ask()
        await store.get("nothing")
        await ask()
        server.start()
        await until(store, "up")
        await ask()
        assert sorted(ran) == list(range(10))


async def test_an_invalidation_is_heard_by_the_other_memory(server: Valkey) -> None:
    async with over_redis(server) as store, over_redis(server) as other:
        for turn in range(20):
            await put(store, "key", turn, tags=("a",))
            assert await read(other, "key") == turn
            await (store.invalidate(["a"]) if turn % 2 else store.delete("key"))

            async def is_gone() -> bool:
                return other.peek("key") is None

            await eventually(is_gone)


async def test_strict_reads_are_never_stale(server: Valkey) -> None:
    async with over_redis(server, strict=True) as store, over_redis(server, strict=True) as other:
        for turn in range(100):
            await put(store, "key", turn, tags=("a",))
            assert await read(other, "key") == turn
            await store.invalidate(["a"])
            assert await read(other, "key") is None
        await put(store, "key", "value", tags=("a",))
        server.kill()
        assert await read(store, "key") is None


async def test_over_the_disk(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stores = [
            TieredStore(MemoryStore(), DiskStore(tmp_path / "cache"), soft_timeout="1s")
            for _ in range(2)
        ]
        for store in stores:
            stack.push_async_callback(store.aclose)
        one, other = stores
        await other.get("nothing")
        await one.get("nothing")
        await put(one, "key", ("kept", 1), tags=("a",))

        async def is_there() -> bool:
            return await read(other, "key") == ("kept", 1)

        await eventually(is_there)
        await one.invalidate(["a"])

        async def is_gone() -> bool:
            return other.peek("key") is None

        await eventually(is_gone)
        assert await read(other, "key") is None
        assert set(one.statistics().tiers) == {"memory", "disk"}


async def test_what_was_on_disk_is_there_in_the_next_process(tmp_path: Path) -> None:
    for turn in range(2):
        store = TieredStore(MemoryStore(), DiskStore(tmp_path / "cache"), soft_timeout="1s")
        assert await read(store, "key") == ("value" if turn else None)
        await put(store, "key", "value")
        await store.aclose()
