"""Which entry leaves first when a memory store is full: S3-FIFO or LRU.

A policy orders the slots of one store and knows nothing of time, tags or bounds. The store calls it
under its lock, except for ``touch``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from .entry import Entry, Key

MOST_USES: Final = 3
"""A slot counts its uses up to here; more would only make it harder to evict later."""


class Slot:
    """The place of one resident entry: what it weighs, how often it was used, when it must go."""

    __slots__ = ("deadline", "entry", "is_main", "size_bytes", "uses")

    def __init__(self, entry: Entry, size_bytes: int, deadline: float) -> None:
        self.entry = entry
        self.size_bytes = size_bytes
        self.deadline = deadline  # on the stopwatch, for when the wall clock is set back
        self.uses = 0
        self.is_main = False


Queue = OrderedDict[Key, Slot]


class Eviction(Protocol):
    """The order in which slots leave."""

    @property
    def touch(self) -> Callable[[Key], None] | None:
        """Told of every hit, without a lock; None if counting ``slot.uses`` is all it needs."""

    def admit(self, key: Key, slot: Slot) -> None:
        """Take in a new slot."""

    def replace(self, key: Key, slot: Slot, size_bytes: int) -> None:
        """Note that the entry of a resident slot was replaced by one of *size_bytes*."""

    def discard(self, key: Key, slot: Slot) -> None:
        """Forget a resident slot."""

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> tuple[Key, Slot]:
        """Take out one slot, never *spared*; one that *is_gone* leaves whatever its merits.

        There must be a slot besides *spared*.
        """


class Lru:
    """Least recently used goes first; every hit moves its key to the end."""

    def __init__(self) -> None:
        self._order: Queue = OrderedDict()

    def touch(self, key: Key) -> None:
        try:
            self._order.move_to_end(key)
        except KeyError:  # a writer took it out after the reader had found it
            pass

    def admit(self, key: Key, slot: Slot) -> None:
        self._order[key] = slot

    def replace(self, key: Key, slot: Slot, size_bytes: int) -> None:
        slot.size_bytes = size_bytes
        self._order.move_to_end(key)

    def discard(self, key: Key, slot: Slot) -> None:
        del self._order[key]

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> tuple[Key, Slot]:
        key, slot = self._order.popitem(last=False)
        if slot is spared:
            self._order[key] = slot
            key, slot = self._order.popitem(last=False)
        return key, slot


class S3Fifo:
    """Three queues (S3-FIFO, SOSP 2023): newcomers must be used again to reach the main one.

    *small*: a tenth of the room; who leaves it used twice or more moves to *main*, others leave a
    trace in the *ghost* (hashes only, as many as main has entries). Who comes back while its trace
    is there goes to main at once. *main* gives every use one more round. Scans and one-off keys
    thus pass through the small queue and leave the main one alone.
    """

    touch: Final = None

    def __init__(self, max_entries: int, max_bytes: int | None) -> None:
        self._small: Queue = OrderedDict()
        self._main: Queue = OrderedDict()
        self._ghost: OrderedDict[int, None] = OrderedDict()
        self._small_bytes = 0
        self._small_entries_share = max(1, max_entries // 10)
        self._small_bytes_share = float("inf") if max_bytes is None else max_bytes / 10

    def admit(self, key: Key, slot: Slot) -> None:
        trace = hash(key)
        if trace in self._ghost:
            del self._ghost[trace]
            self._enter_main(key, slot)
        else:
            self._small[key] = slot
            self._small_bytes += slot.size_bytes

    def replace(self, key: Key, slot: Slot, size_bytes: int) -> None:
        if not slot.is_main:
            self._small_bytes += size_bytes - slot.size_bytes
        slot.size_bytes = size_bytes

    def discard(self, key: Key, slot: Slot) -> None:
        if slot.is_main:
            del self._main[key]
        else:
            del self._small[key]
            self._small_bytes -= slot.size_bytes

    def evict(self, is_gone: Callable[[Slot], object], spared: Slot | None) -> tuple[Key, Slot]:
        while True:
            if self._is_small_full() or not self._main:
                key, slot = self._small.popitem(last=False)
                self._small_bytes -= slot.size_bytes
                if slot is not spared and (slot.uses < 2 or is_gone(slot)):
                    self._remember(key)
                    return key, slot
                slot.uses = 0
            else:
                key, slot = self._main.popitem(last=False)
                if slot is not spared and (slot.uses == 0 or is_gone(slot)):
                    return key, slot
                slot.uses = max(0, slot.uses - 1)
            self._enter_main(key, slot)

    def _is_small_full(self) -> bool:
        return bool(self._small) and (
            len(self._small) >= self._small_entries_share
            or self._small_bytes >= self._small_bytes_share
        )

    def _enter_main(self, key: Key, slot: Slot) -> None:
        self._main[key] = slot
        slot.is_main = True

    def _remember(self, key: Key) -> None:
        self._ghost[hash(key)] = None
        # The main queue's share of what fits right now, by entries or by bytes.
        most = (len(self._small) + len(self._main) + 1) * 9 // 10
        while len(self._ghost) > most:
            self._ghost.popitem(last=False)
