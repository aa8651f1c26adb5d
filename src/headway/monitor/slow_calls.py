"""The slowest calls of the last minutes, in constant memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import msgspec

from ..events import CallEnded
from .counters import label
from .histogram import LONGEST_S

SLOWEST = 20
"""So many calls are kept at most."""
HALF_S = 300.0
LATELY_S = 2 * HALF_S
"""Older ones are not shown."""


class SlowCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that took long; ``at`` is when it ended, in seconds since the epoch."""

    operation: str
    kind: str
    source: str
    seconds: float
    at: float
    agent: str | None = None
    error: str | None = None


class SlowCalls:
    """Two halves of five minutes: what is heard goes into the younger one. Not locked.

    A listener asks first whether ``seconds > bar or at >= until``: only then ``note`` has work.
    """

    __slots__ = ("_before", "_heap", "_number", "_since", "bar", "until")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SlowCall]] = []
        self._before: list[SlowCall] = []
        self._number = 0
        self._since = self.until = 0.0
        self.bar = -1.0

    def note(self, call: CallEnded) -> None:
        """Keep *call* if it is among the slowest of its half."""
        if not (0.0 <= call.seconds <= LONGEST_S and 0.0 <= call.at <= LONGEST_S * 100):
            return
        if call.at >= self.until or call.at < self._since - HALF_S:  # or the clock was set back
            self._turn(call.at)
        if call.seconds <= self.bar:
            return
        self._number += 1  # calls of equal length need not be comparable
        entry = (call.seconds, self._number, _slow(call))
        if len(self._heap) < SLOWEST:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)
        if len(self._heap) == SLOWEST:
            self.bar = self._heap[0][0]

    def _turn(self, at: float) -> None:
        self._before = [call for _, _, call in self._heap]
        self._heap = []
        self._since, self.until, self.bar = at, at + HALF_S, -1.0

    def lately(self, now: float) -> tuple[SlowCall, ...]:
        """The slowest of the last ten minutes, slowest first."""
        calls = [*self._before, *(call for _, _, call in self._heap)]
        return slowest(call for call in calls if call.at >= now - LATELY_S)


def slowest(calls: Iterable[SlowCall]) -> tuple[SlowCall, ...]:
    """The slowest of *calls*, slowest first; in whichever order they were given."""
    return tuple(sorted(calls, key=_order)[:SLOWEST])


def _order(call: SlowCall) -> tuple[float, float, str, str, str, str, str]:
    names = (call.operation, call.kind, call.source, call.agent or "", call.error or "")
    return (-call.seconds, call.at, *names)


def _slow(call: CallEnded) -> SlowCall:
    return SlowCall(
        operation=_text(call.operation) or "",
        kind=_text(call.kind) or "",
        source=_text(call.source) or "",
        seconds=float(call.seconds),
        at=float(call.at),
        agent=_text(call.agent),
        error=_text(call.error),
    )


def _text(value: object) -> str | None:
    clean = label(value)
    return None if clean is None else str(clean)
