"""Several processes that serve one port: started, kept alive, asked, reloaded, drained.

The parent holds a listening socket for each of them (``SO_REUSEPORT``: the kernel spreads new
connections over these sockets) and hands out copies. So a worker that dies takes down only the
connections that it had accepted; those that still wait are taken by the one that replaces it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from ..errors import BadSetup
from ..monitor import Snapshot
from .plan import Plan
from .reports import Reports, only_what_rises
from .seat import Seat
from .worker_process import WorkerProcess

REPORT_S: Final = 1.0
RELOAD_S: Final = 5.0
LATE_S: Final = 2.0
"""How much longer than they were given workers may take to end."""


class Workers:
    """As many workers as there are *sockets*, which are theirs from now on.

    ``await start()``; a worker that died is replaced. Answers in memory, and questions asked at
    once, are shared within one worker only.

    Args:
        drain_s: how long a worker that somebody asks to end finishes what is under way.
    """

    def __init__(
        self,
        plan: Plan,
        sockets: Sequence[socket.socket],
        log_levels: str = "",
        *,
        drain_s: float = 30.0,
    ) -> None:
        self._past: list[Snapshot] = []
        self._plan = plan
        self._seats = [
            Seat(str(number), plan, sock, self._keep_figures, log_levels, drain_s)
            for number, sock in enumerate(sockets, 1)
        ]

    def _keep_figures(self, snapshot: Snapshot) -> None:
        self._past = [only_what_rises([*self._past, snapshot])]

    async def start(self) -> None:
        """Return when all serve.

        Raises:
            BadSetup: one of them cannot; then none is left.
        """
        started = await asyncio.gather(
            *(seat.start() for seat in self._seats), return_exceptions=True
        )
        if wrong := [each for each in started if isinstance(each, BaseException)]:
            await self.aclose()
            if isinstance(wrong[0], BadSetup | OSError):
                raise BadSetup(str(wrong[0])) from None
            raise wrong[0]

    async def reload(self, plan: Plan) -> str | None:
        """New requests by the new plan; if a worker refuses it, why, and then all keep the old."""
        whys = await self._tell(plan)
        if not whys:
            self._plan = plan
            return None
        await self._tell(self._plan)
        return "; ".join(whys)

    async def _tell(self, plan: Plan) -> list[str]:
        for seat in self._seats:
            seat.plan = plan
        workers = [worker for seat in self._seats if (worker := seat.worker) is not None]
        said = await asyncio.gather(*(worker.reload(plan, RELOAD_S) for worker in workers))
        return [f"worker {worker.name}: {why}" for worker, why in zip(workers, said) if why]

    async def reports(self) -> Reports:
        """How they fare, from those who say so within a second."""
        everybody = [worker for seat in self._seats for worker in seat.everybody()]
        past = tuple(self._past)  # now, or who dies while it is asked would be counted twice
        said = await asyncio.gather(*(worker.report(REPORT_S) for worker in everybody))
        mute = [worker for worker, report in zip(everybody, said) if report is None]
        empty = [seat.name for seat in self._seats if seat.worker is None]
        return Reports(
            heard=tuple(report for report in said if report is not None),
            silent=tuple(sorted({*(worker.name for worker in mute), *empty})),
            last_heard=(*past, *_last_figures(mute)),
        )

    async def drain(self, within_s: float) -> bool:
        """Accept no more, finish what is under way; True if all of it ended by itself."""
        draining = asyncio.gather(*(seat.drain(within_s) for seat in self._seats))
        try:
            async with asyncio.timeout(within_s + LATE_S):
                return all(await draining)
        except TimeoutError:
            return False

    async def aclose(self) -> None:
        """End all of them at once."""
        await asyncio.gather(*(seat.aclose() for seat in self._seats))


def _last_figures(workers: Sequence[WorkerProcess]) -> list[Snapshot]:
    reports = [worker.last_report for worker in workers]
    return [only_what_rises([report.snapshot]) for report in reports if report is not None]
