"""One client, one server, and this process between them, from start to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

from .child import GRACE_S, CannotStart, Child
from .proxy import Proxy
from .pump import Incoming, Outgoing, Writer, read_from, write_to

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FLUSH_S = 2.0


async def serve(command: Sequence[str]) -> int:
    """Start *command* and stand between it and this process's stdin and stdout until it ends.

    Returns:
        The exit code for this process: the server's; 128 and the signal's number if a signal ended
        either; 126 or 127 if the server could not be started.
    """
    try:
        return await _Passage(command).run()
    except CannotStart as wrong:
        tell(str(wrong))
        return wrong.code
    finally:
        for fd in (0, 1):  # a terminal shares this with the shell that comes after us
            os.set_blocking(fd, True)


def tell(text: str) -> None:
    """Say *text* on stderr, on a line of its own."""
    sys.stderr.write(f"headway mcp: {text}\n")
    sys.stderr.flush()


class _Passage:
    """The pipes between client and server, and what ends them."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._over = asyncio.Event()
        self._signal: int | None = None
        self._client_left = False
        self._to_client: Writer
        self._client_out = Outgoing(self._client_gone)
        server_in = Outgoing(lambda: None)
        self._child = Child(self._from_server, self._over.set, server_in)
        self._client_in = Incoming(self._from_client, self._client_ended)
        self._client_out.slows(lambda: self._child.source)
        server_in.slows(lambda: self._client_in.source)
        self._proxy = Proxy(lambda data: self._to_client.write(data), self._child.write, tell)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, partial(self._signalled, number))
        self._to_client = await write_to(1, self._client_out)
        await self._child.start(self._command)
        await read_from(0, self._client_in)
        await self._over.wait()
        await self._end_server()
        await self._end_client()
        return self._child.code if self._signal is None else 128 + self._signal

    def _from_client(self, line: bytes) -> None:
        self._proxy.from_client(line)

    def _from_server(self, line: bytes) -> None:
        self._proxy.from_server(line)

    def _client_ended(self, rest: bytes) -> None:
        if rest:
            self._child.write(rest)
        self._child.close_stdin()
        self._client_left = True
        self._over.set()

    def _client_gone(self) -> None:
        self._client_left = True
        self._over.set()

    def _signalled(self, number: int) -> None:
        is_second, self._signal = self._signal is not None, number
        if self._over.is_set():  # it is ending already, and somebody is in a hurry
            self._child.signal(signal.SIGKILL if is_second else signal.SIGTERM)
        self._over.set()

    async def _end_server(self) -> None:
        """What the server still has to say goes to the client meanwhile."""
        await self._child.end(GRACE_S if self._signal is None else 0.0)

    async def _end_client(self) -> None:
        self._to_client.close()
        try:
            await asyncio.wait_for(self._client_out.closed.wait(), _FLUSH_S)
        except TimeoutError:  # who does not read loses it
            self._to_client.abort()
