"""Entries in this process's memory, looked up without awaiting and without a lock."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import DEBUG
from typing import Final, Literal

from .. import clock
from ..errors import BadSetup, refuse_unless_whole
from .entry import NEVER, Entry, Key, StoreStatistics
from .eviction import MOST_USES, Eviction, Lru, S3Fifo, Slot
from .invalidation import MAX_TAGS, Invalidations
from .size import estimate_bytes, parse_bytes

log = logging.getLogger("headway.stores")

ENTRY_BYTES: Final = 400
"""What one entry costs beside its key and value: Entry, Slot, its share of the tables."""

_STEPS: Final = 4  # entries that a set looks at to see whether their time is over
_SAME_GAP_S: Final = 0.001  # two clocks that are read one after the other agree no better

PolicyName = Literal["s3-fifo", "lru"]


def digest_of_repr(key: Key) -> str:
    """A short name for *key* in log lines that does not tell its content."""
    return hashlib.blake2b(repr(key).encode(errors="replace"), digest_size=8).hexdigest()


class MemoryStore:
    """Keeps entries until their time is over, a tag of theirs is invalidated, or room is needed.

    Bounded by *max_entries* and by *max_bytes* (a number, text such as ``"64MB"``, or None for no
    bound); *policy* says who leaves first. An entry that comes without ``size_bytes`` is measured:
    by *size_of* from its value, or else by an estimate of value and key (``size.estimate_bytes``);
    what *size_of* raises reaches the caller of ``set``. What alone exceeds *max_bytes* is refused.

    ``peek`` costs one look-up and one look at the clock. Every method may be called from any thread
    and none waits for anything but a short lock; ``peek`` not even for that.

    Time is the wall clock's. If that is set back, an entry can outlive its time, but only until
    ``set`` has gone once round the store, four entries each time; it measures with the stopwatch.
    It goes round when the time of some entry may be over, or a tag was invalidated.
    With logger ``headway.stores`` at DEBUG every look-up and every store is one line, in which the
    key appears as *name_key* has it. After a fork the child has a copy.

    Raises:
        BadSetup: a bound is below one, or there is no such policy.
    """

    name = "memory"
    is_local = True
    is_shared = False

    def __init__(
        self,
        max_entries: int = 10_000,
        max_bytes: int | str | None = "64MB",
        policy: PolicyName = "s3-fifo",
        size_of: Callable[[object], int] | None = None,
        *,
        name_key: Callable[[Key], str] = digest_of_repr,
        max_tags: int = MAX_TAGS,
    ) -> None:
        refuse_unless_whole("MemoryStore(max_entries=...)", max_entries)
        if policy not in ("s3-fifo", "lru"):
            raise BadSetup(f'MemoryStore(policy={policy!r}): choose "s3-fifo" or "lru"')
        self.max_entries = max_entries
        self.max_bytes = None if max_bytes is None else parse_bytes(max_bytes)
        self.policy: PolicyName = policy
        self.name_key = name_key
        self._bytes_bound = float("inf") if self.max_bytes is None else self.max_bytes
        self._size_of = size_of
        self._invalidations = Invalidations(max_tags)
        # Re-entrant: the finaliser of a value that is dropped may use the store again.
        self._lock = threading.RLock()
        self._hits = self._misses = 0  # without a lock: exact as long as there is a GIL
        self._ended = {"evicted": 0, "expired": 0, "refused": 0, "void": 0}
        self._start_empty()
        _stores.add(self)

    def _start_empty(self) -> None:
        self._slots: dict[Key, Slot] = {}
        self._eviction: Eviction = (
            S3Fifo(self.max_entries, self.max_bytes) if self.policy == "s3-fifo" else Lru()
        )
        self._touch = self._eviction.touch
        self._bytes = 0
        self._round: list[Key] = []  # who will be looked at
        self._marked_at = self._invalidations.count  # when the last round began
        self._earliest = NEVER  # nobody's time is over before, but for those in the round
        self._gap_s = self._widest_gap_s = clock.now() - clock.monotonic()

    def peek(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, or None."""
        slot = self._slots.get(key)
        if slot is not None:
            entry = slot.entry
            if clock.now() < entry.stale_until and not (
                entry.tags and self._is_void(key, slot, entry)
            ):
                if slot.uses < MOST_USES:
                    if self._touch is None:
                        slot.uses += 1
                    else:
                        self._touch(key)
                self._hits += 1
                if log.isEnabledFor(DEBUG):
                    self._note("hit" if clock.now() < entry.fresh_until else "stale", key, entry)
                return entry
        self._miss(key, slot)
        return None

    async def get(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, or None; the same as ``peek``."""
        return self.peek(key)

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        """The entries under *keys*, in their order."""
        return [self.peek(key) for key in keys]

    def mark(self) -> int:
        """The count of invalidations so far; taken before work begins, given to its entry."""
        return self._invalidations.count

    def statistics(self) -> StoreStatistics:
        """What is held, the dead that were not yet found among it, and what happened so far."""
        return StoreStatistics(
            entries=len(self._slots),
            size_bytes=self._bytes,
            hits=self._hits,
            misses=self._misses,
            evicted=self._ended["evicted"],
            expired=self._ended["expired"],
            refused=self._ended["refused"],
            void=self._ended["void"],
        )

    def _is_void(self, key: Key, slot: Slot, entry: Entry) -> bool:
        if entry.mark >= self._invalidations.count:
            return False
        if self._invalidations.has_tag_voided(entry):
            return True
        # A number may have been forgotten under our eyes; its void entries were dropped before.
        return self._slots.get(key) is not slot or slot.entry is not entry

    def _miss(self, key: Key, slot: Slot | None) -> None:
        self._misses += 1
        if slot is None or not self._lock.acquire(blocking=False):
            self._note("miss", key)  # a writer is busy: the dead entry is left for another time
            return
        try:
            if not self._drop_if_gone(key, slot, clock.now(), clock.monotonic()):
                self._note("miss", key)
        finally:
            self._lock.release()

    async def set(self, key: Key, entry: Entry) -> None:
        """Keep *entry* under *key*, unless it is void, over, or too large.

        Whatever was there is gone then, unless the new entry is void.
        """
        self.keep(key, entry)

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Keep each entry under its key, as ``set`` does."""
        for key, entry in entries.items():
            self.keep(key, entry)

    def keep(self, key: Key, entry: Entry) -> None:
        """``set`` for those who do not await."""
        if entry.size_bytes <= 0:
            entry.size_bytes = self._measure(key, entry)
        with self._lock:
            now, moment = clock.now(), clock.monotonic()
            if self._round or self._should_go_round(now, moment):
                self._look_at_next(now, moment)
            if self._invalidations.is_void_on_arrival(entry):
                self._end("void", key, entry)
            elif entry.size_bytes > self._bytes_bound:
                self._remove(key)
                self._end("refused", key, entry)
            elif now >= entry.stale_until:
                self._remove(key)
                self._end("expired", key, entry)
            else:
                self._keep(key, entry, now, moment)
                if log.isEnabledFor(DEBUG):
                    self._note("kept", key, entry)

    async def delete(self, key: Key) -> None:
        """Forget *key*; harmless if it is not there."""
        self.drop(key)

    def drop(self, key: Key) -> None:
        """``delete`` for those who do not await."""
        with self._lock:
            self._remove(key)

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every entry void that carries one of *tags*.

        The cost does not depend on the entries, but for one search of all of them each time that
        ``max_tags / 2`` new tags have come together.
        """
        self.make_void(tags)

    def make_void(self, tags: Iterable[str]) -> None:
        """``invalidate`` for those who do not await."""
        if isinstance(tags, str):
            raise BadSetup(f"invalidate({tags!r}): tags come in a collection, as [{tags!r}]")
        tags = tuple(tags)
        with self._lock:
            self._invalidations.invalidate(tags)
            if self._invalidations.is_full:
                now, moment = clock.now(), clock.monotonic()
                for key, slot in list(self._slots.items()):
                    self._drop_if_gone(key, slot, now, moment)
                self._invalidations.fold()

    async def clear(self) -> None:
        """Make every entry void and let go of them all at once; statistics go on counting."""
        self.empty()

    def empty(self) -> None:
        """``clear`` for those who do not await."""
        held = self._slots, self._eviction  # released after the lock
        with self._lock:
            self._ended["void"] += len(self._slots)
            self._start_empty()
            self._invalidations.clear()
        del held

    def _measure(self, key: Key, entry: Entry) -> int:
        if self._size_of is not None:
            return max(1, self._size_of(entry.value))
        return estimate_bytes(key, entry.value) + ENTRY_BYTES

    def _keep(self, key: Key, entry: Entry, now: float, moment: float) -> None:
        gap_s = now - moment
        if entry.stale_until < self._earliest:
            self._earliest = entry.stale_until
        if abs(gap_s - self._gap_s) > _SAME_GAP_S:  # else one number serves all entries
            self._gap_s = gap_s
            self._widest_gap_s = max(gap_s, self._widest_gap_s)
        size_bytes, old = entry.size_bytes, self._slots.get(key)
        if old is None:
            # Held until the end: the finaliser of a value must not run while the books are open.
            leaving = self._make_room(1, size_bytes, now, moment)
            new = Slot(key, entry, size_bytes, self._gap_s)
            self._eviction.admit(new)
            self._slots[key] = new
            self._bytes += size_bytes
            del leaving
        else:
            replaced = old.entry
            self._bytes += size_bytes - old.size_bytes
            self._eviction.replace(old, size_bytes)
            old.entry, old.gap_s = entry, self._gap_s
            self._make_room(0, 0, now, moment, spared=old)
            del replaced

    def _make_room(
        self,
        entries: int,
        size_bytes: int,
        now: float,
        moment: float,
        spared: Slot | None = None,
    ) -> list[Slot]:
        leaving: list[Slot] = []
        while (
            self._bytes + size_bytes > self._bytes_bound
            or len(self._slots) + entries > self.max_entries
        ):
            slot = self._eviction.evict(lambda slot: self._why_gone(slot, now, moment), spared)
            del self._slots[slot.key]
            self._bytes -= slot.size_bytes
            self._end(self._why_gone(slot, now, moment) or "evicted", slot.key, slot.entry)
            leaving.append(slot)
        return leaving

    def _should_go_round(self, now: float, moment: float) -> bool:
        """Begin to look at all, lest dead ones hold their bytes for ever; False if none can be."""
        earliest, mark = self._earliest, self._invalidations.count
        if now < earliest and moment + self._widest_gap_s < earliest and mark == self._marked_at:
            return False
        self._round, self._earliest, self._marked_at = list(self._slots), NEVER, mark
        return True

    def _look_at_next(self, now: float, moment: float) -> None:
        slots = self._slots
        for key in self._round[-_STEPS:]:
            slot = slots.get(key)
            if slot is None:
                continue
            tags, over = slot.entry.tags, slot.entry.stale_until
            is_doubtful = tags or now >= over or moment >= over - slot.gap_s
            if not (is_doubtful and self._drop_if_gone(key, slot, now, moment)):
                self._earliest = min(self._earliest, over)
        del self._round[-_STEPS:]

    def _remove(self, key: Key) -> None:
        slot = self._slots.get(key)
        if slot is not None:
            self._release(key, slot)

    def _drop_if_gone(self, key: Key, slot: Slot, now: float, moment: float) -> bool:
        why, entry = self._why_gone(slot, now, moment), slot.entry
        if why is None or self._slots.get(key) is not slot:
            return False
        self._release(key, slot)
        self._end(why, key, entry)
        return True

    def _why_gone(self, slot: Slot, now: float, moment: float) -> str | None:
        entry = slot.entry
        if now >= entry.stale_until or moment >= entry.stale_until - slot.gap_s:
            return "expired"
        return "void" if entry.tags and self._invalidations.has_tag_voided(entry) else None

    def _release(self, key: Key, slot: Slot) -> None:
        entry = slot.entry  # held until the books are closed, for its finaliser may look into them
        del self._slots[key]
        self._bytes -= slot.size_bytes
        self._eviction.discard(slot)
        del entry

    def _end(self, outcome: str, key: Key, entry: Entry) -> None:
        self._ended[outcome] += 1
        if log.isEnabledFor(DEBUG):
            self._note(outcome, key, entry)

    def _note(self, outcome: str, key: Key, entry: Entry | None = None) -> None:
        if log.isEnabledFor(DEBUG):
            age = "-" if entry is None else f"{clock.now() - entry.made_at:.3f} s"
            try:
                name = self.name_key(key)
            except Exception:  # a log line must not make a look-up fail
                name = "(unnamed)"
            log.debug("%s %s %s, age %s", name, self.name, outcome, age)

    def _after_fork(self) -> None:
        """In the child: a lock that another thread of the parent held will never be released."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()
            self._start_empty()


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _repair_after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


os.register_at_fork(after_in_child=_repair_after_fork)
