"""Share: equal questions asked at the same time run once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakSet

from .. import bridge, settings
from ..call import Call, Place, Proceed, Source
from ..errors import CallCancelled
from ..stream import Recording, Stream


class Share:
    """Lets the first caller's work answer everyone who asks the same before it is done.

    The work runs in a task of its own, with the context variables of the caller who began it. A
    caller who is cancelled or times out harms nobody; when the last one leaves, the work is
    cancelled, and who asks while it cleans up waits for that. An error reaches everyone who waited,
    and the next caller tries again. A ``Stream`` is handed to all who ask before its end.
    """

    place = Place.SHARE

    def __init__(self) -> None:
        self.led = self.joined = 0
        self._off = settings.off_at_construction()
        self._begin()
        _shares.add(self)

    def _begin(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._streams: dict[Hashable, Recording[Any]] = {}
        self._lock = threading.Lock()  # callers may be on several loops, on several threads

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if self._off or settings.switched_off:
            return await proceed(call)
        return await self.join(call.key, call, proceed)

    def is_running(self, key: Hashable) -> bool:
        """Whether work on *key* is under way."""
        flight, recording = self._flights.get(key), self._streams.get(key)
        return (flight is not None and not flight.loop.is_closed()) or (
            recording is not None and recording.is_live
        )

    def count(self, source: Source) -> None:
        """Count a question that was answered by a ``join`` that did not."""
        with self._lock:
            self.led += source == "ran"
            self.joined += source != "ran"

    def detach(self, key: Hashable) -> None:
        """Let work on *key* finish for those who wait; whoever asks from now on begins anew."""
        with self._lock:
            self._flights.pop(key, None)
            self._streams.pop(key, None)

    async def join(
        self, key: Hashable, call: Call, proceed: Proceed, *, counted: bool = True
    ) -> Any:
        """The answer, from work under way on *key* if there is any, else by ``proceed(call)``."""
        await bridge.on_a_loop()
        while True:
            recording = self._streams.get(key)
            if recording is not None and recording.is_joinable:
                call.source = "joined"
                self.joined += counted
                return Stream(recording)
            flight, ticket = self._board(key, call, proceed, counted)
            counted = False
            try:
                answer = await ticket
            except _BeginAgain:
                continue
            except asyncio.CancelledError:
                await self._leave(flight, ticket, drain=True)
                raise
            except GeneratorExit:
                await self._leave(flight, ticket, drain=False)
                raise
            if flight.loop is not ticket.get_loop() and _live_recording(answer) is not None:
                continue  # a stream can be followed only where it is recorded
            return answer

    def _board(
        self, key: Hashable, call: Call, proceed: Proceed, counted: bool
    ) -> tuple[_Flight, asyncio.Future[Any]]:
        here = asyncio.get_running_loop()
        ticket = here.create_future()
        with self._lock:
            flight = self._flights.get(key)
            joins = flight is not None and flight.can_be_joined_from(here)
            if flight is None or not joins:
                flight = self._flights[key] = _Flight(key, call.operation.name, here)
            flight.waiting.append(ticket)
            self.joined += counted and joins
            self.led += counted and not joins
        call.source = "joined" if joins else "ran"
        if not joins:  # outside the lock: an eager loop takes the first step at once
            flight.task = here.create_task(_begun(call, proceed))
            flight.task.add_done_callback(lambda _: self._land(flight))
        return flight, ticket

    def _land(self, flight: _Flight) -> None:
        task, recording = flight.task, None
        if not task.cancelled() and task.exception() is None:
            recording = _live_recording(task.result())
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
                if recording is not None:
                    self._streams[flight.key] = recording
            waiting, flight.waiting = flight.waiting, []
        if recording is not None:
            recording.when_done(partial(self._stream_done, flight.key, recording))
        flight.hand_out(waiting)

    def _stream_done(
        self, key: Hashable, recording: Recording[Any], error: BaseException | None
    ) -> None:
        # Without the lock: the end may come from the garbage collector, in the middle of anything.
        if self._streams.get(key) is recording:
            self._streams.pop(key, None)

    async def _leave(self, flight: _Flight, ticket: asyncio.Future[Any], *, drain: bool) -> None:
        with self._lock:
            if ticket not in flight.waiting:
                return
            flight.waiting.remove(ticket)
            if flight.waiting:
                return
            is_told, flight.is_abandoned = flight.is_abandoned, True
        if flight.loop.is_closed():
            return
        if flight.loop is not ticket.get_loop():
            if not is_told:
                _tell(flight.loop, flight.task.cancel)
            return
        if not is_told:
            flight.task.cancel()
        if drain:
            await asyncio.wait({flight.task})


class _Flight:
    """Work under way, and the futures of those who wait for it."""

    task: asyncio.Task[Any]

    def __init__(self, key: Hashable, operation: str, loop: asyncio.AbstractEventLoop) -> None:
        self.key, self.operation, self.loop = key, operation, loop
        self.waiting: list[asyncio.Future[Any]] = []
        self.is_abandoned = False

    def can_be_joined_from(self, here: asyncio.AbstractEventLoop) -> bool:
        """Whether its end will reach a caller on the loop *here*."""
        return self.loop is here or not (self.is_abandoned or self.loop.is_closed())

    def hand_out(self, waiting: list[asyncio.Future[Any]]) -> None:
        """Give every waiter the outcome of the finished task."""
        task = self.task
        failed = None if task.cancelled() else task.exception()
        answer = None if task.cancelled() or failed is not None else task.result()
        for ticket in waiting:
            error = self._cancelled_for(ticket) if task.cancelled() else failed
            own = answer.again() if isinstance(answer, Stream) else answer
            loop = ticket.get_loop()
            if loop is self.loop:
                _settle(ticket, own, error)
            else:
                _tell(loop, partial(_settle, ticket, own, error))

    def _cancelled_for(self, ticket: asyncio.Future[Any]) -> BaseException:
        # Abandoned, or its loop has ended: neither is the fault of the work.
        if self.is_abandoned or ticket.get_loop() is not self.loop:
            return _BeginAgain()
        return CallCancelled(self.operation)


async def _begun(call: Call, proceed: Proceed) -> Any:
    """The work; arguments that do not fit fail in here, where those who wait will hear of it."""
    return await proceed(call)


class _BeginAgain(Exception):
    """The work ended for a reason that is not its own, and this waiter still wants an answer."""


def _settle(ticket: asyncio.Future[Any], answer: object, error: BaseException | None) -> None:
    if ticket.done():
        return
    if error is None:
        ticket.set_result(answer)
    else:
        ticket.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, action: Callable[[], object]) -> None:
    """Act on another thread's loop; one that has closed, perhaps just now, has nobody waiting."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(action)


def _live_recording(answer: object) -> Recording[Any] | None:
    if isinstance(answer, Stream) and not answer.recording.ended:
        return answer.recording
    return None


# A forked child has none of its parent's loops: work under way there will never end here.
_shares: WeakSet[Share] = WeakSet()


def _after_fork() -> None:
    for share in _shares:
        share._begin()


os.register_at_fork(after_in_child=_after_fork)
