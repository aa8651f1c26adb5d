"""Timeout: an answer that does not come in time is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .. import clock, events
from ..bridge import go_on
from ..call import Call, Place, Proceed
from ..clock import Duration
from ..errors import BadSetup, CallTimedOut
from ..stream import Recording, Stream
from .watch import note


class Timeout:
    """Cancels the work and raises ``CallTimedOut`` when the answer takes longer than *seconds*.

    With a stream it bounds the wait for the first chunk, then each gap between chunks. A plain
    function runs on a thread, which cannot be stopped: its caller is released, the thread runs to
    its end.
    """

    place = Place.TIMEOUT

    def __init__(self, seconds: Duration) -> None:
        try:
            self.seconds = clock.seconds(seconds)
        except ValueError as wrong:
            raise BadSetup(f"Timeout(...): {wrong}") from None
        if self.seconds == 0:
            raise BadSetup("Timeout(0) gives no call a chance; use more than 0")

    async def around(self, call: Call, proceed: Proceed) -> Any:
        work = proceed(call)
        # One step by hand: an answer that needs no waiting needs no timer, half the price.
        try:
            waiting_for = work.send(None)
        except StopIteration as done:
            answer = done.value
        else:
            try:
                answer = await in_time(go_on(work, waiting_for), self.seconds)
            except Late:
                unheard = "first chunk" if call.operation.is_stream else "answer"
                raise _timed_out(call, self.seconds, unheard) from None
        if isinstance(answer, Stream):
            _GapWatch(answer.recording, call, self.seconds)
        return answer


class Late(Exception):
    """The time is over; only for whoever set it."""


async def in_time(
    rest: Awaitable[Any], seconds: float, *, counts: Callable[[], bool] = lambda: True
) -> Any:
    """What *rest* gives within *seconds*; then it is cancelled, if it *counts*.

    Raises:
        Late: it took longer.
    """
    task = asyncio.current_task()
    if task is None:
        raise BadSetup("Timeout needs a running task")
    cancelled_before, fired = task.cancelling(), False

    def fire() -> None:
        nonlocal fired
        if counts():
            fired = True
            task.cancel()

    timer = clock.call_later(seconds, fire)
    is_ours = False
    try:
        return await rest
    except asyncio.CancelledError:
        is_ours = fired
        raise
    finally:
        timer.cancel()
        # Taken back however the work ended, or the caller would be found cancelled later.
        if fired and task.uncancel() <= cancelled_before and is_ours:
            raise Late from None


class _GapWatch:
    """Fails a recording whose next chunk is late."""

    def __init__(self, recording: Recording[Any], call: Call, seconds: float) -> None:
        self._recording, self._call, self._seconds = recording, call, seconds
        if recording.ended:
            return
        self._start()
        recording.on_chunk(self._restart)
        recording.when_done(lambda error: self._timer.cancel())

    def _start(self) -> None:
        self._timer = clock.call_later(self._seconds, self._late)

    def _restart(self) -> None:
        self._timer.cancel()
        self._start()

    def _late(self) -> None:
        self._recording.fail(_timed_out(self._call, self._seconds, "next chunk"))


def _timed_out(call: Call, seconds: float, waiting_for: str) -> CallTimedOut:
    if events.listeners:
        note(call, "timed out", seconds=seconds, detail=waiting_for)
    return CallTimedOut(call.operation.name, seconds, waiting_for)
