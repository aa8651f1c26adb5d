"""Histograms of seconds in log buckets: constant memory, exact maximum, quantiles to 4 %.

The bounds are the R40 series of preferred numbers (ISO 3), 40 to a decade, from a microsecond to
ten thousand seconds. It holds 1, 2.5 and 5, so each bound that Prometheus is told is a bound here
too, and what it is told is exact.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import compress, pairwise

import msgspec

_R40 = (
    *("1", "1.06", "1.12", "1.18", "1.25", "1.32", "1.4", "1.5", "1.6", "1.7"),
    *("1.8", "1.9", "2", "2.12", "2.24", "2.36", "2.5", "2.65", "2.8", "3"),
    *("3.15", "3.35", "3.55", "3.75", "4", "4.25", "4.5", "4.75", "5", "5.3"),
    *("5.6", "6", "6.3", "6.7", "7.1", "7.5", "8", "8.5", "9", "9.5"),
)


def _series(numbers: Iterable[str], decades: range) -> tuple[float, ...]:
    digits = tuple(numbers)
    return tuple(float(f"{digit}e{decade}") for decade in decades for digit in digits)


BOUNDS = (*_series(_R40, range(-6, 4)), 1e4)
"""Upper bounds of the buckets, in seconds; a value lies in the first that is not below it."""

PROMETHEUS_BOUNDS = (*_series(("1", "2.5", "5"), range(-5, 3)), 1e3)
"""Those of them that the text for Prometheus shows, 10 µs to 1,000 s."""

RELATIVE_ERROR = math.sqrt(max(above / below for below, above in pairwise(BOUNDS))) - 1
"""How far a quantile may be off, between the first and the last bound: less than 4 %."""

LONGEST_S = 1e9
"""What is longer (thirty years), negative or no number is no measurement."""


class Distribution(msgspec.Struct, frozen=True):
    """What a histogram held: frozen, added with ``+``, the same as JSON and back.

    Attributes:
        buckets: Upper bound and how many, rising; empty buckets are left out.
        above: How many were longer than the last bound.
    """

    count: int = 0
    sum: float = 0.0
    max: float = 0.0
    above: int = 0
    buckets: tuple[tuple[float, int], ...] = ()

    def __add__(self, other: Distribution) -> Distribution:
        """Both together, as if one histogram had heard all."""
        counts = dict(self.buckets)
        for bound, count in other.buckets:
            counts[bound] = counts.get(bound, 0) + count
        return Distribution(
            count=self.count + other.count,
            sum=self.sum + other.sum,
            max=max(self.max, other.max),
            above=self.above + other.above,
            buckets=tuple(sorted(counts.items())),
        )

    def quantile(self, share: float) -> float | None:
        """The seconds that *share* (0 to 1) of the values do not exceed; None if there are none.

        It is the middle of the bucket in which that value lies, and never above the maximum.
        """
        rank = max(1, math.ceil(share * self.count))
        if rank >= self.count:
            return self.max if self.count else None
        passed = 0
        for bound, count in self.buckets:
            passed += count
            if passed >= rank:
                return min(_middle(bound), self.max)
        return self.max

    def mean(self) -> float | None:
        """Seconds on average; None if there is no value."""
        return self.sum / self.count if self.count else None

    def up_to(self, bounds: Iterable[float]) -> tuple[int, ...]:
        """How many values were at most each of *bounds*, which must be bounds of buckets."""
        upper = [bound for bound, _ in self.buckets]
        passed = [0]
        for _, count in self.buckets:
            passed.append(passed[-1] + count)
        return tuple(passed[bisect_right(upper, bound)] for bound in bounds)


def _middle(bound: float) -> float:
    """The geometric middle of the bucket below *bound*; the first has none."""
    place = bisect_left(BOUNDS, bound)
    return math.sqrt(BOUNDS[place - 1] * bound) if place else bound


class Histogram:
    """Counts seconds in constant memory, 3 kB; ``record`` costs 0.2 µs. Not locked."""

    __slots__ = ("counts", "max", "refused", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = self.max = 0.0
        self.refused = 0
        """Values that were no measurement: negative, not a number, or absurdly long."""

    def record(self, seconds: float) -> None:
        """Count one measurement."""
        if not 0.0 <= seconds <= LONGEST_S:
            self.refused += 1
            return
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds
        if seconds > self.max:
            self.max = seconds

    def distribution(self) -> Distribution:
        """What was recorded so far."""
        counts = self.counts
        buckets = tuple(compress(zip(BOUNDS, counts), counts))
        return Distribution(sum(counts), self.sum, self.max, counts[-1], buckets)
