"""Somebody probes and mends, whatever became of the loop where that began."""

import asyncio

from headway.stores import MemoryStore
from headway.stores.tiered import TieredStore
from headway.stores.tiered.repair import LATE_S
from headway.testing import FakeClock
from tests.stores.tiered.conftest import put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf

PROBE_EVERY_S = 0.02


async def use(store: TieredStore) -> None:
    """Begins to tend the second tier."""
    await put(store, "key", "value")
    store.peek("key")
    await asyncio.sleep(0)


async def comes_back(store: TieredStore, shelf: Shelf) -> bool:
    shelf.refuses = True
    await store.get("nothing")
    assert store.state == "down"
    shelf.refuses = False
    for _ in range(100):
        if store.state == "up":
            return True
        await asyncio.sleep(PROBE_EVERY_S)
        await store.get("nothing")
    return False


def probed() -> tuple[TieredStore, Shelf]:
    shelf = Shelf()
    return TieredStore(MemoryStore(), ScriptedSecond(shelf), probe_every=PROBE_EVERY_S), shelf


def test_another_loop_takes_over_from_one_that_was_closed_as_it_was() -> None:
    store, shelf = probed()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(store))
    left = asyncio.all_tasks(loop)
    loop.close()
    assert asyncio.run(comes_back(store, shelf))
    assert left  # else nobody had begun there


def test_another_loop_takes_over_from_one_that_does_not_run() -> None:
    store, shelf = probed()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(store))
    assert asyncio.run(comes_back(store, shelf))
    loop.run_until_complete(asyncio.sleep(3 * PROBE_EVERY_S))  # who was replaced ends by itself
    assert not asyncio.all_tasks(loop)
    loop.close()


async def test_another_takes_over_from_one_that_does_not_wake_up(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await use(store)
    tender = store._repair._tender
    assert tender is not None
    assert not tender.has_stopped()
    tender.sleeps(-LATE_S - 1)
    await put(store, "other", "value")
    assert store._repair._tender is not tender


async def test_use_after_closing_begins_anew(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value")
    await store.aclose()
    shelf.refuses = True
    assert await read(store, "nothing") is None
    assert store.state == "down"
    shelf.refuses = False
    await time.advance(0.5)
    assert store.state == "up"


async def test_after_closing_nobody_probes_until_the_next_use(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.refuses = True
    await store.get("nothing")
    await store.aclose()
    shelf.asked.clear()
    await time.advance(5)
    assert shelf.asked == []
