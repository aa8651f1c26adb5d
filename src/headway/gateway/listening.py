"""Takes connections in, and loses none of those that were taken when it is closed."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, Self

log = logging.getLogger("headway.gateway")

BACKLOG: Final = 2048
PAUSE_S: Final = 0.5


class Listener:
    """A listening socket on the running loop.

    ``loop.create_server`` would do, but for connections that were accepted in the moment in which
    it is closed: their sockets are dropped. And of several workers that listen on one port, one
    that goes must take with it whoever the kernel has given to it already.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        reuse_port: bool = False,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port
        )
        self._begin(make, sock)

    @classmethod
    def on(cls, make: Callable[[], asyncio.Protocol], sock: socket.socket) -> Self:
        """A listener on a socket that listens already."""
        listener = cls.__new__(cls)
        listener._begin(make, sock)
        return listener

    def _begin(self, make: Callable[[], asyncio.Protocol], sock: socket.socket) -> None:
        self._make, self._socket = make, sock
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock, self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        self._accept_some(64)  # then the others have their turn

    def _accept_some(self, most: int) -> None:
        for _ in range(most):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as wrong:  # no file descriptor is left: those who wait may wait longer
                log.warning("no connection can be accepted: %s", wrong)
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(PAUSE_S, self._go_on)
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._connected(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _go_on(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._socket, self._accept)

    async def _connected(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, accepted)
        except OSError:
            accepted.close()  # it is gone already

    async def close(self) -> None:
        """Accept no more; return when those accepted are connections."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._accept_some(BACKLOG)
        self._is_closed = True
        self._socket.close()
        if self._connecting:
            await asyncio.gather(*self._connecting, return_exceptions=True)
