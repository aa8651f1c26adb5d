"""The sessions that a write in one of them reaches: all that were entered inside one another."""

from __future__ import annotations

import threading
import weakref

from .results import Results

_books = threading.RLock()  # a set cannot be read while it grows; finalisers may come in between


class World:
    """The results of all sessions that were ever entered one inside another."""

    def __init__(self) -> None:
        self._results: weakref.WeakSet[Results] = weakref.WeakSet()
        self._part_of: World | None = None

    def whole(self) -> World:
        """The world that this one is part of by now."""
        whole = self
        while whole._part_of is not None:
            whole = whole._part_of
        if whole is not self:
            self._part_of = whole
        return whole

    def add(self, results: Results) -> None:
        """Let writes reach *results*."""
        with _books:
            self.whole()._results.add(results)

    def join(self, other: World) -> None:
        """Make one world of two: who was inside both is reached from either."""
        with _books:
            one, another = self.whole(), other.whole()
            if one is not another:
                if len(one._results) < len(another._results):  # so that chains stay short
                    one, another = another, one
                one._results.update(another._results)
                another._part_of = one

    def results(self) -> tuple[Results, ...]:
        """What a write reaches now."""
        with _books:
            return tuple(self.whole()._results)
