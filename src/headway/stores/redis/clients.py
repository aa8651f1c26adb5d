"""One client for each event loop that uses the store."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop, get_running_loop
from typing import Final

from .client import Client, Server
from .hearing import Record


class Clients:
    """Finds, makes and forgets them. Loops are told apart as objects: their numbers come again."""

    def __init__(self, server: Server, record: Record) -> None:
        self._server, self._record = server, record
        self._by_loop: dict[AbstractEventLoop, Client] = {}
        self._lock = threading.Lock()
        self._inherited: list[object] = []
        _everywhere.add(self)

    def here(self) -> Client:
        """That of the running loop."""
        loop = get_running_loop()
        client = self._by_loop.get(loop)
        return self._made(loop) if client is None else client

    async def aclose_here(self) -> None:
        """Close that of the running loop, if there is one; the next use makes another."""
        client = self._by_loop.get(asyncio.get_running_loop())
        if client is not None:
            await client.aclose()

    def _made(self, loop: AbstractEventLoop) -> Client:
        client = Client(self._server, self._record, lambda: self._forget(loop))
        with self._lock:
            for known in [known for known in self._by_loop if known.is_closed()]:
                del self._by_loop[known]  # closed without a word: nothing can be said there now
            self._by_loop[loop] = client
        return client

    def _forget(self, loop: AbstractEventLoop) -> None:
        with self._lock:
            self._by_loop.pop(loop, None)

    def _after_fork(self) -> None:
        """In the child: sockets and selectors are still the parent's, so they are kept as is."""
        self._inherited.append(self._by_loop)
        self._by_loop = {}
        self._lock = threading.Lock()


_everywhere: Final[weakref.WeakSet[Clients]] = weakref.WeakSet()


def _repair_after_fork() -> None:
    for clients in list(_everywhere):
        clients._after_fork()


os.register_at_fork(after_in_child=_repair_after_fork)
