"""The admin side: a small server of its own, on its own port, with Starlette and uvicorn.

Imported only where it is switched on: the gateway serves without these two.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from .addresses import HostPort, address_of
from .admin_pages import Overview, pages


def admin_app(overview: Overview, address: HostPort) -> Starlette:
    """The pages behind a guard, for a server that listens at *address*."""
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=hosts(address), www_redirect=False)
    return Starlette(routes=pages(overview), middleware=[guard])


def hosts(address: HostPort) -> list[str]:
    """The ``Host`` that a request must name.

    On loopback only this machine's own names will do: a page from elsewhere, whose name leads
    here (DNS rebinding), is refused. On a network any will, since names are given from outside.
    """
    if not address.is_loopback:
        return ["*"]
    return ["localhost", "127.0.0.1", "[::1]", str(address).rpartition(":")[0]]


class AdminServer(uvicorn.Server):
    """Serves *overview* on *sock*, which listens, until ``aclose``."""

    def __init__(self, overview: Overview, sock: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                admin_app(overview, address_of(sock)),
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._over = asyncio.Event()
        self._serving = asyncio.get_running_loop().create_task(self.serve(sockets=[sock]))

    async def main_loop(self) -> None:
        """Wait: there is nothing to do ten times in a second."""
        await self.on_tick(0)
        await self._over.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever started this."""
        yield

    async def aclose(self) -> None:
        """Finish what is under way, and close."""
        self.should_exit = True
        self._over.set()
        await self._serving
