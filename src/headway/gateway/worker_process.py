"""A worker as its parent sees it: a process, a channel to it, and what it said last."""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import socket
import subprocess
import sys
from typing import Final, Self

from .control import (
    Ask,
    Begin,
    Channel,
    Drain,
    Ended,
    Failed,
    FromWorker,
    Leaving,
    Ready,
    Reload,
    Reloaded,
    Reported,
    ToWorker,
    end_of_parent,
)
from .plan import Plan
from .reports import Report

log = logging.getLogger("headway.gateway")

TO_END_S: Final = 5.0
"""How long a worker whose channel is closed may take to be gone."""


class WorkerProcess:
    """One process, from its start to its end: ``start``, then ``begin``, at last ``ended``."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], channel: Channel[ToWorker, FromWorker]
    ) -> None:
        self.name, self.pid = name, process.pid
        self.is_ready = self.is_leaving = False
        self.why_failed: str | None = None
        self.is_clean: bool | None = None
        self.last_report: Report | None = None
        self._changed = asyncio.Event()
        self._process, self._channel = process, channel
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Reported | Reloaded | None]] = {}
        self._hearing = asyncio.get_running_loop().create_task(self._hear_all())
        self._hearing.add_done_callback(lambda _: self._changed.set())

    @classmethod
    async def start(cls, name: str, listening: socket.socket, log_levels: str = "") -> Self:
        """A new process for *listening*, of which it gets a copy; it serves after ``begin``."""
        here, there = socket.socketpair()
        with there:
            process = _process(name, there.fileno(), listening.fileno(), log_levels)
        return cls(name, process, await end_of_parent(here))

    # --- told and asked --------------------------------------------------------------------

    def begin(self, plan: Plan) -> None:
        """Let it serve by *plan*."""
        self._channel.say(Begin(plan))

    async def report(self, within_s: float) -> Report | None:
        """How it fares; None if it does not say so in time."""
        number = next(self._numbers)
        answer = await self._answer(Ask(number), number, within_s)
        return answer.report if isinstance(answer, Reported) else None

    async def reload(self, plan: Plan, within_s: float) -> str | None:
        """Let it serve by *plan*; why it will not.

        One that says nothing in time has heard of it all the same, or is no more.
        """
        number = next(self._numbers)
        answer = await self._answer(Reload(number, plan), number, within_s)
        if isinstance(answer, Reloaded):
            return answer.why
        if not self.is_over:
            log.warning("worker %s (%d) is late with the new plan", self.name, self.pid)
        return None

    async def _answer(
        self, question: ToWorker, number: int, within_s: float
    ) -> Reported | Reloaded | None:
        if self._hearing.done():
            return None
        asked: asyncio.Future[Reported | Reloaded | None] = asyncio.Future()
        self._asked[number] = asked
        self._channel.say(question)
        try:
            async with asyncio.timeout(within_s):
                return await asked
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    def drain(self, within_s: float) -> None:
        """Let it accept no more, finish what is under way, and end."""
        self._channel.say(Drain(within_s))

    # --- heard -----------------------------------------------------------------------------

    async def _hear_all(self) -> int:
        try:
            while (said := await self._channel.hear()) is not None:
                self._take(said)
        finally:
            for number in self._asked:
                self._resolve(number, None)
            self._channel.abort()
        return await self._gone()

    def _take(self, said: FromWorker) -> None:
        match said:
            case Ready():
                self.is_ready = True
                self._changed.set()
            case Failed(why):
                self.why_failed = why
            case Leaving():
                self.is_leaving = True
                self._changed.set()
            case Ended(is_clean, report):
                self.is_clean, self.last_report = is_clean, report
            case Reported(number, report):
                self.last_report = report
                self._resolve(number, said)
            case Reloaded(number):
                self._resolve(number, said)

    def _resolve(self, number: int, answer: Reported | Reloaded | None) -> None:
        asked = self._asked.get(number)
        if asked is not None and not asked.done():  # else it comes too late
            asked.set_result(answer)

    async def _gone(self) -> int:
        try:
            return await asyncio.to_thread(self._process.wait, TO_END_S)
        except subprocess.TimeoutExpired:
            log.warning("worker %s (%d) does not end: killed", self.name, self.pid)
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    # --- its end ---------------------------------------------------------------------------

    async def ready_or_over(self) -> None:
        """Return when it serves, or cannot."""
        while not (self.is_ready or self.is_over):
            await self._next_change()

    async def leaving_or_over(self) -> None:
        """Return when it accepts no more."""
        while not (self.is_leaving or self.is_over):
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def ended(self) -> int:
        """Return when the process is gone: its exit code, or minus the signal that killed it."""
        return await asyncio.shield(self._hearing)

    @property
    def is_over(self) -> bool:
        """The process is gone."""
        return self._hearing.done()

    async def aclose(self) -> None:
        """End it at once, whatever is under way."""
        self._channel.abort()
        await self.ended()


def _process(name: str, channel: int, listening: int, log_levels: str) -> subprocess.Popen[bytes]:
    module = (sys.executable, "-P", "-m", "headway.gateway.worker")
    return subprocess.Popen(
        [*module, name, str(channel), str(listening), log_levels],
        stdin=subprocess.DEVNULL,
        pass_fds=(channel, listening),
        start_new_session=True,  # a terminal's Ctrl-C is the parent's affair
    )


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
