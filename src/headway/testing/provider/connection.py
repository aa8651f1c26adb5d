"""One connection of a client: requests in, bytes out, and word when the client has gone."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from .http_request import BadRequest, Request, RequestReader

Answering = Callable[[Request, "Connection"], Awaitable[None]]


class Connection(asyncio.Protocol):
    """Answers the requests of one client in turn; a client that goes away cancels the answer."""

    def __init__(self, answer: Answering, connections: set[Connection]) -> None:
        self._answer, self._connections = answer, connections
        self._reader = RequestReader()
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()
        self.is_gone = False
        self.is_finished = False
        """Set by whoever answers: after this answer the connection ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=64 * 1024)
        self._connections.add(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._arrived.set()

    def eof_received(self) -> bool:
        """A client that closes its side has hung up: nothing here is said to half a connection."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._connections.discard(self)
        self._lost.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.task.cancel()

    async def _serve(self) -> None:
        try:
            while not self.is_finished:
                request = await self._next_request()
                self.is_finished = not request.keeps_alive
                await self._answer(request, self)
        except BadRequest as refusal:
            await self.send(refusal_bytes(refusal))
        finally:
            if self.is_gone:  # nobody reads what may still lie in the buffer
                self._transport.abort()
            else:
                self._transport.close()

    async def _next_request(self) -> Request:
        while (request := self._reader.next_request()) is None:
            if self._reader.waits_for_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._arrived.clear()
            await self._arrived.wait()
        return request

    async def send(self, data: bytes) -> None:
        """Write; return when the client's side has room for more."""
        self._transport.write(data)
        await self._writable.wait()

    async def flush(self) -> None:
        """Return when all that was written has left for the client."""
        self._transport.set_write_buffer_limits(high=0)
        await self._writable.wait()

    async def close(self) -> None:
        """End the connection in order, wherever the answer stands."""
        self.is_finished = True
        await self.flush()
        self._transport.close()

    async def reset(self) -> None:
        """End the connection with a reset (RST) behind what was written."""
        self.is_finished = True
        await self.flush()
        end: socket.socket = self._transport.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def wait_until_gone(self) -> None:
        """Say nothing more until the client hangs up (which cancels this)."""
        await asyncio.Event().wait()

    async def drop(self) -> None:
        """Give up the connection at once: the provider stops."""
        self.task.cancel()
        self._transport.abort()
        await asyncio.gather(self.task, return_exceptions=True)
        await self._lost.wait()


def refusal_bytes(refusal: BadRequest) -> bytes:
    """The answer to what is no request; the connection ends behind it."""
    body = f"{refusal}\n".encode()
    head = f"HTTP/1.1 {refusal.status} Refused\r\ncontent-type: text/plain\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
