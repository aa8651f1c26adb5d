"""Limit: at most so many at once, at most so many in a time."""

from __future__ import annotations

import asyncio
import heapq
import os
import threading
from contextlib import suppress
from itertools import count
from typing import Any
from weakref import WeakSet

from .. import clock, events
from ..call import Call, Place, Proceed
from ..errors import BadSetup, LimitExceeded, refuse_unless_whole
from ..scope import current
from ..stream import Stream
from .watch import note


class Limit:
    """Lets at most *at_once* calls in at a time, and at most a given number of starts in a time.

    One object given to several operations is one limit. Callers wait in order of their priority
    (``with headway.scope(priority=headway.HIGH)``), first come first served within one. A stream
    holds its place until its end.

    Args:
        at_once: calls under way at a time.
        per_second, per_minute: calls begun in that time, on average; one of the two.
        burst: how many may begin at once after a quiet time; default: one second's worth, at least
            1.
        max_waiting: with so many callers waiting already, the next gets ``LimitExceeded`` at once.
    """

    place = Place.LIMIT

    def __init__(
        self,
        *,
        at_once: int | None = None,
        per_second: float | None = None,
        per_minute: float | None = None,
        burst: int | None = None,
        max_waiting: int | None = None,
    ) -> None:
        if at_once is not None:
            refuse_unless_whole("Limit(at_once=...)", at_once)
        if at_once is None and per_second is None and per_minute is None:
            raise BadSetup("Limit() limits nothing; give at_once, per_second or per_minute")
        if max_waiting is not None:
            refuse_unless_whole("Limit(max_waiting=...)", max_waiting, least=0)
        self.at_once, self.max_waiting = at_once, max_waiting
        self._rate = _Rate.of(per_second, per_minute, burst)
        self._begin()
        _limits.add(self)

    def __repr__(self) -> str:
        return f"Limit(at_once={self.at_once}, inside={self._inside}, waiting={self._waiting})"

    def _begin(self) -> None:
        self._inside = 0
        self._queue: list[_Waiter] = []
        self._waiting = 0
        self._order = count()
        self._lock = threading.RLock()  # one limit may serve loops on several threads

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if not self._enter_now():
            await self._wait(call)
        try:
            answer = await proceed(call)
        except BaseException:
            self._leave()
            raise
        if isinstance(answer, Stream):
            answer.recording.when_done(lambda error: self._leave())
        else:
            self._leave()
        return answer

    @property
    def inside(self) -> int:
        """How many calls are under way now."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many callers wait now."""
        return self._waiting

    def _enter_now(self) -> bool:
        with self._lock:
            return not self._waiting and self._take()

    def _take(self) -> bool:
        """Take a place if there is one."""
        if self.at_once is not None and self._inside >= self.at_once:
            return False
        if self._rate is not None and not self._rate.take(clock.monotonic()):
            return False
        self._inside += 1
        return True

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._waiting:
                self._admit()

    async def _wait(self, call: Call) -> None:
        waiter = self._queued(call)
        began = clock.monotonic()
        try:
            await waiter.future
        except BaseException:
            self._give_up(waiter)
            raise
        if events.listeners:
            note(call, "waited", seconds=clock.monotonic() - began)

    def _queued(self, call: Call) -> _Waiter:
        with self._lock:
            if self.max_waiting is not None and self._waiting >= self.max_waiting:
                raise self._exceeded(call)
            waiter = _Waiter(current.get().priority, next(self._order))
            heapq.heappush(self._queue, waiter)
            self._waiting += 1
            self._admit()
            return waiter

    def _exceeded(self, call: Call) -> LimitExceeded:
        retry_after_s = None if self._rate is None else self._rate.until_next_s(clock.monotonic())
        error = LimitExceeded(
            f"{call.operation.name}: {self._waiting} callers wait already; "
            f"come back later, or raise max_waiting={self.max_waiting}",
            retry_after_s=retry_after_s,
        )
        error.operation = call.operation.name
        return error

    def _give_up(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.state == "admitted":  # admitted and cancelled in the same moment
                self._leave()
            elif waiter.state == "waiting":
                waiter.state = "gone"
                self._waiting -= 1
                self._admit()

    def _admit(self) -> None:
        """Let in whoever may enter now, and set a timer for the next one."""
        while self._queue:
            if self._queue[0].state == "gone" or self._queue[0].loop.is_closed():
                waiter = heapq.heappop(self._queue)
                if waiter.state == "waiting":
                    self._waiting -= 1
                continue
            if not self._take():
                break
            waiter = heapq.heappop(self._queue)
            self._waiting -= 1
            waiter.admit()
        self._set_timer()

    def _set_timer(self) -> None:
        full = self.at_once is not None and self._inside >= self.at_once
        if (
            self._rate is None or not self._queue or full
        ):  # full: whoever leaves lets the next one in
            return
        head = self._queue[0]
        if head.timer_set:
            return
        head.timer_set = True
        delay_s = self._rate.until_next_s(clock.monotonic())
        head.on_its_loop(lambda: clock.call_later(delay_s, lambda: self._timer_fired(head)))

    def _timer_fired(self, head: _Waiter) -> None:
        with self._lock:
            head.timer_set = False
            self._admit()


class _Waiter:
    """A caller in the queue; ordered by priority, then by arrival."""

    __slots__ = ("future", "loop", "priority", "serial", "state", "timer_set")

    def __init__(self, priority: int, serial: int) -> None:
        self.priority, self.serial = priority, serial
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.state = "waiting"
        self.timer_set = False

    def __lt__(self, other: _Waiter) -> bool:
        return (self.priority, self.serial) < (other.priority, other.serial)

    def admit(self) -> None:
        self.state = "admitted"
        self.on_its_loop(self._wake)

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def on_its_loop(self, action: Any) -> None:
        try:
            here = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            here = False
        if here:
            action()
        else:
            with suppress(RuntimeError):  # its loop has closed: nobody waits there any more
                self.loop.call_soon_threadsafe(action)


class _Rate:
    """A bucket of *burst* starts that fills at *per_second*."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._tokens, self._at = burst, clock.monotonic()

    @classmethod
    def of(
        cls, per_second: float | None, per_minute: float | None, burst: int | None
    ) -> _Rate | None:
        for name, value in (("per_second", per_second), ("per_minute", per_minute)):
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise BadSetup(f"Limit({name}={value!r}) is no rate; use a number")
        if per_second is not None and per_minute is not None:
            raise BadSetup(
                "Limit(per_second=..., per_minute=...): give one of the two, or stack two limits"
            )
        rate = (
            per_second
            if per_second is not None
            else None
            if per_minute is None
            else per_minute / 60
        )
        if rate is None:
            if burst is not None:
                raise BadSetup(
                    f"Limit(burst={burst}) belongs to a rate; give per_second or per_minute too"
                )
            return None
        if not 0 < rate < float("inf"):
            raise BadSetup(f"Limit: a rate of {rate:g} a second lets nothing pass; use more than 0")
        if burst is not None:
            refuse_unless_whole("Limit(burst=...)", burst)
        return cls(rate, float(burst) if burst is not None else max(1.0, rate))

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now

    def take(self, now: float) -> bool:
        self._fill(now)
        if self._tokens < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True

    def until_next_s(self, now: float) -> float:
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_second)


# In a forked child none of the parent's calls goes on, so none of them gives its place back.
_limits: WeakSet[Limit] = WeakSet()


def _after_fork() -> None:
    for limit in _limits:
        limit._begin()


os.register_at_fork(after_in_child=_after_fork)
