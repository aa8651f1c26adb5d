"""One store for several event loops, threads and processes; what happens when one of them ends."""

import asyncio
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from headway import Cache, operation
from headway.stores import MemoryStore
from headway.stores.tiered import TieredStore
from tests.stores.tiered.conftest import entry, put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


def made(shelf: Shelf) -> TieredStore:
    return TieredStore(MemoryStore(), ScriptedSecond(shelf), probe_every="20ms")


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def gone(store: TieredStore, shelf: Shelf) -> None:
    shelf.refuses = True
    assert await read(store, "nothing") is None
    assert store.state == "down"


def test_the_probe_goes_on_when_its_loop_has_ended() -> None:
    shelf = Shelf()
    store = made(shelf)
    asyncio.run(gone(store, shelf))
    shelf.refuses = False
    wait_for(lambda: store.state == "up")
    asyncio.run(store.aclose())


def test_what_was_to_be_told_is_told_when_its_loop_has_ended() -> None:
    shelf = Shelf()
    store, other = made(shelf), made(shelf)

    async def leave() -> None:
        await put(other, "key", "old", tags=("a",))
        await gone(store, shelf)
        await store.invalidate(["a"])

    asyncio.run(leave())
    shelf.refuses = False
    wait_for(lambda: other.peek("key") is None)
    asyncio.run(store.aclose())


def test_a_write_that_was_cut_with_its_loop_is_sent_all_the_same() -> None:
    shelf = Shelf()
    store = made(shelf)

    async def leave() -> None:
        await store.get("nothing")
        shelf.slow_s = 0.04
        writing = asyncio.create_task(put(store, "key", "value"))
        await asyncio.sleep(0.005)
        assert not writing.done()
        shelf.slow_s = 0

    asyncio.run(leave())
    wait_for(lambda: len(shelf.rows) == 1)
    asyncio.run(store.aclose())


def test_an_invalidation_that_was_cut_with_its_loop_is_announced_all_the_same() -> None:
    shelf = Shelf()
    store, other = made(shelf), made(shelf)

    async def leave() -> None:
        await put(other, "key", "old", tags=("a",))
        await store.get("nothing")
        shelf.slow_s = 0.04
        invalidating = asyncio.create_task(store.invalidate(["a"]))
        await asyncio.sleep(0.005)
        assert not invalidating.done()
        shelf.slow_s = 0

    asyncio.run(leave())
    wait_for(lambda: other.peek("key") is None)
    asyncio.run(store.aclose())


def test_loops_one_after_another_leave_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf()
    store = made(shelf)

    async def use(number: int) -> None:
        await put(store, f"key {number}", number)
        assert await read(store, f"key {number}") == number
        assert await read(store, "nothing") is None
        loops.append(weakref.ref(asyncio.get_running_loop()))

    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            asyncio.run(use(number))
        gc.collect()
    assert caplog.records == []
    assert [loop() for loop in loops] == [None] * 5


def test_threads_with_loops_of_their_own_share_memory_and_go_on_together() -> None:
    shelf = Shelf()
    store = made(shelf)
    frozen, waited = threading.Barrier(4), []

    async def use(number: int) -> None:
        for turn in range(100):
            await put(store, f"key {turn % 7}", turn % 7)
            assert await read(store, f"key {turn % 7}") == turn % 7
            await store.invalidate([f"tag {number}"])
        await asyncio.to_thread(frozen.wait, 10)
        shelf.is_frozen = True
        began = time.monotonic()
        assert await read(store, f"absent {number}") is None
        assert await read(store, f"also absent {number}") is None
        waited.append(time.monotonic() - began)

    threads = [threading.Thread(target=asyncio.run, args=(use(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(waited) == 4
    assert max(waited) < 0.5
    shelf.thaw()
    wait_for(lambda: store.state == "up")
    asyncio.run(store.aclose())


def test_sync_callers_have_the_same() -> None:
    shelf = Shelf()
    store = made(shelf)
    ran: list[int] = []

    @operation(Cache("60s", store=store), name="tiered.sync")
    def double(number: int) -> int:
        ran.append(number)
        return 2 * number

    assert [double(1), double(1)] == [2, 2]
    shelf.refuses = True
    assert [double(1), double(2), double(2)] == [2, 4, 4]
    assert store.state == "down"
    shelf.refuses = False
    wait_for(lambda: store.state == "up")
    assert [double(1), double(2)] == [2, 4]
    assert ran == [1, 2]
    asyncio.run(store.aclose())


def test_a_store_that_nobody_holds_is_not_held_by_its_probe() -> None:
    shelf = Shelf()
    store = made(shelf)
    asyncio.run(gone(store, shelf))
    shelf.heeding.clear()
    reference = weakref.ref(store)
    del store

    def is_collected() -> bool:
        gc.collect()
        return reference() is None

    wait_for(is_collected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_fork_probes_for_itself() -> None:
    shelf = Shelf()
    store = made(shelf)
    asyncio.run(gone(store, shelf))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            shelf.refuses = False

            async def come_back() -> None:
                await read(store, "nothing")
                for _ in range(200):
                    if store.state == "up":
                        break
                    await asyncio.sleep(0.01)
                await put(store, "key", "value")

            asyncio.run(come_back())
            code = 0 if len(shelf.rows) == 1 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert store.state == "down"
    asyncio.run(store.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_fork_looks_after_the_second_tier_itself() -> None:
    shelf = Shelf()
    store = made(shelf)

    def use() -> None:  # as a sync program: memory answers, nobody asks the second tier
        store.memory.keep("key", entry("value", store.mark()))
        assert store.peek("key") is not None

    use()
    wait_for(lambda: store.attempts > 0)
    use()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            before = store.attempts

            def is_asked() -> bool:
                use()
                return store.attempts > before + 1

            wait_for(is_asked)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    asyncio.run(store.aclose())
