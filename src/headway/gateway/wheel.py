"""One timer for all time-outs: what is watched carries the moment when its time is over.

A time-out that moves costs an assignment: connections are watched once, for as long as they live,
and whoever holds one sets ``due`` to another moment, or to ``NEVER``.
"""

from __future__ import annotations

import heapq
import logging
from typing import Final, Protocol

from .. import clock

log = logging.getLogger("headway.gateway")

NEVER: Final = float("inf")
TICK_S: Final = 0.02
"""How late a time-out may be."""

_LONGEST: Final = 50
"""So many ticks later at most is each looked at again: what is over is let go of by then."""


class Timed(Protocol):
    """What has a time-out; made with ``due = NEVER``, ``tick = 0`` and ``is_over = False``.

    Attributes:
        due: The moment, on ``clock.monotonic``.
        tick: The wheel's own: when it looks next; 0 while it does not.
        is_over: Nothing is to be timed any more, ever.
    """

    due: float
    tick: int
    is_over: bool

    def ran_out(self) -> None:
        """Its time is over; called once for each ``due``, which is ``NEVER`` by then."""


class TimerWheel:
    """Calls ``ran_out`` of whatever is due, at most ``TICK_S`` late; belongs to one loop."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Timed]] = {}
        self._ticks: list[int] = []
        self._timer: clock.Timer | None = None
        self._armed = 0

    def watch(self, timed: Timed, due: float) -> None:
        """Let *timed* be due at that moment, and at no other."""
        timed.due = due
        # What the tick that it waits for covers, or a later one, is looked at then.
        if not timed.tick or due < (timed.tick - 1) * TICK_S:
            self._put(timed, int(due / TICK_S) + 1 if due < 1e12 else 0)

    def close(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed = None, 0
        self._buckets.clear()
        self._ticks.clear()

    def _put(self, timed: Timed, tick: int) -> None:
        latest = int(clock.monotonic() / TICK_S) + _LONGEST
        tick = timed.tick = min(tick, latest) if tick else latest
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [timed]
            heapq.heappush(self._ticks, tick)
            self._arm()
        else:
            bucket.append(timed)

    def _arm(self) -> None:
        first = self._ticks[0]
        if self._armed and self._armed <= first:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = first
        self._timer = clock.call_later(first * TICK_S - clock.monotonic(), self._turn)

    def _turn(self) -> None:
        self._timer, self._armed = None, 0
        now = clock.monotonic()
        while self._ticks and self._ticks[0] * TICK_S <= now + 1e-6:
            tick = heapq.heappop(self._ticks)
            for timed in self._buckets.pop(tick, ()):
                if timed.tick == tick and not timed.is_over:  # else it has moved, or is gone
                    timed.tick = 0
                    try:
                        self._look_at(timed, now)
                    except Exception:  # it must not take the others' time with it
                        log.exception("a time-out failed")
        if self._ticks:
            self._arm()

    def _look_at(self, timed: Timed, now: float) -> None:
        due = timed.due
        if due <= now + 1e-6:
            timed.due = NEVER
            timed.ran_out()
            if timed.is_over or timed.tick:
                return
            due = timed.due
        self._put(timed, int(due / TICK_S) + 1 if due < 1e12 else 0)
