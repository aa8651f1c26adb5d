"""Takes in connections on loopback, and lets go of every one of them when it is closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from .connection import Connection


class Listener:
    """A listening socket in the running loop.

    ``loop.create_server`` would do, but for a client that is accepted while the server closes:
    asyncio then drops its socket unclosed, which is a warning in somebody's test.
    """

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make, self._loop = make, asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        accepted.setblocking(False)
        # asyncio does this itself only for sockets that name their protocol, which these do not.
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connecting = self._loop.connect_accepted_socket(self._make, accepted)
        task = self._loop.create_task(connecting)
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def close(self) -> None:
        """Accept no more; return when those accepted are connections."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        await asyncio.gather(*self._connecting)
