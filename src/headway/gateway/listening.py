"""Takes connections in, and loses none of those that were taken when it is closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Self

BACKLOG: Final = 2048


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
        sock.setblocking(False)
        self._loop.add_reader(sock, self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        for _ in range(64):  # then the others have their turn
            try:
                accepted, _address = self._socket.accept()
            except OSError:  # none is left, or the machine has no more to give just now
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._connected(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connected(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, accepted)
        except OSError:
            accepted.close()  # it is gone already

    async def close(self) -> None:
        """Accept no more; return when those accepted are connections."""
        self._loop.remove_reader(self._socket)
        self._accept()
        self._socket.close()
        if self._connecting:
            await asyncio.gather(*self._connecting, return_exceptions=True)
