"""Arithmetic of stretches of time: what they cover together, what is left, which follow which."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[float, float]
"""Start and end, in seconds of one clock."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as disjoint intervals in order; empty ones are dropped."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def length(disjoint: Iterable[Interval]) -> float:
    """Seconds in intervals that do not overlap."""
    return sum(end - start for start, end in disjoint)


def subtract(whole: Interval, parts: Iterable[Interval]) -> list[Interval]:
    """What of *whole* lies in none of *parts*."""
    left: list[Interval] = []
    start, end = whole
    for part_start, part_end in union(parts):
        if part_start > start:
            left.append((start, min(part_start, end)))
        start = max(start, part_end)
        if start >= end:
            break
    if start < end:
        left.append((start, end))
    return [(a, b) for a, b in left if b > a]


def clipped(interval: Interval, bounds: Interval) -> Interval:
    """The part of *interval* inside *bounds*; an empty interval if there is none."""
    start = min(max(interval[0], bounds[0]), bounds[1])
    return (start, max(start, min(interval[1], bounds[1])))


def concurrency(intervals: Iterable[Interval]) -> tuple[float | None, int]:
    """How many are open at once: the mean while any is, and the peak; (None, 0) without time."""
    solid = [(start, end) for start, end in intervals if end > start]
    changes = sorted([(start, 1) for start, _ in solid] + [(end, -1) for _, end in solid])
    now = peak = 0
    for _, change in changes:  # at one instant, ends sort before starts
        now += change
        peak = max(peak, now)
    busy = length(union(solid))
    return (sum(end - start for start, end in solid) / busy if busy else None), peak


SLACK_S = 1e-4
"""One call may seem to begin this much before the other's end: both are stamped after the fact."""


def heaviest_chain(intervals: Sequence[Interval]) -> list[int]:
    """Indices, in order of time, of intervals that follow each other and are longest together."""
    by_end = sorted(range(len(intervals)), key=lambda index: intervals[index][1])
    ends = [intervals[index][1] for index in by_end]
    best = [0.0]  # best[n]: seconds of the heaviest chain among the first n by end
    before: list[int] = []  # how many of them end before the n-th begins
    for number, index in enumerate(by_end):
        start, end = intervals[index]
        before.append(min(bisect_right(ends, start + SLACK_S), number))
        best.append(max(best[-1], best[before[-1]] + end - start))
    chain: list[int] = []
    number = len(by_end)
    while number:
        if best[number] == best[number - 1]:
            number -= 1
        else:
            chain.append(by_end[number - 1])
            number = before[number - 1]
    return chain[::-1]
