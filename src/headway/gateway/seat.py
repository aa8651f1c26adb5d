"""One worker's seat: its listening socket, whoever serves on it now, and who takes over."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from .. import clock
from ..errors import BadSetup
from ..monitor import Snapshot
from .addresses import address_of, listening_beside
from .plan import Plan
from .worker_process import WorkerProcess, how_it_ended

log = logging.getLogger("headway.gateway")

TO_START_S: Final = 30.0
QUICK_S: Final = 10.0
"""A worker that lived for less died at once."""
MOST_WAIT_S: Final = 30.0
LONG_WAIT_S: Final = 1.0
"""For longer than this no connection is let wait for a worker to come back."""


def wait_before_restart_s(quick_ends: int) -> float:
    """How long to wait after so many workers in a row that died at once."""
    return 0.0 if quick_ends <= 1 else min(MOST_WAIT_S, 0.5 * 2.0 ** min(quick_ends - 2, 10))


class Seat:
    """Keeps one worker alive on *sock*, which is the seat's from now on.

    The seat holds the socket, its worker a copy: connections that wait on it when a worker goes
    are taken by the next one. *on_last_figures* gets the last snapshot of each that is no more.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        sock: socket.socket,
        on_last_figures: Callable[[Snapshot], object],
        log_levels: str = "",
        drain_s: float = 30.0,
    ) -> None:
        self.name, self.plan = name, plan
        self.worker: WorkerProcess | None = None
        self._on_last_figures = on_last_figures
        self._sock, self._address = sock, address_of(sock)
        self._log_levels, self._drain_s = log_levels, drain_s
        self._leaving: list[WorkerProcess] = []
        self._ending = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    # --- start -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Return when the first worker serves; from then on there is one, until ``drain``.

        Raises:
            BadSetup: it cannot serve.
        """
        worker = await self._new()
        try:
            async with asyncio.timeout(TO_START_S):
                await worker.ready_or_over()
        except TimeoutError:
            raise BadSetup(f"a worker is not ready after {TO_START_S:g} s") from None
        if worker.is_over:
            raise BadSetup(worker.why_failed or f"a worker {how_it_ended(await worker.ended())}")
        self._keeping = asyncio.get_running_loop().create_task(self._keep(worker))

    async def _new(self) -> WorkerProcess:
        if self._sock.fileno() < 0:
            self._sock = listening_beside(self._address, "workers")
        worker = await WorkerProcess.start(self.name, self._sock, self._log_levels)
        worker.begin(self.plan)
        self.worker = worker
        return worker

    # --- one after another -----------------------------------------------------------------

    async def _keep(self, worker: WorkerProcess | None) -> None:
        quick_ends = 0
        while worker is not None:
            begun = clock.monotonic()
            await worker.leaving_or_over()
            if self._ending.is_set():
                return
            self.worker = None
            if worker.is_leaving:
                log.warning("worker %s (%d) leaves; another takes over", self.name, worker.pid)
                self._leaving.append(worker)
                worker.drain(self._drain_s)
            else:
                is_quick = clock.monotonic() - begun < QUICK_S
                quick_ends = quick_ends + 1 if is_quick else 1
                await self._mourn(worker, wait_before_restart_s(quick_ends))
            worker = await self._next()

    async def _mourn(self, worker: WorkerProcess, wait_s: float) -> None:
        self._remember(worker)
        how = worker.why_failed or how_it_ended(await worker.ended())
        then = f"in {wait_s:g} s" if wait_s else "now"
        log.warning("worker %s (%d) %s; another starts %s", self.name, worker.pid, how, then)
        if wait_s > LONG_WAIT_S:
            self._sock.close()
        await self._pause(wait_s)

    async def _next(self) -> WorkerProcess | None:
        while not self._ending.is_set():
            try:
                worker = await self._new()
            except (OSError, BadSetup) as wrong:
                log.error("worker %s cannot be started: %s", self.name, wrong)
                await self._pause(MOST_WAIT_S)
                continue
            if self._ending.is_set():  # meanwhile, and it was not told
                await worker.aclose()
            return worker
        return None

    async def _pause(self, wait_s: float) -> None:
        """Return after *wait_s*, or when all is to end."""
        try:
            async with asyncio.timeout(wait_s):
                await self._ending.wait()
        except TimeoutError:
            pass  # the usual case

    def everybody(self) -> list[WorkerProcess]:
        """The worker, and those before it that still finish what is under way."""
        for worker in [each for each in self._leaving if each.is_over]:
            self._leaving.remove(worker)
            self._remember(worker)
        return self._leaving + ([self.worker] if self.worker is not None else [])

    def _remember(self, worker: WorkerProcess) -> None:
        if worker.last_report is not None:
            self._on_last_figures(worker.last_report.snapshot)

    # --- end -------------------------------------------------------------------------------

    async def drain(self, within_s: float) -> bool:
        """Let them accept no more and finish what is under way; True if all ended by itself."""
        self._end()
        everybody = self.everybody()
        for worker in everybody:
            worker.drain(within_s)
        await asyncio.gather(*(worker.ended() for worker in everybody))
        await self.aclose()
        return all(worker.is_clean for worker in everybody)

    async def aclose(self) -> None:
        """End them at once, whatever is under way."""
        self._end()
        await asyncio.gather(*(worker.aclose() for worker in self.everybody()))
        if self._keeping is not None:
            await asyncio.wait({self._keeping})  # whoever gives up waiting does not cancel it

    def _end(self) -> None:
        self._ending.set()
        self._sock.close()  # or connections would wait there for nobody
