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
from .rate import Rate
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
        self._rate = Rate.of(per_second, per_minute, burst)
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
        if not self.enter_now():
            await self._wait_and_tell(call)
        try:
            answer = await proceed(call)
        except BaseException:
            self.leave()
            raise
        if isinstance(answer, Stream):
            answer.recording.when_done(lambda error: self.leave())
        else:
            self.leave()
        return answer

    async def _wait_and_tell(self, call: Call) -> None:
        began = clock.monotonic()
        await self.wait(call.operation.name, current.get().priority)
        if events.listeners:
            note(call, "waited", seconds=clock.monotonic() - began)

    @property
    def inside(self) -> int:
        """How many calls are under way now."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many callers wait now."""
        return self._waiting

    def enter_now(self) -> bool:
        """Take a place without waiting: True if there was one, and nobody waits for it.

        Each place that is taken, here or by ``wait``, must be given back by one ``leave``.
        """
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

    def leave(self) -> None:
        """Give a place back, and let the next caller in; one that nobody took is not counted."""
        with self._lock:
            self._inside = max(0, self._inside - 1)
            if self._waiting:
                self._admit()

    async def wait(self, name: str, priority: int) -> None:
        """Return when a place is taken; whoever is cancelled before has none.

        Args:
            name: of the operation, for the error.
            priority: lower goes first, such as ``headway.HIGH``.

        Raises:
            LimitExceeded: ``max_waiting`` callers wait already.
        """
        waiter = self._queued(name, priority)
        try:
            await waiter.future
        except BaseException:
            self._give_up(waiter)
            raise

    def _queued(self, name: str, priority: int) -> _Waiter:
        with self._lock:
            if self.max_waiting is not None and self._waiting >= self.max_waiting:
                raise self._exceeded(name)
            waiter = _Waiter(priority, next(self._order))
            heapq.heappush(self._queue, waiter)
            self._waiting += 1
            self._admit()
            return waiter

    def _exceeded(self, name: str) -> LimitExceeded:
        retry_after_s = None if self._rate is None else self._rate.until_next_s(clock.monotonic())
        error = LimitExceeded(
            f"{name}: {self._waiting} callers wait already; "
            f"come back later, or raise max_waiting={self.max_waiting}",
            retry_after_s=retry_after_s,
        )
        error.operation = name
        return error

    def _give_up(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.state == "admitted":  # admitted and cancelled in the same moment
                self.leave()
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


# In a forked child none of the parent's calls goes on, so none of them gives its place back.
_limits: WeakSet[Limit] = WeakSet()


def _after_fork() -> None:
    for limit in _limits:
        limit._begin()


os.register_at_fork(after_in_child=_after_fork)
