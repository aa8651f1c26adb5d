"""The admin side: a small server of its own, on its own port, with Starlette and uvicorn.

Imported only when somebody asks for it: the gateway serves without these two. It may live in the
process that serves, so whoever reaches its port must not be able to fill memory or take all files.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .addresses import HostPort, address_of
from .admin_pages import Overview, pages

MOST_CONNECTIONS: Final = 100
MOST_REQUEST_BYTES: Final = 64 * 1024
MOST_AHEAD: Final = 16


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


class BoundedProtocol(HttpToolsProtocol):
    """Drops whoever sends a long request or many ahead, or comes when many are there already."""

    _request_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and wait no longer for the first byte than between two requests."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Read on, within the bounds."""
        self._request_bytes += len(data)
        super().data_received(data)
        if self._request_bytes > MOST_REQUEST_BYTES or len(self.pipeline) > MOST_AHEAD:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """The next request has the same bounds."""
        super().on_message_complete()
        self._request_bytes = 0


class AdminServer(uvicorn.Server):
    """Serves *overview* on *sock*, which listens, until ``aclose``."""

    def __init__(self, overview: Overview, sock: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                admin_app(overview, address_of(sock)),
                loop="none",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
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
