"""Two tiers while all is well: what is asked of whom, and what one process sees of another."""

import asyncio

import pytest

from headway import clock
from headway.errors import BadSetup
from headway.stores import MemoryStore
from headway.stores.ledger import tag_of_key
from headway.stores.tiered import TieredStore
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.stores.tiered.conftest import entry, put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


async def test_what_one_process_keeps_another_finds_and_then_has_itself(
    store: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    await put(store, "key", "value")
    assert other.peek("key") is None
    assert await read(other, "key") == "value"
    asked = len(shelf.asked)
    found = other.peek("key")
    assert found is not None
    assert found.value == "value"
    assert len(shelf.asked) == asked


async def test_many_who_ask_at_once_are_one_question(
    store: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    for key in "abc":
        await put(store, key, key)
    shelf.asked.clear()
    found = await asyncio.gather(*[read(other, key) for key in "abcabcabc"])
    assert found == list("abcabcabc")
    assert shelf.asked == ["get"]


async def test_who_asks_while_it_is_asked_for_joins(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value")
    shelf.slow_s = 0.04
    shelf.asked.clear()
    first = asyncio.create_task(other.get("key"))
    await time.advance(0.02)
    second = asyncio.create_task(other.get("key"))
    await time.advance(0.02)
    assert [found.value for found in await asyncio.gather(first, second) if found] == ["value"] * 2
    assert shelf.asked == ["get"]


async def test_a_caller_who_leaves_does_not_disturb_who_waits_with_him(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value")
    shelf.slow_s = 0.04
    leaving, staying = (asyncio.create_task(other.get("key")) for _ in range(2))
    await time.advance(0.01)
    leaving.cancel()
    await time.advance(0.03)
    found = await staying
    assert found is not None
    assert found.value == "value"
    assert leaving.cancelled()


async def test_get_many_asks_once_for_what_memory_has_not(
    store: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    for key in "abc":
        await put(store, key, key)
    await put(other, "a", "own")
    shelf.asked.clear()
    found = await other.get_many(["a", "b", "nothing", "c", "b"])
    assert [None if one is None else one.value for one in found] == ["own", "b", None, "c", "b"]
    assert shelf.asked == ["get"]


async def test_set_many_is_one_write(store: TieredStore, other: TieredStore, shelf: Shelf) -> None:
    shelf.asked.clear()
    mark = store.mark()
    await store.set_many({key: entry(key, mark) for key in "abc"})
    assert shelf.asked == ["set"]
    assert [await read(other, key) for key in "abc"] == list("abc")


async def test_what_is_private_never_leaves_memory(store: TieredStore, shelf: Shelf) -> None:
    await put(store, "key", "secret", is_private=True)
    assert await read(store, "key") == "secret"
    assert shelf.rows == {}


async def test_a_key_that_only_this_process_understands_stays_in_memory(
    store: TieredStore, shelf: Shelf
) -> None:
    key = object()
    await store.set(key, entry("value", store.mark()))
    assert (await store.get(key)) is not None
    await store.delete(key)
    assert (await store.get(key)) is None
    assert shelf.rows == {}
    assert store.state == "up"


async def test_an_invalidation_reaches_the_memory_of_others(
    store: TieredStore, other: TieredStore
) -> None:
    await put(store, "tagged", "value", tags=("a",))
    await put(store, "other", "value", tags=("b",))
    assert await read(other, "tagged") == await read(other, "other") == "value"
    await store.invalidate(["a"])
    assert other.peek("tagged") is None
    assert await read(other, "tagged") is None
    assert await read(other, "other") == "value"


async def test_a_deletion_reaches_the_memory_of_others(
    store: TieredStore, other: TieredStore
) -> None:
    await put(store, "key", "value")
    assert await read(other, "key") == "value"
    await store.delete("key")
    assert other.peek("key") is None
    assert await read(other, "key") is None
    await put(store, "key", "new")
    assert await read(other, "key") == "new"


async def test_clearing_reaches_the_memory_of_others(
    store: TieredStore, other: TieredStore
) -> None:
    await put(store, "key", "value")
    assert await read(other, "key") == "value"
    await store.clear()
    assert await read(other, "key") is None
    await put(other, "key", "new")
    assert await read(store, "key") == "new"


@pytest.mark.parametrize("tag", ["a", tag_of_key("key")])
async def test_work_begun_before_an_invalidation_elsewhere_is_not_kept(
    store: TieredStore, other: TieredStore, shelf: Shelf, tag: str
) -> None:
    mark = store.mark()
    await other.invalidate([tag])
    await store.set("key", entry("old", mark, tags=("a",)))
    assert await read(store, "key") is None
    assert shelf.rows == {}


async def test_work_begun_before_the_store_was_first_asked_is_for_this_process_only(
    time: FakeClock, shelf: Shelf, other: TieredStore
) -> None:
    store = TieredStore(MemoryStore(), ScriptedSecond(shelf))
    mark = store.mark()
    await other.invalidate(["a"])
    await store.set("key", entry("perhaps old", mark, tags=("a",)))
    assert await read(store, "key") == "perhaps old"
    assert await read(other, "key") is None
    await put(store, "key", "new")
    assert await read(other, "key") == "new"
    await store.aclose()


async def test_what_became_void_on_its_way_here_is_not_served(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "old", tags=("a",))
    shelf.slow_s = 0.04
    asking = asyncio.create_task(other.get("key"))
    await time.advance(0.03)
    other.memory.make_void(["a"])
    await time.advance(0.01)
    assert await asking is None
    assert other.peek("key") is None


async def test_own_invalidation_does_not_void_what_was_begun_after_it(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.slow_s = 0.04
    invalidating = asyncio.create_task(store.invalidate(["a"]))
    await time.advance(0.01)
    store.memory.keep("key", entry("new", store.mark(), tags=("a",)))
    await time.advance(0.05)
    await invalidating
    assert await read(store, "key") == "new"
    await other.invalidate(["a"]) if shelf.slow_s == 0 else None
    shelf.slow_s = 0
    await other.invalidate(["a"])
    assert store.peek("key") is None


async def test_an_older_entry_of_the_second_tier_does_not_displace_a_newer(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "old")
    await time.advance(1)
    store.memory.keep("key", entry("new", store.mark()))
    found = await store.refetch("key")
    assert found is not None
    assert found.value == "new"
    assert await read(store, "key") == "new"


async def test_refetch_looks_past_memory(
    store: TieredStore, other: TieredStore, time: FakeClock
) -> None:
    await put(store, "key", "old")
    await time.advance(1)
    await put(other, "key", "new")
    assert await read(store, "key") == "old"
    found = await store.refetch("key")
    assert found is not None
    assert found.value == "new"
    assert await read(store, "key") == "new"


async def test_statistics_tell_the_whole_and_its_tiers(
    store: TieredStore, other: TieredStore, time: FakeClock
) -> None:
    before = other.statistics()
    await put(store, "key", "value")
    for _ in range(3):
        assert await read(other, "key") == "value"
    assert await read(other, "nothing") is None
    after = other.statistics()
    memory, second = after.tiers["memory"], after.tiers["scripted"]
    assert (after.hits - before.hits, after.misses - before.misses) == (3, 1)
    assert memory.hits - before.tiers["memory"].hits == 2
    assert memory.misses - before.tiers["memory"].misses == 2
    assert second.hits - before.tiers["scripted"].hits == 1
    assert (after.entries, after.errors) == (1, {})


async def test_while_in_use_it_is_looked_after_and_then_left_alone(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value")
    await time.advance(5)
    shelf.asked.clear()
    await time.advance(5)
    assert shelf.asked == []
    for _ in range(50):
        assert store.peek("key") is not None
        await time.advance(0.1)
    assert 9 <= len(shelf.asked) <= 11
    assert set(shelf.asked) == {"catch_up"}


async def test_memory_hits_alone_hear_of_an_invalidation_whose_message_was_lost(
    store: TieredStore, other: TieredStore, time: FakeClock
) -> None:
    await put(store, "key", "value", tags=("a",))
    assert isinstance(store.second, ScriptedSecond)
    store.second.is_deaf = True
    await other.invalidate(["a"])
    served = 0
    while store.peek("key") is not None:
        served += 1
        await time.advance(0.1)
    assert served <= 6


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"soft_timeout": "2s"}, "soft_timeout='2s'"),
        ({"probe_every": "often"}, "probe_every"),
        ({"hard_timeout": 0}, "hard_timeout=0"),
    ],
)
def test_a_duration_that_cannot_work_is_refused(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(BadSetup, match=named):
        TieredStore(MemoryStore(), ScriptedSecond(Shelf()), **wrong)  # type: ignore[arg-type]


async def test_leases_are_those_of_the_second_tier(store: TieredStore, other: TieredStore) -> None:
    lease = await store.lease("key", 2)
    assert lease is not None
    assert await other.lease("key", 2) is None
    assert await store.renew(lease)
    await store.release(lease, kept=False)
    assert await other.wait("key", 2) == "over"
    assert await other.lease("key", 2) is not None


async def test_nothing_goes_on_once_all_is_done(store: TieredStore, time: FakeClock) -> None:
    await put(store, "key", "value")
    await store.aclose()
    await settle()
    mine = asyncio.current_task()
    assert [t for t in asyncio.all_tasks() if t is not mine and "_tend" in repr(t)] == []
    assert clock.monotonic() == 0
