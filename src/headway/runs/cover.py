"""The time that many stretches cover together, and how much of it lies between two moments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from .intervals import Interval, union


class Cover:
    """Made once, asked often: each question costs two searches."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self.parts = union(intervals)
        self._starts = [start for start, _ in self.parts]
        self._before = [0.0, *accumulate(end - start for start, end in self.parts)]

    @property
    def seconds(self) -> float:
        """All the time that is covered."""
        return self._before[-1]

    def within(self, start: float, end: float) -> float:
        """Seconds covered from *start* to *end*."""
        return max(0.0, self._until(end) - self._until(start)) if end > start else 0.0

    def _until(self, moment: float) -> float:
        number = bisect_right(self._starts, moment)
        if not number:
            return 0.0
        start, end = self.parts[number - 1]
        return self._before[number - 1] + min(end, moment) - start
