"""Two counts of invalidations: memory's, in which work is marked, and the shared store's."""

from __future__ import annotations

import threading


class Marks:
    """Which shared count an entry may claim whose work began at a count of memory's.

    Memory hears of every shared invalidation before ``heard`` is called. So what memory finds
    good, by the mark of its work, is good up to the shared count of that moment, unless its work
    began before a moment after which nothing is known to be missing.
    """

    def __init__(self) -> None:
        self.is_met = False
        self.sure_from = 0
        """What memory took in with a lower mark may have been invalidated unheard."""
        self._shared = 0
        self._sent_from = 0
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock."""
        self._lock = threading.Lock()

    def meet(self, memory_count: int, shared_count: int) -> None:
        """The store was first heard of; work begun before *memory_count* stays in memory."""
        with self._lock:
            self.is_met = True
            self._sent_from = max(self._sent_from, memory_count)
            self._shared = max(self._shared, shared_count)

    def heard(self, shared_count: int) -> None:
        """Memory knows of every invalidation up to *shared_count*."""
        with self._lock:
            self._shared = max(self._shared, shared_count)

    def missed(self, memory_count: int, shared_count: int) -> None:
        """Something before *shared_count* was lost: nothing older than *memory_count* is sure."""
        with self._lock:
            self.sure_from = self._sent_from = max(self.sure_from, memory_count)
            self._shared = max(self._shared, shared_count)

    def claim(self) -> int:
        """The shared count for what memory, asked after this call, finds good."""
        return self._shared

    def may_be_sent(self, memory_mark: int) -> bool:
        """Whether work marked *memory_mark* began when all was known."""
        return self.is_met and memory_mark >= self._sent_from
