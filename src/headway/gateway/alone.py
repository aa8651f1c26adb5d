"""One worker that needs no process of its own: it serves in the one that was started."""

from __future__ import annotations

import socket

from .plan import Plan
from .reports import Reports
from .serving import Serving


class Alone:
    """The same as ``Workers``, for one."""

    def __init__(self, plan: Plan, sock: socket.socket) -> None:
        self._sock = sock
        try:
            self._serving = Serving(plan)
        except BaseException:
            sock.close()
            raise

    async def start(self) -> None:
        """Serve from now on."""
        self._serving.adopt(self._sock)

    async def reload(self, plan: Plan) -> str | None:
        """New requests by the new plan."""
        self._serving.reload(plan)
        return None

    async def reports(self) -> Reports:
        """How it fares."""
        return Reports(heard=(self._serving.report(),))

    async def drain(self, within_s: float) -> bool:
        """Accept no more, finish what is under way; True if all of it ended by itself."""
        return await self._serving.drain(within_s)

    async def aclose(self) -> None:
        """Drop what is left."""
        await self._serving.aclose()
