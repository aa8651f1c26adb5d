"""A client's connection: requests are read whole, answered one after the other, and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

from .. import clock
from .exchange import Exchange
from .incoming import HEAD_S, Incoming
from .outbox import Outbox
from .plan import Plan
from .refusal import Refusal, fault
from .request import Request
from .sockets import reset, without_delay
from .wheel import NEVER, TimerWheel

log = logging.getLogger("headway.gateway")

IDLE_S: Final = 75.0
STALL_S: Final = 60.0
"""So long may a client take nothing of its answer."""
LINGER_S: Final = 10.0
"""So long may the rest of an answer take to leave, once the connection is to be closed."""
HIGH_WATER: Final = 256 * 1024
"""So much is written ahead of a slow client before its server has to wait."""
MOST_WAITING: Final = 16
"""Requests sent ahead of their turn (pipelined) before reading stops."""
MOST_AHEAD_BYTES: Final = 1024 * 1024
"""Longer ones stop it at once."""


class Desk(Protocol):
    """Where a client's requests are handed in.

    Attributes:
        is_draining: Connections end with the request under way.
    """

    plan: Plan
    wheel: TimerWheel
    outbox: Outbox
    connections: set[ClientConnection]
    is_draining: bool

    def serve(
        self,
        client: ClientConnection,
        method: bytes,
        url: bytes,
        pairs: tuple[bytes, ...],
        extra: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Answer a whole request of *client*, now or when the answer comes."""

    def refused(self, refusal: Refusal) -> None:
        """Tell listeners of a request that came to nothing."""


class ClientConnection(Incoming):
    """One connection of a client: whole requests, and their answers one after the other.

    Attributes:
        keeps_alive: It stays open after the answer under way.
        takes_chunks: The client speaks HTTP/1.1.
        is_slow: It does not take what is written to it.
    """

    __slots__ = (
        *("_desk", "_exchange", "_has_next", "_has_said_end", "_is_reading", "_last_word"),
        *("_total_due", "_waiting", "_written_in", "due", "is_over", "is_slow", "keeps_alive"),
        *("takes_chunks", "tick", "transport"),
    )

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.transport: Any = None
        self._exchange: Exchange | None = None
        self._waiting: deque[Request] = deque()
        self.due, self.tick, self.is_over = NEVER, 0, False
        self.keeps_alive = self.takes_chunks = self._is_reading = True
        self.is_slow = self._has_next = self._has_said_end = False
        self._written_in, self._total_due = -1, NEVER
        self._last_word: Refusal | None = None

    # --- called by the loop ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        without_delay(transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._desk.connections.add(self)
        self._desk.wheel.watch(self, clock.monotonic() + HEAD_S)

    def pause_writing(self) -> None:
        self.is_slow = True
        self._desk.wheel.watch(self, min(self._total_due, clock.monotonic() + STALL_S))
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        self.is_slow = False
        if self._has_said_end:
            return
        due = self._total_due if self._exchange is not None else clock.monotonic() + IDLE_S
        self._desk.wheel.watch(self, due)
        if self._exchange is not None:
            self._exchange.resume()
        elif self._waiting:
            self._serve_soon()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        self._stop_reading()
        self._parser = None  # it holds this object in a circle
        self._waiting.clear()
        self._desk.connections.discard(self)
        exchange = self._exchange
        if exchange is not None:
            exchange.left()

    def ran_out(self) -> None:
        """A time-out: of the exchange under way, or of a request that does not come."""
        is_stalled = self.is_slow and clock.monotonic() < self._total_due
        if self._has_said_end or is_stalled:  # it takes no more of what was written
            reset(self.transport)
        elif self._exchange is not None:
            self._exchange.ran_out()
        elif self._has_head or self._url or self._size:
            self._turn_away(Refusal(408, "request_timeout", "the request did not come in time"))
        else:
            self._close()

    # --- requests in their order -----------------------------------------------------------

    def _request_came(self, request: Request, size: int) -> None:
        """Answers are given in the order of their requests, and not ahead of a slow client."""
        is_written_to = self._written_in == self._desk.outbox.turn
        if self._exchange is None and not (self._waiting or self._has_next or is_written_to):
            self._serve(*request)
            return
        self._waiting.append(request)
        if self._is_reading and (len(self._waiting) >= MOST_WAITING or size > MOST_AHEAD_BYTES):
            self._is_reading = False
            self.transport.pause_reading()
        if self._exchange is None:
            self._serve_soon()

    def _serve(
        self,
        method: bytes,
        url: bytes,
        pairs: tuple[bytes, ...],
        extra: list[tuple[bytes, bytes]],
        body: bytes,
        keeps_alive: bool,
        is_new: bool,
    ) -> None:
        self.keeps_alive = keeps_alive and not self._desk.is_draining
        self.takes_chunks = is_new
        self._desk.serve(self, method, url, pairs, extra, body)

    def begin(self, exchange: Exchange, due: float) -> None:
        """*exchange* is under way; its whole time is over at *due*."""
        self._exchange, self._total_due = exchange, due
        self._desk.wheel.watch(self, due)

    def write(self, data: bytes) -> None:
        """Send *data* to the client."""
        if not self.is_over and not self._has_said_end:
            self._written_in = self._desk.outbox.turn
            self._desk.outbox.write(self.transport, data)

    def refuse(self, refusal: Refusal, *, has_body: bool = True) -> None:
        """Answer with *refusal*."""
        self.write(refusal.written(keeps_alive=self.keeps_alive, has_body=has_body))

    def close_after(self) -> None:
        """Let the connection end with the answer under way, which has no other end."""
        self.keeps_alive = False

    def break_off(self, *, after_flush: bool) -> None:
        """Close in the middle of an answer, so that the client sees that it is not whole."""
        self._stops_reading = True
        self.keeps_alive = False
        if not self.is_over:
            self._desk.outbox.flush()
            self._has_said_end = True
            if after_flush:
                self._desk.wheel.watch(self, clock.monotonic() + LINGER_S)
                self.transport.close()
            else:
                reset(self.transport)

    def is_answered(self, exchange: Exchange | None) -> None:
        """The request under way has its answer: go on to the next one."""
        self._exchange, self._total_due = None, NEVER
        if self.is_over:
            return
        if not self.keeps_alive:
            self._close()
            return
        self._desk.wheel.watch(self, clock.monotonic() + IDLE_S)
        if self._waiting:
            self._serve_soon()
        elif self._last_word is not None:
            self._turn_away(self._last_word)

    def _serve_soon(self) -> None:
        """Serve the next one in a turn of its own: what was written before is on its way then."""
        if not self._has_next:
            self._has_next = True
            asyncio.get_running_loop().call_soon(self._serve_next)

    def _serve_next(self) -> None:
        self._has_next = False
        if self.is_over or self._has_said_end or self._exchange is not None or self.is_slow:
            return
        if self._waiting:
            request = self._waiting.popleft()
            if not self._is_reading and not self._waiting and not self._stops_reading:
                self._is_reading = True
                self.transport.resume_reading()
            try:
                self._serve(*request)
            except Exception as error:
                self._fault(error)

    def end_if_idle(self) -> None:
        """Close if no request is under way; else with the end of it."""
        self.keeps_alive = False
        if self._exchange is None and not self._waiting and not self._has_head and not self._url:
            self._close()

    def _close(self) -> None:
        """Close when all that was written is on its way."""
        self._stops_reading = True
        self._desk.outbox.flush()
        self._has_said_end = True
        self._desk.wheel.watch(self, clock.monotonic() + LINGER_S)
        self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if not self.is_over:
            self.transport.abort()

    # --- asked and told by what comes in ----------------------------------------------------

    def _most_body_bytes(self) -> int:
        return self._desk.plan.max_body_bytes

    def _rest_is_due_in(self, seconds: float) -> None:
        if self._exchange is None:
            self._desk.wheel.watch(self, clock.monotonic() + seconds)

    def _continue(self) -> None:
        if self._exchange is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _turn_away(self, refusal: Refusal) -> None:
        """Answer what cannot be read on from, after all that came before it, and close."""
        self._stop_reading()
        if self._exchange is not None or self._waiting:
            self._last_word = refusal
            return
        self.keeps_alive = False
        self._desk.refused(refusal)
        self.refuse(refusal)
        self._linger()

    def _fault(self, error: BaseException) -> None:
        """A fault of ours: the client is told, and it is in the log."""
        log.error("a request failed inside the gateway", exc_info=error)
        refusal = fault(error)
        self.keeps_alive = False
        if self._exchange is not None:
            self._exchange.refuse(refusal)
        else:
            self._turn_away(refusal)

    def _linger(self) -> None:
        """Close when the client has read the answer: what it still sends would break it off."""
        self._desk.outbox.flush()
        if self.transport.can_write_eof():
            self._has_said_end = True
            self.transport.write_eof()
            self._desk.wheel.watch(self, clock.monotonic() + 2.0)
        else:
            self.transport.close()
