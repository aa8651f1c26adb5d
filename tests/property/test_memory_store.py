"""The memory store against a model that keeps everything and thinks slowly."""

from collections import deque
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from headway import clock
from headway.stores import Entry, MemoryStore
from headway.stores.eviction import _GONE, Lru, S3Fifo, Slot
from headway.testing import FakeClock

KEYS = st.integers(0, 11)
TAGS = st.lists(st.sampled_from("abcde"), max_size=2, unique=True)
SECONDS = st.integers(0, 12)


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end without an event loop."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


def residents(queue: deque[Slot]) -> list[Slot]:
    """Those in *queue* that were not discarded."""
    return [slot for slot in queue if slot.place != _GONE]


class Kept:
    """What the model knows of an entry; *doubtful* if the store may rightly have dropped it."""

    def __init__(self, entry: Entry, deadline: float) -> None:
        self.entry, self.deadline = entry, deadline
        self.is_void = self.is_doubtful = False


class StoreAgainstModel(RuleBasedStateMachine):
    """A store with room enough must agree with the model; a tight one may only forget more."""

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeClock()
        self.using_time = clock.use(self.time)
        self.using_time.__enter__()
        self.model: dict[int, Kept] = {}
        self.invalidated: dict[str, int] = {}
        self.cleared_at = 0
        self.marks = [0]

    def teardown(self) -> None:
        self.using_time.__exit__(None, None, None)

    @initialize(
        policy=st.sampled_from(["s3-fifo", "lru"]),
        max_entries=st.sampled_from([1, 2, 5, 10, 1_000]),
        max_bytes=st.sampled_from([None, None, 30, 100]),
        max_tags=st.sampled_from([1, 3, 1_000]),
    )
    def make(self, policy: Any, max_entries: int, max_bytes: int | None, max_tags: int) -> None:
        self.store = MemoryStore(max_entries, max_bytes, policy, max_tags=max_tags)
        self.max_entries = max_entries
        self.max_bytes = float("inf") if max_bytes is None else max_bytes
        self.is_roomy = max_entries == 1_000 and max_bytes is None
        self.forgets_tags = max_tags < 1_000

    @rule(
        key=KEYS,
        size_bytes=st.integers(1, 40),
        ttl_s=SECONDS,
        stale_for_s=SECONDS,
        tags=TAGS,
        begun_ago=st.sampled_from([0, 0, 0, 1, 2, 3]),
    )
    def keep(
        self, key: int, size_bytes: int, ttl_s: int, stale_for_s: int, tags: Any, begun_ago: int
    ) -> None:
        now = clock.now()
        entry = Entry(
            object(),
            made_at=now,
            fresh_until=now + ttl_s,
            stale_until=now + ttl_s + stale_for_s,
            tags=tuple(tags),
            mark=self.marks[max(0, len(self.marks) - 1 - begun_ago)],
            size_bytes=size_bytes,
        )
        drive(self.store.set(key, entry))
        is_there = self.store.peek(key) is entry
        if self.is_void(entry):
            assert not is_there
        elif not is_there and self.forgets_tags and tags and entry.mark < self.marks[-1]:
            # Kept out, for its tags may have been invalidated and forgotten since it was begun.
            if key in self.model:
                self.model[key].is_doubtful = True
        elif size_bytes > self.max_bytes or entry.stale_until <= now:
            assert not is_there
            self.model.pop(key, None)
        else:
            assert is_there, "what was just kept is there, however tight the store"
            self.model[key] = Kept(entry, clock.monotonic() + ttl_s + stale_for_s)

    def is_void(self, entry: Entry) -> bool:
        return entry.mark < self.cleared_at or any(
            self.invalidated.get(tag, 0) > entry.mark for tag in entry.tags
        )

    @rule(key=KEYS)
    def look_up(self, key: int) -> None:
        found, kept = self.store.peek(key), self.model.get(key)
        if found is not None:
            assert kept is not None, "it was deleted, cleared or never there"
            assert found is kept.entry, "it was replaced"
            assert not kept.is_void
            assert clock.now() < found.stale_until
        elif kept is not None and self.is_roomy:
            assert kept.is_void or kept.is_doubtful, "nothing made it leave"

    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        drive(self.store.delete(key))
        self.model.pop(key, None)
        assert self.store.peek(key) is None

    @rule(tags=TAGS)
    def invalidate(self, tags: list[str]) -> None:
        drive(self.store.invalidate(tags))
        self.marks.append(self.store.mark())
        self.invalidated |= dict.fromkeys(tags, self.store.mark())
        for kept in self.model.values():
            kept.is_void = kept.is_void or self.is_void(kept.entry)

    @rule()
    def clear(self) -> None:
        drive(self.store.clear())
        self.cleared_at = self.store.mark()
        self.marks.append(self.cleared_at)
        self.model.clear()
        assert self.store.statistics().entries == 0

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        drive(self.time.advance(seconds))
        self.look_at_the_clock()

    @rule(seconds=st.integers(-20, 20))
    def the_wall_clock_is_corrected(self, seconds: int) -> None:
        self.time.step_wall(seconds)
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        for kept in self.model.values():
            if clock.now() >= kept.entry.stale_until or clock.monotonic() >= kept.deadline:
                kept.is_doubtful = True

    @invariant()
    def the_bounds_hold(self) -> None:
        statistics = self.store.statistics()
        assert statistics.entries <= self.max_entries
        assert statistics.size_bytes <= self.max_bytes
        assert not (self.is_roomy and statistics.evicted)

    @invariant()
    def the_books_are_right(self) -> None:
        slots = self.store._slots
        assert self.store.statistics().size_bytes == sum(s.entry.size_bytes for s in slots.values())
        assert {key: kept.entry for key, kept in self.model.items() if key in slots} == {
            key: slot.entry for key, slot in slots.items()
        }

    @invariant()
    def every_resident_stands_in_one_queue(self) -> None:
        eviction = self.store._eviction
        if isinstance(eviction, Lru):
            assert eviction._order.keys() == self.store._slots.keys()
        elif isinstance(eviction, S3Fifo):
            small, main = residents(eviction._small), residents(eviction._main)
            assert {slot.key: slot for slot in (*small, *main)} == self.store._slots
            assert (len(small), len(main)) == (eviction._small_count, eviction._main_count)
            assert len(small) + len(main) == len(self.store._slots)
            assert eviction._small_bytes == sum(slot.size_bytes for slot in small)
            assert all(slot.entry.value is None for slot in eviction._small if slot.place == _GONE)
            assert len(eviction._ghost) <= self.max_entries


StoreAgainstModel.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestMemoryStore = StoreAgainstModel.TestCase
