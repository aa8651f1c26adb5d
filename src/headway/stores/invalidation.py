"""Which entries became void, decided by counting: no entry is searched for or touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .entry import Entry

MAX_TAGS: Final = 10_000


class Invalidations:
    """One counter of invalidations, and for each invalidated tag its latest number.

    An entry is void if one of its tags was invalidated, or everything cleared, after its ``mark``.
    The table of tags is bounded. ``is_full`` says when its owner must drop the void entries it
    holds and then call ``fold``, which keeps only the newest tags, half the bound. From then on a
    tagged entry whose work began before the newest forgotten number is not let in, void or not:
    work during which ``max_tags / 2`` other tags were invalidated is done for nothing.
    """

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self.count = 0
        self._max_tags = max_tags
        self._latest: dict[str, int] = {}  # no tag leaves for a moment: readers hold no lock
        self._cleared = 0
        self._forgotten = 0

    @property
    def is_full(self) -> bool:
        """True if the table has outgrown its bound and should be folded."""
        return len(self._latest) > self._max_tags

    def invalidate(self, tags: Iterable[str]) -> None:
        """Make void what carries one of *tags* and was begun before now."""
        self.count += 1
        for tag in tags:
            self._latest[tag] = self.count

    def clear(self) -> None:
        """Make void whatever was begun before now."""
        self.count += 1
        self._cleared = self.count
        self._latest = {}

    def fold(self) -> None:
        """Forget all but the newest half of the bound; the owner holds no void entry any more."""
        surplus = len(self._latest) - self._max_tags // 2
        oldest = sorted(self._latest, key=self._latest.__getitem__)[: max(0, surplus)]
        if oldest:
            self._forgotten = self._latest[oldest[-1]]  # first: who misses a tag looks here next
        for tag in oldest:
            del self._latest[tag]

    def has_tag_voided(self, entry: Entry) -> bool:
        """True if an entry that is held became void by one of its tags."""
        mark = entry.mark
        if mark >= self.count:
            return False
        latest = self._latest
        for tag in entry.tags:  # noqa: SIM110 - part of a cache hit: any() costs twice as much
            if latest.get(tag, 0) > mark:
                return True
        return False

    def is_void_on_arrival(self, entry: Entry) -> bool:
        """True if an entry must not be let in."""
        if entry.mark < self._cleared:
            return True
        if not entry.tags:
            return False
        return self.has_tag_voided(entry) or entry.mark < self._forgotten

    def is_tag_void(self, tag: str, mark: int) -> bool:
        """True if work marked *mark* must not be let in where *tag* is borne unsaid."""
        return self._latest.get(tag, 0) > mark or mark < self._forgotten
