"""A clock that moves when told, so that no test sleeps."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from .. import clock
from ..clock import Duration


class FakeClock:
    """Time that stands still until ``await advance("5m")``; use it with ``headway.clock.use``.

    Sleepers and timers due on the way are woken in order, and the event loop gets to run between
    them. ``now`` and ``monotonic`` move together; ``step_wall`` moves only ``now``, as a corrected
    machine clock does.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._wall, self._elapsed = now, 0.0
        self._timers: list[_FakeTimer] = []
        self._order = count()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._wall + self._elapsed

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by *seconds*."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = self.call_later(seconds, wake)
        try:
            await woken
        finally:
            timer.cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> _FakeTimer:
        """Call *callback* when the clock has been advanced by *seconds*."""
        timer = _FakeTimer(self._elapsed + max(0.0, seconds), next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    async def advance(self, duration: Duration) -> None:
        """Move time forward, waking whoever is due, and let everyone run."""
        until = self._elapsed + clock.seconds(duration)
        await settle()
        while self._timers and self._timers[0].due <= until + 1e-9:
            timer = heapq.heappop(self._timers)
            self._elapsed = max(self._elapsed, timer.due)
            timer.fire()
            await settle()
        self._elapsed = until
        await settle()

    def step_wall(self, seconds: float) -> None:
        """Correct the wall clock by *seconds*, forward or back; the stopwatch does not notice."""
        self._wall += seconds

    @property
    def waiting(self) -> int:
        """How many sleepers and timers are pending."""
        return sum(not timer.cancelled for timer in self._timers)


class _FakeTimer:
    def __init__(self, due: float, serial: int, callback: Callable[[], object]) -> None:
        self.due, self.serial, self._callback = due, serial, callback
        self.cancelled = False

    def __lt__(self, other: _FakeTimer) -> bool:
        return (self.due, self.serial) < (other.due, other.serial)

    def cancel(self) -> None:
        """Forget the callback."""
        self.cancelled = True

    def fire(self) -> None:
        """Call back, unless cancelled."""
        if not self.cancelled:
            self._callback()


async def settle(turns: int = 25) -> None:
    """Let every task that can go on do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
