"""What the store has done in this process, and what it knows to be kept."""

from __future__ import annotations

from collections import Counter

from ..entry import StoreStatistics
from ..ledger import Change, News, Rebirth

MOST_KNOWN = 10_000


class Tally:
    """Counts, and the sizes of the entries last read or written here, a bounded number.

    What others wrote, or what ended by itself in the server, is not known here. Any thread may
    call; the counts are exact as long as there is a GIL.
    """

    def __init__(self) -> None:
        self.hits = self.misses = self.expired = self.refused = self.void = 0
        self.errors: Counter[str] = Counter()
        self._known: dict[str, int] = {}

    def keep(self, name: str, size_bytes: int) -> None:
        """The entry *name* is there."""
        self._known[name] = size_bytes
        if len(self._known) > MOST_KNOWN:
            for old in list(self._known)[: MOST_KNOWN // 10]:
                self._known.pop(old, None)

    def forget(self, name: str) -> None:
        """The entry *name* is not there, or is of no use."""
        self._known.pop(name, None)

    def hear(self, news: News) -> None:
        """Take note that everything became void, if that is the news."""
        if isinstance(news, Rebirth) or (isinstance(news, Change) and not news.tags):
            self.void += len(self._known)
            self._known = {}

    def __enter__(self) -> None:
        """``with tally:`` counts the error that leaves the block."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            self.errors[kind.__name__] += 1

    def statistics(self) -> StoreStatistics:
        """All of it."""
        return StoreStatistics(
            entries=len(self._known),
            size_bytes=sum(list(self._known.values())),
            hits=self.hits,
            misses=self.misses,
            evicted=0,
            expired=self.expired,
            refused=self.refused,
            void=self.void,
            errors=dict(self.errors),
        )
