"""Pipes as messages: lines come in through a function, bytes go out, and each side slows the other.

Pipes, sockets and terminals are read on the event loop; plain files, which no loop can wait for, on
a thread.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from ..wire.json_rpc import Lines

PIECE_BYTES = 256 * 1024


class Writer(Protocol):
    """Where bytes go; never waits, keeps what the other side does not take yet."""

    def write(self, data: bytes) -> None:
        """Send *data* after all that was sent before."""

    def close(self) -> None:
        """Send what is kept, then the end."""

    def abort(self) -> None:
        """Forget what is kept, and close."""


class Source(Protocol):
    """What can be told to stop sending for a while: the transport of a pipe that is read."""

    def pause_reading(self) -> None:
        """Send nothing."""

    def resume_reading(self) -> None:
        """Go on."""


class Incoming(asyncio.Protocol):
    """Bytes from a pipe, handed on as lines; at the end the rest, and then the end itself.

    Several may ask it to pause, and it goes on when the last of them has asked it to.
    """

    def __init__(self, on_line: Callable[[bytes], None], on_end: Callable[[bytes], None]) -> None:
        self._on_line, self._on_end, self._lines = on_line, on_end, Lines()
        self._waiting: deque[bytes] = deque()
        self._pauses = 0
        self._has_ended = self._has_told_end = False
        self.source: Source | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember who sends."""
        self.source = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Hand on each line that ends here."""
        self._waiting += self._lines.feed(data)
        self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on what came after the last line feed, and the end."""
        self._has_ended = True
        self._hand_on()

    def pause_reading(self) -> None:
        """Hand on nothing more, not even of what has come."""
        self._pauses += 1
        if self._pauses == 1 and self.source is not None:
            self.source.pause_reading()

    def resume_reading(self) -> None:
        """One who asked for a pause needs it no more."""
        self._pauses -= 1
        self._hand_on()
        if not self._pauses and self.source is not None:
            self.source.resume_reading()

    def _hand_on(self) -> None:
        while self._waiting and not self._pauses:
            self._on_line(self._waiting.popleft())
        if self._has_ended and not self._waiting and not self._has_told_end:
            self._has_told_end = True
            self._on_end(self._lines.rest())


class Outgoing(asyncio.BaseProtocol):
    """The far end of a pipe that is written: tells when it is full, has room, or is gone."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost, self._is_full = on_lost, False
        self._upstream: list[Callable[[], Source | None]] = []
        self.closed = asyncio.Event()

    def slows(self, source: Callable[[], Source | None]) -> None:
        """Let what *source* gives wait, too, whenever this pipe is full."""
        self._upstream.append(source)

    def pause_writing(self) -> None:
        """Full: who sends to it has to wait."""
        for upstream in self._upstream:
            if (source := upstream()) is not None:
                source.pause_reading()

    def resume_writing(self) -> None:
        """Room again."""
        for upstream in self._upstream:
            if (source := upstream()) is not None:
                source.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by either side."""
        self.closed.set()
        self._on_lost()


async def read_from(fd: int, incoming: Incoming) -> None:
    """Let *incoming* have what comes from *fd*, a pipe or anything else that can be read."""
    loop = asyncio.get_running_loop()
    with suppress(ValueError, PermissionError):  # a plain file, /dev/null
        await loop.connect_read_pipe(lambda: incoming, os.fdopen(fd, "rb", 0, closefd=False))
        return
    _FileReader(fd, incoming, loop).start()


class _FileReader(threading.Thread):
    """Reads a file piece by piece, the next one when the last has been dealt with."""

    def __init__(self, fd: int, incoming: Incoming, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="headway-mcp-reader", daemon=True)
        self._fd, self._incoming, self._loop = fd, incoming, loop
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        incoming.source = self

    def pause_reading(self) -> None:
        """Send nothing."""
        self._may_go_on.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._may_go_on.set()

    def run(self) -> None:
        """Read to the end."""
        with suppress(RuntimeError):  # the loop has ended, and nobody listens
            while data := self._piece():
                asyncio.run_coroutine_threadsafe(self._hand_on(data), self._loop).result()
                self._may_go_on.wait()
            self._loop.call_soon_threadsafe(self._incoming.connection_lost, None)

    def _piece(self) -> bytes:
        try:
            return os.read(self._fd, PIECE_BYTES)
        except OSError:
            return b""

    async def _hand_on(self, data: bytes) -> None:
        self._incoming.data_received(data)


async def write_to(fd: int, outgoing: Outgoing) -> Writer:
    """What writes to *fd*, a pipe or anything else that can be written."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_write_pipe(
            lambda: outgoing, os.fdopen(fd, "wb", 0, closefd=False)
        )
    except (ValueError, PermissionError):
        return _FileWriter(fd, outgoing)
    return _PipeWriter(transport)


class _PipeWriter:
    """A pipe on the event loop; once it is lost, what is written goes nowhere, in silence."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


class _FileWriter:
    """A plain file, which takes everything at once."""

    def __init__(self, fd: int, outgoing: Outgoing) -> None:
        self._fd, self._outgoing = fd, outgoing

    def write(self, data: bytes) -> None:
        if self._outgoing.closed.is_set():
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._outgoing.connection_lost(None)

    def close(self) -> None:
        if not self._outgoing.closed.is_set():
            self._outgoing.connection_lost(None)

    abort = close
