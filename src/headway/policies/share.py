"""Share: equal questions asked at the same time run once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from typing import Any

from .. import bridge, settings
from ..call import Call, Place, Proceed
from ..errors import CallCancelled
from ..stream import Stream


class Share:
    """Lets the first caller's work answer everyone who asks the same before it is done.

    The work runs in a task of its own, with the context variables of the caller who began it. A
    caller who is cancelled or times out harms nobody; when the last one leaves, the work is
    cancelled. An error reaches everyone who waited, and the next caller tries again. A ``Stream``
    is handed to all.
    """

    place = Place.SHARE

    def __init__(self) -> None:
        self.joined = 0
        self._off = settings.off_at_construction()
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()  # callers may be on several loops, on several threads

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if self._off or settings.switched_off:
            return await proceed(call)
        return await self.join(call.key, call, proceed)

    def is_running(self, key: Hashable) -> bool:
        """Whether work on *key* is under way."""
        return key in self._flights

    def detach(self, key: Hashable) -> None:
        """Let work on *key* finish for those who wait; whoever asks from now on begins anew."""
        with self._lock:
            self._flights.pop(key, None)

    async def join(self, key: Hashable, call: Call, proceed: Proceed) -> Any:
        """The answer, from work under way on *key* if there is any, else by ``proceed(call)``."""
        await bridge.on_a_loop()
        while True:
            flight, ticket = self._board(key, call, proceed)
            try:
                answer = await ticket
            except asyncio.CancelledError:
                await self._leave(flight, ticket, drain=True)
                raise
            except CallCancelled:
                if flight.loop is ticket.get_loop():
                    raise
                continue  # the loop that did the work has closed; begin again on this one
            except GeneratorExit:
                await self._leave(flight, ticket, drain=False)
                raise
            if flight.loop is not ticket.get_loop() and _is_live_stream(answer):
                return await proceed(call)  # a stream can be followed only where it is recorded
            return answer

    def _board(
        self, key: Hashable, call: Call, proceed: Proceed
    ) -> tuple[_Flight, asyncio.Future[Any]]:
        ticket = asyncio.get_running_loop().create_future()
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = _Flight(key, call, proceed)
                flight.task.add_done_callback(lambda _: self._land(flight))
            else:
                call.source = "joined"
                self.joined += 1
            flight.waiting.append(ticket)
        return flight, ticket

    def _forget(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _land(self, flight: _Flight) -> None:
        with self._lock:
            self._forget(flight)
            waiting, flight.waiting = flight.waiting, []
        flight.hand_out(waiting)

    async def _leave(self, flight: _Flight, ticket: asyncio.Future[Any], *, drain: bool) -> None:
        with self._lock:
            if ticket not in flight.waiting:
                return
            flight.waiting.remove(ticket)
            if flight.waiting:
                return
            self._forget(flight)
        if flight.loop is not ticket.get_loop():
            if not flight.loop.is_closed():
                flight.loop.call_soon_threadsafe(flight.task.cancel)
            return
        flight.task.cancel()
        if drain:
            await asyncio.wait({flight.task})


class _Flight:
    """Work under way, and the futures of those who wait for it."""

    def __init__(self, key: Hashable, call: Call, proceed: Proceed) -> None:
        self.key, self.operation = key, call.operation.name
        self.loop = asyncio.get_running_loop()
        self.waiting: list[asyncio.Future[Any]] = []
        self.task: asyncio.Task[Any] = self.loop.create_task(proceed(call))

    def hand_out(self, waiting: list[asyncio.Future[Any]]) -> None:
        """Give every waiter the outcome of the finished task."""
        task = self.task
        error: BaseException | None = (
            CallCancelled(self.operation) if task.cancelled() else task.exception()
        )
        answer = None if error is not None else task.result()
        for ticket in waiting:
            own = answer.again() if isinstance(answer, Stream) else answer
            loop = ticket.get_loop()
            if loop is self.loop:
                _settle(ticket, own, error)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(_settle, ticket, own, error)


def _settle(ticket: asyncio.Future[Any], answer: object, error: BaseException | None) -> None:
    if ticket.done():
        return
    if error is None:
        ticket.set_result(answer)
    else:
        ticket.set_exception(error)


def _is_live_stream(answer: object) -> bool:
    return isinstance(answer, Stream) and not answer.recording.ended
