"""The memory store beyond the contract: bounds, sweeping, threads, forks, log lines."""

import logging
import os
import random
import sys
import threading
import time as machine_time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from headway import clock
from headway.errors import BadSetup
from headway.stores import NEVER, Entry, Key, MemoryStore, Store
from headway.stores.memory import ENTRY_BYTES
from headway.testing import FakeClock

POLICIES: list[Literal["s3-fifo", "lru"]] = ["s3-fifo", "lru"]


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


def entry(
    value: object = "value",
    ttl_s: float = 60,
    size_bytes: int = 10,
    tags: tuple[str, ...] = (),
    mark: int = 0,
) -> Entry:
    now = clock.now()
    return Entry(
        value,
        made_at=now,
        fresh_until=now + ttl_s,
        tags=tags,
        mark=mark,
        size_bytes=size_bytes,
    )


async def fill(store: Store, keys: range, size_bytes: int = 10, ttl_s: float = 60) -> None:
    for key in keys:
        await store.set(key, entry(key, ttl_s, size_bytes))


def held(store: Store, keys: range) -> list[Key]:
    return [key for key in keys if store.peek(key) is not None]


async def test_clearing_lets_go_of_the_values_at_once() -> None:
    class Value:
        pass

    for policy in POLICIES:
        store, values = MemoryStore(policy=policy), [Value(), Value()]
        for number, value in enumerate(values):
            await store.set(number, entry(value))
        waiting = [weakref.ref(value) for value in values]
        del value, values
        await store.clear()
        assert [ref() for ref in waiting] == [None, None]


# What it refuses from the start


def test_wrong_bounds_and_policies_are_named() -> None:
    with pytest.raises(BadSetup, match=r"max_entries=...\): 0 will not do"):
        MemoryStore(max_entries=0)
    with pytest.raises(BadSetup, match="'1000'"):
        MemoryStore("1000")  # type: ignore[arg-type]
    with pytest.raises(BadSetup, match="max_bytes='64 elephants'"):
        MemoryStore(max_bytes="64 elephants")
    with pytest.raises(BadSetup, match=r"policy='fifo'.*s3-fifo"):
        MemoryStore(policy="fifo")  # type: ignore[arg-type]


async def test_a_single_tag_as_text_is_taken_for_a_mistake() -> None:
    with pytest.raises(BadSetup, match=r"\['company'\]"):
        await MemoryStore().invalidate("company")


# Bounds


@pytest.mark.parametrize("policy", POLICIES)
async def test_it_holds_no_more_entries_than_allowed(policy: Literal["s3-fifo", "lru"]) -> None:
    store = MemoryStore(max_entries=20, policy=policy)
    for key in range(100):
        await store.set(key, entry(key))
        store.peek(key % 7)
        assert store.statistics().entries == min(20, key + 1)
    assert len(held(store, range(100))) == 20
    assert store.statistics().evicted == 80
    assert store.statistics().size_bytes == 200


@pytest.mark.parametrize("policy", POLICIES)
async def test_it_holds_no_more_bytes_than_allowed(policy: Literal["s3-fifo", "lru"]) -> None:
    store = MemoryStore(max_bytes=1_000, policy=policy)
    for key in range(100):
        await store.set(key, entry(key, size_bytes=1 + key * 37 % 300))
        assert store.statistics().size_bytes <= 1_000
    left = [int(str(key)) for key in held(store, range(100))]
    assert store.statistics().size_bytes == sum(1 + key * 37 % 300 for key in left)


@pytest.mark.parametrize("policy", POLICIES)
async def test_one_entry_fits_into_the_smallest_store(policy: Literal["s3-fifo", "lru"]) -> None:
    store = MemoryStore(max_entries=1, max_bytes=10, policy=policy)
    for key in range(5):
        await store.set(key, entry(key))
        for _ in range(3):
            assert store.peek(key) is not None
    assert store.statistics().entries == 1


async def test_a_value_above_the_bound_is_refused_and_what_it_replaces_is_gone() -> None:
    store = MemoryStore(max_bytes=1_000)
    await fill(store, range(10), size_bytes=100)
    await store.set(3, entry("large", size_bytes=1_001))
    assert held(store, range(10)) == [0, 1, 2, 4, 5, 6, 7, 8, 9], "nobody had to make room for it"
    assert store.statistics().refused == 1
    assert store.statistics().evicted == 0


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_entry_that_grows_makes_others_leave(policy: Literal["s3-fifo", "lru"]) -> None:
    store = MemoryStore(max_bytes=1_000, policy=policy)
    await fill(store, range(10), size_bytes=100)
    for size_bytes in (500, 1_000):
        await store.set(0, entry("large", size_bytes=size_bytes))
        assert store.peek(0) is not None
        assert store.statistics().size_bytes == 1_000
    assert store.statistics().entries == 1
    await store.set(0, entry("small", size_bytes=1))
    assert store.statistics().size_bytes == 1


async def test_lru_keeps_what_was_looked_up() -> None:
    store = MemoryStore(max_entries=3, policy="lru")
    await fill(store, range(3))
    assert store.peek(0) is not None
    await store.set(1, entry("again"))
    await fill(store, range(3, 5))
    assert held(store, range(5)) == [1, 3, 4]


async def test_s3_fifo_keeps_what_is_popular_through_a_scan() -> None:
    store = MemoryStore(max_entries=100)
    for _ in range(3):
        await fill(store, range(50))
        held(store, range(50))
    await fill(store, range(1_000, 5_000))
    assert held(store, range(50)) == list(range(50))


async def test_a_replaced_entry_keeps_its_place_in_the_queue() -> None:
    store = MemoryStore(max_entries=3)
    await fill(store, range(3))
    await store.set(0, entry("again"))
    await store.set(3, entry())
    assert held(store, range(4)) == [1, 2, 3]


async def test_room_is_made_by_the_dead_first_if_they_come_up(time: FakeClock) -> None:
    store = MemoryStore(max_entries=10)
    await fill(store, range(10), ttl_s=5)
    for _ in range(3):
        held(store, range(10))
    await time.advance(5)
    await store.set(10, entry())
    statistics = store.statistics()
    assert (statistics.evicted, statistics.expired > 0) == (0, True)


# Sizes


async def test_an_entry_without_a_size_is_measured_with_its_key() -> None:
    store = MemoryStore()
    await store.set("k" * 5_000, entry("v" * 20_000, size_bytes=0))
    assert 25_000 + ENTRY_BYTES <= store.statistics().size_bytes <= 26_000


async def test_a_size_that_comes_with_the_entry_is_believed() -> None:
    store = MemoryStore(size_of=lambda value: 1 / 0)  # type: ignore[arg-type,return-value]
    await store.set("key", entry("v" * 20_000, size_bytes=7))
    assert store.statistics().size_bytes == 7


async def test_values_may_be_measured_by_the_user() -> None:
    store = MemoryStore(max_bytes=100, size_of=lambda value: len(str(value)))
    await store.set("fits", entry("v" * 100, size_bytes=0))
    await store.set("too large", entry("v" * 101, size_bytes=0))
    assert store.peek("fits") is not None
    assert store.peek("too large") is None
    assert store.statistics().refused == 1


async def test_an_error_in_the_users_measure_reaches_the_caller_and_harms_nothing() -> None:
    store = MemoryStore(size_of=len)  # type: ignore[arg-type]
    await store.set("key", entry("old", size_bytes=0))
    with pytest.raises(TypeError):
        await store.set("key", entry(1, size_bytes=0))
    found = store.peek("key")
    assert found is not None
    assert found.value == "old"
    assert store.statistics().size_bytes == 3


async def test_the_books_do_not_depend_on_the_entry_after_it_was_kept() -> None:
    store = MemoryStore()
    kept = entry(size_bytes=10)
    await store.set("key", kept)
    kept.size_bytes = 1_000_000
    await store.delete("key")
    assert store.statistics().size_bytes == 0


# The dead do not stay


async def test_an_expired_entry_that_is_looked_up_is_dropped(time: FakeClock) -> None:
    store = MemoryStore()
    await fill(store, range(5), ttl_s=5)
    await time.advance(5)
    assert store.peek(0) is None
    statistics = store.statistics()
    assert (statistics.entries, statistics.size_bytes, statistics.expired) == (4, 40, 1)
    assert (statistics.hits, statistics.misses) == (0, 1)


async def test_expired_entries_that_nobody_asks_for_are_swept_by_later_sets(
    time: FakeClock,
) -> None:
    store = MemoryStore()
    await fill(store, range(100), ttl_s=5)
    await time.advance(5)
    await fill(store, range(1_000, 1_060))
    statistics = store.statistics()
    assert (statistics.entries, statistics.expired) == (60, 100)
    assert statistics.size_bytes == 600


async def test_nobody_is_looked_at_while_no_time_can_be_over(time: FakeClock) -> None:
    store = MemoryStore()
    await fill(store, range(100), ttl_s=50)
    await fill(store, range(100, 200), ttl_s=5)
    assert store._round == []
    await time.advance(5)
    await fill(store, range(1_000, 1_051))
    assert (store.statistics().expired, store._round) == (100, [])
    await time.advance(45)
    await fill(store, range(2_000, 2_051))
    assert (store.statistics().expired, store.statistics().entries) == (200, 102)


async def test_a_round_knows_the_times_of_those_who_came_meanwhile(time: FakeClock) -> None:
    store = MemoryStore()
    await fill(store, range(100), ttl_s=5)
    await time.advance(5)
    await fill(store, range(200, 210), ttl_s=1)
    await fill(store, range(300, 330))
    assert (store.statistics().expired, store._round) == (100, [])
    await time.advance(1)
    await fill(store, range(300, 330))
    assert store.statistics().expired == 110


async def test_void_entries_that_nobody_asks_for_are_swept_by_later_sets() -> None:
    store = MemoryStore()
    for key in range(100):
        await store.set(key, entry(key, ttl_s=NEVER, tags=("a",)))
    await store.invalidate(["a"])
    await fill(store, range(1_000, 1_060))
    assert (store.statistics().entries, store.statistics().void) == (60, 100)


async def test_a_clock_set_back_lengthens_no_life_by_much(time: FakeClock) -> None:
    store = MemoryStore()
    await fill(store, range(20), ttl_s=60)
    time.step_wall(-3_600)
    await time.advance(60)
    assert held(store, range(20)) == list(range(20)), "the wall clock says they are young"
    await fill(store, range(1_000, 1_010))
    assert held(store, range(20)) == [], "the stopwatch says their time is over"


async def test_a_replaced_entry_lives_as_long_as_the_new_one_says(time: FakeClock) -> None:
    store = MemoryStore()
    await store.set("key", entry(ttl_s=5))
    await store.set("key", entry(ttl_s=100))
    await time.advance(50)
    await fill(store, range(10))
    assert store.peek("key") is not None


@pytest.mark.parametrize("policy", POLICIES)
async def test_setting_and_deleting_for_long_leaves_nothing_behind(
    policy: Literal["s3-fifo", "lru"],
) -> None:
    store = MemoryStore(max_entries=100, policy=policy)
    one = entry()
    for number in range(100_000):
        await store.set(number, one)
        await store.delete(number if number % 2 else number - 50)
    for key in held(store, range(99_000, 100_000)):
        await store.delete(key)
    assert store.statistics().entries == 0
    assert store.statistics().size_bytes == 0
    assert _places(store) <= 300


def _places(store: MemoryStore) -> int:
    """How many keys the store has in any of its tables."""
    tables = [*vars(store).values(), *vars(store._eviction).values()]
    return sum(len(table) for table in tables if isinstance(table, (dict, list, deque)))


# Tags


async def test_the_table_of_tags_is_bounded_and_forgetting_revives_nothing() -> None:
    store = MemoryStore(max_tags=8)
    for number in range(100):
        await store.set(number, entry(number, ttl_s=NEVER, tags=(f"tag {number}", "all")))
    before = store.mark()
    for number in range(50):
        await store.invalidate([f"tag {number}"])
    assert held(store, range(100)) == list(range(50, 100))
    assert len(store._invalidations._latest) <= 8
    await store.set("in flight", entry(tags=("tag 0",), mark=before))
    await store.set("in flight, untagged", entry(mark=before))
    assert store.peek("in flight") is None
    assert store.peek("in flight, untagged") is not None
    await store.invalidate(["all"])
    assert held(store, range(100)) == []


# Threads, forks, finalisers


def drive(coroutine: object) -> None:
    """Run a coroutine that awaits nothing, as a caller without an event loop does."""
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]


def in_threads(work: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("policy", POLICIES)
def test_readers_and_writers_in_threads_do_not_disturb_each_other(
    policy: Literal["s3-fifo", "lru"],
) -> None:
    store = MemoryStore(max_entries=60, max_bytes=3_000, policy=policy, max_tags=4)
    reads_of_each = 5_000

    def reader(seed: int) -> Callable[[], None]:
        def read() -> None:
            dice = random.Random(seed)
            for _ in range(reads_of_each):
                key = dice.randrange(100)
                found = store.peek(key)
                assert found is None or found.value == key

        return read

    def writer(seed: int) -> Callable[[], None]:
        def write() -> None:
            dice = random.Random(seed)
            for _ in range(1_500):
                key = dice.randrange(100)
                match dice.randrange(20):
                    case 0:
                        drive(store.delete(key))
                    case 1:
                        drive(store.invalidate([f"tag {dice.randrange(8)}"]))
                    case 2 if key == 0:
                        drive(store.clear())
                    case _:
                        tags = (f"tag {key % 8}",) if key % 2 else ()
                        size_bytes = dice.randrange(1, 100)
                        kept = entry(key, size_bytes=size_bytes, tags=tags, mark=store.mark())
                        drive(store.set(key, kept))

        return write

    in_threads([make(seed) for seed in range(3) for make in (reader, writer)])
    statistics = store.statistics()
    assert statistics.hits + statistics.misses == 3 * reads_of_each
    assert statistics.entries <= 60
    assert statistics.size_bytes == sum(slot.size_bytes for slot in store._slots.values())
    assert statistics.size_bytes <= 3_000


async def test_a_look_up_never_waits_for_a_writer(time: FakeClock) -> None:
    store = MemoryStore()
    await fill(store, range(1), ttl_s=5)
    await fill(store, range(1, 2))
    await time.advance(5)
    with HeldByAnotherThread(store):
        assert store.peek(0) is None
        assert store.peek(1) is not None
        assert store.statistics().entries == 2, "dropping it is left for another time"
    assert store.peek(0) is None
    assert store.statistics().entries == 1


async def test_what_is_forgotten_during_a_look_up_is_still_void() -> None:
    store = MemoryStore(max_tags=2)
    meddled: list[bool] = []

    class MeddlingTags(tuple[str, ...]):
        """Another thread invalidates other tags just when the look-up compares these."""

        def __iter__(self) -> Iterator[str]:
            if not meddled:
                meddled.append(True)
                for tag in "xyz":
                    drive(store.invalidate([tag]))
            return super().__iter__()

    kept = entry(tags=("a",))
    await store.set("key", kept)
    await store.invalidate(["a"])
    kept.tags = MeddlingTags(["a"])
    assert store.peek("key") is None


async def test_what_is_replaced_during_a_look_up_is_not_dropped(time: FakeClock) -> None:
    store = MemoryStore()
    await store.set("key", entry("old", ttl_s=5))
    await time.advance(5)
    new = entry("new")

    class Meddling(FakeClock):
        """Another thread replaces the expired entry just when the look-up reads the clock."""

        def now(self) -> float:
            if not replaced:
                replaced.append(True)
                drive(store.delete("key"))
                drive(store.set("key", new))
            return time.now()

    replaced: list[bool] = []
    with clock.use(Meddling()):
        assert store.peek("key") is None
    assert store.peek("key") is new
    assert store.statistics().size_bytes == 10


class HeldByAnotherThread:
    """The store's lock, in the hands of a thread that is in no hurry."""

    def __init__(self, store: MemoryStore) -> None:
        self.held, self.done = threading.Event(), threading.Event()

        def hold() -> None:
            with store._lock:
                self.held.set()
                self.done.wait(60)

        self.thread = threading.Thread(target=hold)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.held.wait(60)

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()


@pytest.mark.parametrize("is_busy", [False, True], ids=["quiet", "in the middle of a write"])
def test_a_forked_child_goes_on_with_a_store_that_works(is_busy: bool) -> None:
    store = MemoryStore()
    drive(store.set("before", entry()))

    def child() -> bool:
        drive(store.set("after", entry()))
        has_copy = store.peek("before") is not None
        return store.peek("after") is not None and has_copy is not is_busy

    if is_busy:
        with HeldByAnotherThread(store):
            assert _exit_code_of(child) == 0
    else:
        assert _exit_code_of(child) == 0
    assert store.peek("before") is not None
    assert store.peek("after") is None


def _exit_code_of(child: Callable[[], bool]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is the point
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if child() else 1)
        finally:
            os._exit(2)
    deadline = machine_time.monotonic() + 30
    while machine_time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        machine_time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_value_may_use_the_store_while_it_is_dropped(policy: Literal["s3-fifo", "lru"]) -> None:
    store = MemoryStore(max_entries=2, policy=policy)
    dropped: list[int] = []

    class Value:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            dropped.append(self.number)
            if self.number < 50:
                store.peek("key 1")
                drive(store.set("key 1", entry("from a finaliser")))
                drive(store.delete("key 2"))

    for number in range(50):
        drive(store.set(f"key {number % 3}", entry(Value(number))))
        assert store.statistics().size_bytes == 10 * store.statistics().entries
        assert store.statistics().entries <= 2
    drive(store.clear())
    assert set(dropped) == set(range(50))
    assert store.statistics().size_bytes == 10 * store.statistics().entries


# Log lines


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.DEBUG, "headway.stores")

    def read() -> list[str]:
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return read


async def test_at_debug_every_look_up_and_every_store_is_one_line(
    lines: Callable[[], list[str]], time: FakeClock
) -> None:
    store = MemoryStore(max_entries=2, max_bytes=1_000, name_key=lambda key: f"<{key}>")
    now = clock.now()
    store.peek("a")
    await store.set("a", Entry(1, made_at=now, fresh_until=now + 5, stale_until=now + 9))
    await time.advance(2)
    store.peek("a")
    await time.advance(3)
    store.peek("a")
    await time.advance(4)
    store.peek("a")
    assert lines() == [
        "<a> memory miss, age -",
        "<a> memory kept, age 0.000 s",
        "<a> memory hit, age 2.000 s",
        "<a> memory stale, age 5.000 s",
        "<a> memory expired, age 9.000 s",
    ]
    await store.set("a", entry(tags=("tag",)))
    await store.invalidate(["tag"])
    store.peek("a")
    await store.set("a", entry(tags=("tag",), mark=0))
    await store.set("a", entry(size_bytes=1_001))
    assert lines() == [
        "<a> memory kept, age 0.000 s",
        "<a> memory void, age 0.000 s",
        "<a> memory void, age 0.000 s",
        "<a> memory refused, age 0.000 s",
    ]
    for key in "xyz":
        await store.set(key, entry(mark=store.mark()))
    assert lines()[2:] == ["<x> memory evicted, age 0.000 s", "<z> memory kept, age 0.000 s"]


async def test_log_lines_tell_neither_keys_nor_values(lines: Callable[[], list[str]]) -> None:
    store = MemoryStore()
    await store.set(("ask", "a secret question"), entry("a secret answer"))
    store.peek(("ask", "a secret question"))
    store.peek(("ask", "another question"))
    kept, hit, miss = lines()
    assert "secret" not in kept + hit
    assert kept.split()[0] == hit.split()[0] != miss.split()[0]


async def test_a_key_that_cannot_be_named_is_found_all_the_same(
    lines: Callable[[], list[str]],
) -> None:
    store = MemoryStore(name_key=lambda key: str(1 / 0))
    await store.set("key", entry())
    assert store.peek("key") is not None
    assert lines()[-1] == "(unnamed) memory hit, age 0.000 s"


async def test_it_is_silent_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = MemoryStore(max_bytes=100)
    await store.set("key", entry())
    store.peek("key")
    await store.set("large", entry(size_bytes=101))
    assert caplog.records == []
