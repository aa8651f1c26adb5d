"""The admin side until somebody asks for it: a socket that waits, and none of its libraries.

Starlette and uvicorn are a fifth of what an idle gateway takes of memory. Whoever connects first
waits for them; the requests that the gateway serves do not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .admin import AdminServer
    from .admin_pages import Overview

log = logging.getLogger("headway.gateway")


class AdminOnDemand:
    """Serves *overview* on *sock*, which listens, from the first connection until ``aclose``."""

    def __init__(self, overview: Overview, sock: socket.socket) -> None:
        self._overview, self._sock = overview, sock
        self._server: AdminServer | None = None
        self._starting: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(sock, self._begin)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        self._starting = loop.create_task(self._start())

    async def _start(self) -> None:
        try:
            server = await asyncio.to_thread(_admin_server)
            self._server = server(self._overview, self._sock)
        except Exception:  # its libraries are there, but broken, or of another version
            log.exception("the admin side cannot be started")
            self._sock.close()

    async def aclose(self) -> None:
        """Finish what is under way, and close."""
        if self._starting is None:
            asyncio.get_running_loop().remove_reader(self._sock)
        else:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._server is not None:
            await self._server.aclose()
        self._sock.close()


def _admin_server() -> type[AdminServer]:
    from .admin import AdminServer

    return AdminServer
