"""A second tier that is gone, frozen, slow, full, or has forgotten."""

import asyncio

import pytest

from headway import clock, events
from headway.events import Event, StoreFailed, StoreStateChanged
from headway.stores import MemoryStore
from headway.stores.tiered import TieredStore
from headway.stores.tiered.repair import BATCH
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.stores.tiered.conftest import entry, put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf

SOFT_S, EVERY_S = 0.05, 0.5


async def taken_down(store: TieredStore, shelf: Shelf) -> None:
    shelf.refuses = True
    await store.get("whatever")
    assert store.state == "down"


async def back_up(store: TieredStore, shelf: Shelf, time: FakeClock) -> None:
    shelf.refuses = False
    await time.advance(EVERY_S)
    assert store.state == "up"


async def test_when_it_is_gone_memory_serves_and_nobody_asks_but_probes(
    store: TieredStore, shelf: Shelf, time: FakeClock, states: list[StoreStateChanged]
) -> None:
    await put(store, "key", "value")
    await taken_down(store, shelf)
    shelf.asked.clear()
    for _ in range(20):
        assert await read(store, "key") == "value"
        assert await read(store, "nothing") is None
        await put(store, "other", "value")
        await time.advance(0.1)
    assert shelf.asked == ["probe"] * 4
    assert [state.state for state in states] == ["down"]
    assert "ConnectionRefusedError" in (states[0].detail or "")
    assert store.statistics().errors == {"ConnectionRefusedError": 5}


async def test_it_comes_back_with_one_probe(
    store: TieredStore, shelf: Shelf, time: FakeClock, states: list[StoreStateChanged]
) -> None:
    await taken_down(store, shelf)
    await back_up(store, shelf, time)
    await put(store, "key", "value")
    assert len(shelf.rows) == 1
    assert [state.state for state in states] == ["down", "up"]


async def test_when_it_freezes_all_who_wait_go_on_together(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.is_frozen = True
    asking = [asyncio.create_task(read(store, f"key {number}")) for number in range(20)]
    await time.advance(SOFT_S - 0.01)
    asking += [asyncio.create_task(read(store, f"late {number}")) for number in range(20)]
    await time.advance(0.009)
    assert not any(task.done() for task in asking)
    await time.advance(0.001)
    assert all(task.done() for task in asking)
    began = clock.monotonic()
    assert await read(store, "another") is None
    assert clock.monotonic() == began


async def test_a_write_waits_for_a_frozen_store_but_a_moment(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.is_frozen = True
    writing = asyncio.create_task(put(store, "key", "value"))
    await time.advance(SOFT_S - 0.001)
    assert not writing.done()
    await time.advance(0.001)
    await writing
    assert await read(store, "key") == "value"
    shelf.thaw()
    await time.advance(2)
    assert await read(other, "key") == "value"


async def test_while_frozen_there_is_one_attempt_an_interval(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.is_frozen = True
    asking = asyncio.create_task(read(store, "key"))
    await time.advance(SOFT_S)
    await asking
    for _ in range(6):
        before = store.attempts
        await time.advance(EVERY_S)
        assert store.attempts - before == 1


async def test_what_comes_late_fills_memory(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "value")
    shelf.slow_s = 0.2
    asking = asyncio.create_task(store.get("key"))
    await time.advance(SOFT_S)
    assert await asking is None
    await time.advance(0.2)
    found = store.peek("key")
    assert found is not None
    assert found.value == "value"


async def test_a_slow_store_is_told_everything_and_not_asked(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "value", tags=("a",))
    shelf.slow_s = 0.1
    asking = asyncio.create_task(store.get("key"))
    await time.advance(SOFT_S)
    await asking
    await store.invalidate(["a"])
    await put(store, "own", "value")
    await time.advance(5)
    assert store.state == "down"
    assert other.peek("key") is None
    shelf.slow_s = 0
    assert await read(other, "own") == "value"
    await time.advance(1)
    assert store.state == "up"


async def test_a_full_store_is_said_to_be_full_and_goes_on_being_read(
    store: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    await put(other, "key", "value")
    shelf.is_full = True
    with pytest.raises(OSError, match="No space left"):
        await put(store, "own", "value")
    assert store.state == "up"
    assert await read(store, "own") == "value"
    assert await read(store, "key") == "value"
    assert store.statistics().errors == {"OSError": 1}


async def test_a_refusal_that_nobody_waits_for_is_an_event(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    seen: list[Event] = []
    shelf.is_full = True
    with events.listen(seen.append):
        writing = asyncio.create_task(put(store, "own", "value"))
        await settle(2)
        writing.cancel()
        await settle()
    assert [event.error for event in seen if isinstance(event, StoreFailed)] == ["OSError"]


async def test_what_happened_meanwhile_is_told_on_return(
    store: TieredStore,
    other: TieredStore,
    shelf: Shelf,
    time: FakeClock,
    states: list[StoreStateChanged],
) -> None:
    await put(other, "void", "old", tags=("a",))
    await put(other, "deleted", "old")
    assert await read(store, "void") == await read(store, "deleted") == "old"
    await taken_down(store, shelf)
    await put(store, "kept", "value")
    await put(store, "made void after", "value", tags=("a",))
    await store.invalidate(["a"])
    await store.delete("deleted")
    await put(store, "made since", "value", tags=("a",))
    assert await read(other, "void") == "old"
    await back_up(store, shelf, time)
    assert await read(other, "void") is None
    assert await read(other, "deleted") is None
    assert await read(other, "made void after") is None
    assert await read(other, "kept") == await read(other, "made since") == "value"
    assert await read(store, "made since") == "value"
    assert [state.state for state in states] == ["down", "up", "repaired"]
    assert states[-1].detail == "2 invalidations, 2 writes"


async def test_a_clear_meanwhile_is_told_on_return(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "old")
    await taken_down(store, shelf)
    await put(store, "before", "value")
    await store.clear()
    await put(store, "since", "value")
    await back_up(store, shelf, time)
    assert await read(other, "key") is None
    assert await read(other, "before") is None
    assert await read(other, "since") == "value"


async def test_what_was_made_void_elsewhere_meanwhile_is_not_written_back(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    assert isinstance(store.second, ScriptedSecond)
    store.second.is_deaf = True
    await taken_down(store, shelf)
    await put(store, "key", "old", tags=("a",))
    shelf.refuses = False
    await other.invalidate(["a"])
    await time.advance(EVERY_S)
    assert await read(store, "key") is None
    assert shelf.rows == {}


async def test_an_older_write_does_not_displace_what_another_made_meanwhile(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await taken_down(store, shelf)
    await put(store, "key", "old")
    shelf.refuses = False
    await time.advance(0.1)
    await put(other, "key", "new")
    await time.advance(EVERY_S)
    assert [row.value for row in shelf.rows.values()] == ["new"]


async def test_a_store_that_lost_its_data_is_given_them_again(
    store: TieredStore,
    other: TieredStore,
    shelf: Shelf,
    time: FakeClock,
    states: list[StoreStateChanged],
) -> None:
    count = 2 * BATCH + 3
    for number in range(count):
        await put(store, f"key {number}", number)
    await put(store, "secret", "value", is_private=True)
    await taken_down(store, shelf)
    shelf.begin()
    await back_up(store, shelf, time)
    await time.advance(1)
    assert len(shelf.rows) == count
    assert f"{count} entries sent again" in (states[-1].detail or "")
    assert await read(other, "key 7") == 7


async def test_a_loss_that_nobody_saw_is_noticed(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value")
    shelf.begin()
    await read(store, "nothing")
    await time.advance(1)
    assert len(shelf.rows) == 1


async def test_after_a_loss_late_invalidations_are_announced_again(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "old", tags=("a",))
    assert await read(other, "key") == "old"
    assert isinstance(other.second, ScriptedSecond)
    other.second.is_deaf = True
    await store.invalidate(["a"])
    assert other.peek("key") is not None
    shelf.begin()
    other.second.is_deaf = False
    await read(store, "nothing")
    await time.advance(1)
    assert other.peek("key") is None


async def missed(store: TieredStore, other: TieredStore, shelf: Shelf) -> None:
    """*store* misses invalidations that it cannot ask for any more."""
    assert isinstance(store.second, ScriptedSecond)
    store.second.is_deaf = True
    await other.invalidate(["a"])
    shelf.trim_log()
    await other.invalidate(["b"])
    store.second.is_deaf = False
    await read(store, "nothing")


async def test_what_is_in_doubt_is_asked_for_again(
    store: TieredStore, other: TieredStore, shelf: Shelf, states: list[StoreStateChanged]
) -> None:
    await put(store, "good", "value", tags=("c",))
    await put(store, "void", "old", tags=("a",), stale_for_s=60)
    await put(store, "void for ever", "old", tags=("a",))
    await missed(store, other, shelf)
    assert states[-1].state == "in doubt"
    assert store.peek("good") is None
    assert await read(store, "good") == "value"
    assert store.peek("good") is not None
    assert await read(store, "void for ever") is None
    found = await store.get("void")
    assert found is not None
    assert found.fresh_until <= clock.now() < found.stale_until
    assert store.peek("void") is not None


async def test_what_is_in_doubt_is_served_while_nobody_can_be_asked(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(store, "key", "value", tags=("c",))
    await missed(store, other, shelf)
    await taken_down(store, shelf)
    assert store.peek("key") is not None
    await back_up(store, shelf, time)
    assert store.peek("key") is None
    assert await read(store, "key") == "value"


async def test_work_begun_before_a_gap_is_for_this_process_only(
    store: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    mark = store.mark()
    await missed(store, other, shelf)
    await store.set("key", entry("perhaps old", mark, tags=("a",)))
    assert shelf.rows == {}


async def test_while_it_is_down_leases_are_given_out_here(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await taken_down(store, shelf)
    shelf.asked.clear()
    lease = await store.lease("key", 2)
    assert lease is not None
    assert await store.renew(lease)
    await store.release(lease, kept=True)
    assert await store.wait("key", 2) == "over"
    assert shelf.asked == []


async def test_who_waits_for_a_lease_is_let_go_when_it_goes_down(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    assert await other.lease("key", 2) is not None
    waiting = asyncio.create_task(store.wait("key", 2))
    await time.advance(0.1)
    assert not waiting.done()
    await taken_down(store, shelf)
    assert await waiting == "over"


async def test_a_lease_is_waited_for_longer_than_a_look_up(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.slow_s = 0.1
    asking = asyncio.create_task(store.lease("key", 2))
    await time.advance(SOFT_S)
    assert not asking.done(), "work would run twice because the machine is busy"
    await time.advance(0.06)
    lease = await asking
    shelf.slow_s = 0
    assert lease is not None
    assert store.state == "up"
    assert await store.lease("key", 2) is None


async def test_a_lease_that_comes_too_late_is_given_back(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    shelf.slow_s = 0.1
    asking = asyncio.create_task(store.lease("key", 2))
    reading = asyncio.create_task(store.get("nothing"))  # takes it down
    await time.advance(SOFT_S)
    lease = await asking
    assert await reading is None
    assert lease is not None
    await time.advance(0.06)
    shelf.slow_s = 0
    await time.advance(1)
    await store.release(lease, kept=True)
    assert store.state == "up"
    other = await store.lease("key", 2)
    assert other is None or other.token != lease.token


async def test_down_from_the_first_moment(time: FakeClock, shelf: Shelf) -> None:
    shelf.refuses = True
    store = TieredStore(MemoryStore(), ScriptedSecond(shelf))
    assert await read(store, "key") is None
    await put(store, "key", "value")
    assert await read(store, "key") == "value"
    await back_up(store, shelf, time)
    await put(store, "since", "value")
    assert len(shelf.rows) == 1
    await store.aclose()


async def test_it_may_fail_again_in_the_middle_of_its_repair(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "old", tags=("a",))
    await taken_down(store, shelf)
    await store.invalidate(["a"])
    await put(store, "own", "value")
    shelf.refuses, shelf.slow_s = False, 0.04
    await time.advance(EVERY_S + 0.1)
    shelf.refuses = True
    await time.advance(3)
    assert store.state == "down"
    shelf.refuses, shelf.slow_s = False, 0
    await time.advance(1)
    assert store.state == "up"
    assert await read(other, "key") is None
    assert await read(other, "own") == "value"


async def test_closing_sends_what_was_not_sent(
    store: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "old", tags=("a",))
    await taken_down(store, shelf)
    await put(store, "own", "value")
    await store.invalidate(["a"])
    shelf.refuses = False
    await store.aclose()
    assert await read(other, "own") == "value"
    assert await read(other, "key") is None


async def test_closing_does_not_wait_for_ever(
    store: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await taken_down(store, shelf)
    await put(store, "own", "value")
    shelf.refuses, shelf.is_frozen = False, True
    closing = asyncio.create_task(store.aclose())
    await time.advance(1.01)
    await closing


async def test_writes_that_found_no_room_are_told_in_the_statistics(
    store: TieredStore, shelf: Shelf
) -> None:
    assert store.statistics().errors == {}
    store._journal._max_bytes = 1
    await taken_down(store, shelf)
    for key in "abc":
        await put(store, key, "value")
    assert store.statistics().errors["not sent: no room"] == 2
