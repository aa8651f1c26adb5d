"""A second tier that answers but does not take everything: full, or not for this user to write."""

import asyncio
from collections.abc import Iterable

import pytest
from redis import Redis

from headway.errors import BadSetup
from headway.stores import MemoryStore
from headway.stores.redis import RedisStore
from headway.stores.shared import Lease
from headway.stores.tiered import TieredStore
from headway.stores.tiered.announcing import TAGS_AT_ONCE
from headway.testing import FakeClock, Valkey
from tests.stores.tiered.conftest import put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


class NoLeases(ScriptedSecond):
    async def lease(self, key: object, seconds: float) -> Lease | None:
        await self.shelf.arrive("lease")
        raise PermissionError("this user has no permissions to run the 'set' command")


class Small(ScriptedSecond):
    """Takes no more than *most* tags at once, as a small disk store does."""

    most = TAGS_AT_ONCE

    async def invalidate(self, tags: Iterable[str]) -> None:
        tags = tuple(tags)
        if len(tags) > self.most:
            await self.shelf.arrive("invalidate")
            raise OSError(28, "No space left on device")
        await super().invalidate(tags)


async def test_a_refused_lease_leaves_reads_alone(time: FakeClock, shelf: Shelf) -> None:
    store = TieredStore(MemoryStore(max_entries=1), NoLeases(shelf))
    await store.get("nothing")
    await put(store, "key", "value")
    await put(store, "other", "value")
    lease = await store.lease("key", 2.0)
    assert lease is not None
    assert await store.renew(lease)
    await store.release(lease, kept=False)
    assert store.state == "up"
    assert await read(store, "key") == "value"
    assert store.statistics().errors == {"PermissionError": 1}
    await store.aclose()


async def test_a_full_store_comes_back_though_writes_were_noted_for_it(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.refuses = True
    await store.get("whatever")
    await put(store, "key", "value")
    shelf.refuses, shelf.is_full = False, True
    await time.advance(0.5)
    assert store.state == "up"


async def test_many_invalidations_are_told_in_groups(time: FakeClock, shelf: Shelf) -> None:
    store = TieredStore(MemoryStore(), Small(shelf))
    await store.get("nothing")
    await put(store, "key", "value", tags=("tag 7",))
    await put(store, "other", "value", tags=("else",))
    shelf.refuses = True
    for number in range(3 * TAGS_AT_ONCE):
        await store.invalidate([f"tag {number}"])
    shelf.refuses = False
    await time.advance(0.5)
    assert store.state == "up"
    assert shelf.asked.count("clear") == 0
    assert len(shelf.tags) == 3 * TAGS_AT_ONCE
    assert await read(store, "other") == "value"
    await store.aclose()


async def test_what_cannot_be_told_becomes_an_invalidation_of_everything(
    time: FakeClock, shelf: Shelf
) -> None:
    second = Small(shelf)
    second.most = 0
    store = TieredStore(MemoryStore(), second)
    await store.get("nothing")
    await put(store, "key", "value", tags=("tag",))
    await store.invalidate(["tag"])
    assert store.state == "down"
    await time.advance(0.5)
    assert store.state == "up"
    assert shelf.rows == {}
    assert shelf.asked.count("clear") == 1
    await store.aclose()


@pytest.mark.parametrize("tag", ["half \ud800", 7, b"bytes"])
async def test_a_tag_that_cannot_be_written_is_refused_before_anything_is_void(
    store: TieredStore, shelf: Shelf, tag: str
) -> None:
    await put(store, "key", "value", tags=("good",))
    with pytest.raises(BadSetup, match="UTF-8"):
        await store.invalidate(["good", tag])
    assert await read(store, "key") == "value"
    assert "invalidate" not in shelf.asked


def test_a_full_server_gives_leases_and_what_it_holds() -> None:
    async def use(server: Valkey) -> None:
        store = TieredStore(MemoryStore(), RedisStore(server.url), soft_timeout="1s")
        await store.get("nothing")
        await put(store, "key", "value")
        with Redis.from_url(server.url) as raw:
            raw.config_set("maxmemory", 1)
        lease = await store.lease("key", 2.0)
        assert lease is not None
        assert lease.token != "alone"
        await store.release(lease, kept=False)
        assert await store.refetch("key") is not None
        assert store.state == "up"
        await store.aclose()

    with Valkey("--maxmemory-policy", "noeviction") as server:
        asyncio.run(use(server))
