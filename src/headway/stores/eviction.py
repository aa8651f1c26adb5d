"""Which entry leaves first when a memory store is full: S3-FIFO or LRU.

A policy orders the slots of one store and knows nothing of time, tags or bounds. The store calls it
under its lock, except for ``touch``.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

from .entry import Entry, Key

MOST_USES: Final = 3
"""A slot counts its uses up to here; more would only make it harder to evict later."""

_IN_SMALL, _IN_MAIN, _GONE = 0, 1, 2
_NOTHING: Final = Entry(None, made_at=0.0, fresh_until=float("-inf"))
_FEW: Final = 16  # what may lie about of the discarded, however few are left
# A trace is an object of its own, unlike small integers, of which there is one each; and takes 32
# bytes, unlike larger ones.
_TRACE_BITS: Final = (1 << 59) - 1
_TRACE_MARK: Final = 1 << 59


class Slot:
    """The place of one resident entry: what it weighs, how often it was used, when it must go."""

    __slots__ = ("entry", "gap_s", "key", "place", "size_bytes", "uses")

    def __init__(self, key: Key, entry: Entry, size_bytes: int, gap_s: float) -> None:
        self.key = key
        self.entry = entry
        self.size_bytes = size_bytes
        # How far the wall clock was ahead of the stopwatch when it came: if the former is set back,
        # its time is over by the latter.
        self.gap_s = gap_s
        self.uses = 0
        self.place = _IN_SMALL


class Eviction(Protocol):
    """The order in which slots leave."""

    @property
    def touch(self) -> Callable[[Key], None] | None:
        """Told of every hit, without a lock; None if counting ``slot.uses`` is all it needs."""

    def admit(self, slot: Slot) -> None:
        """Take in a new slot."""

    def replace(self, slot: Slot, size_bytes: int) -> None:
        """Note that the entry of a resident slot was replaced by one of *size_bytes*."""

    def discard(self, slot: Slot) -> None:
        """Forget a resident slot; it may lose its key and its entry."""

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> Slot:
        """Take out one slot, never *spared*; one that *is_gone* leaves whatever its merits.

        There must be a slot besides *spared*.
        """


class Lru:
    """Least recently used goes first; every hit moves its key to the end."""

    def __init__(self) -> None:
        self._order: OrderedDict[Key, Slot] = OrderedDict()

    def touch(self, key: Key) -> None:
        try:
            self._order.move_to_end(key)
        except KeyError:  # a writer took it out after the reader had found it
            pass

    def admit(self, slot: Slot) -> None:
        self._order[slot.key] = slot

    def replace(self, slot: Slot, size_bytes: int) -> None:
        slot.size_bytes = size_bytes
        self._order.move_to_end(slot.key)

    def discard(self, slot: Slot) -> None:
        del self._order[slot.key]

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> Slot:
        key, slot = self._order.popitem(last=False)
        if slot is spared:
            self._order[key] = slot
            key, slot = self._order.popitem(last=False)
        return slot


class S3Fifo:
    """Three queues (S3-FIFO, SOSP 2023): newcomers must be used again to reach the main one.

    *small*: a tenth of the room; who leaves it used twice or more moves to *main*, others leave a
    trace in the *ghost* (hashes only, as many as main has entries). Who comes back while its trace
    is there goes to main at once. *main* gives every use one more round. Scans and one-off keys
    thus pass through the small queue and leave the main one alone.

    All three are deques, which take a tenth of the memory of ordered dictionaries. Nothing is taken
    out of their middle: a discarded slot stays, empty, until its turn comes or most of them are so.
    """

    touch: Final = None

    def __init__(self, max_entries: int, max_bytes: int | None) -> None:
        self._small: deque[Slot] = deque()
        self._main: deque[Slot] = deque()
        self._small_count = self._main_count = 0  # of those that are not empty
        self._ghost: dict[int, int] = {}  # each trace under itself
        self._ghost_order: deque[int] = deque()
        self._small_bytes = 0
        self._small_entries_share = max(1, max_entries // 10)
        self._small_bytes_share = float("inf") if max_bytes is None else max_bytes / 10

    def admit(self, slot: Slot) -> None:
        trace = hash(slot.key) & _TRACE_BITS | _TRACE_MARK
        if self._ghost.pop(trace, None) is not None:
            self._enter_main(slot)
        else:
            self._small.append(slot)
            self._small_count += 1
            self._small_bytes += slot.size_bytes

    def replace(self, slot: Slot, size_bytes: int) -> None:
        if slot.place == _IN_SMALL:
            self._small_bytes += size_bytes - slot.size_bytes
        slot.size_bytes = size_bytes

    def discard(self, slot: Slot) -> None:
        if slot.place == _IN_MAIN:
            self._main_count -= 1
        else:
            self._small_count -= 1
            self._small_bytes -= slot.size_bytes
        slot.place, slot.key, slot.entry = _GONE, None, _NOTHING
        if len(self._small) > 2 * self._small_count + _FEW:
            self._small = _without_empty(self._small)
        if len(self._main) > 2 * self._main_count + _FEW:
            self._main = _without_empty(self._main)

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> Slot:
        while True:
            is_small = not self._main_count or (
                self._small_count > 0
                and (
                    self._small_bytes >= self._small_bytes_share
                    or self._small_count >= self._small_entries_share
                )
            )
            slot = self._small.popleft() if is_small else self._main.popleft()
            if slot.place == _GONE:
                continue
            if is_small:
                self._small_count -= 1
                self._small_bytes -= slot.size_bytes
                if slot is not spared and (slot.uses < 2 or is_gone(slot)):
                    self._remember(slot.key)
                    return slot
                slot.uses = 0
            else:
                self._main_count -= 1
                if slot is not spared and (slot.uses == 0 or is_gone(slot)):
                    return slot
                slot.uses = max(0, slot.uses - 1)
            self._enter_main(slot)

    def _enter_main(self, slot: Slot) -> None:
        slot.place = _IN_MAIN
        self._main.append(slot)
        self._main_count += 1

    def _remember(self, key: Key) -> None:
        ghost, order = self._ghost, self._ghost_order
        trace = hash(key) & _TRACE_BITS | _TRACE_MARK
        ghost[trace] = trace
        order.append(trace)
        # The main queue's share of what fits right now, by entries or by bytes.
        most = (self._small_count + self._main_count + 1) * 9 // 10
        while len(ghost) > most:
            oldest = order.popleft()
            if ghost.get(oldest) is oldest:  # else it was used up, and this one is another's
                del ghost[oldest]
        if len(order) > 2 * most + _FEW:
            self._ghost_order = deque(one for one in order if ghost.get(one) is one)


def _without_empty(slots: deque[Slot]) -> deque[Slot]:
    return deque(slot for slot in slots if slot.place != _GONE)
