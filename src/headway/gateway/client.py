"""A client's connection: requests are read whole, answered one after the other, and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from .. import clock
from .exchange import Exchange
from .outbox import Outbox
from .plan import Plan
from .refusal import Refusal, fault
from .sockets import reset, without_delay
from .wheel import NEVER, TimerWheel

log = logging.getLogger("headway.gateway")

MOST_HEAD_BYTES: Final = 64 * 1024
HEAD_S: Final = 30.0
"""A head that has begun must be whole after this time."""
BODY_S: Final = 60.0
"""So long may a body pause between two reads."""
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
MOST_PIECES: Final = 256
"""A body that comes in more of them is put together on the way."""

_OF_ONE_REQUEST: Final = frozenset(
    {
        *(b"content-length", b"Content-Length", b"idempotency-key", b"Idempotency-Key"),
        *(b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"X-Request-Id"),
        *(b"X-Request-ID", b"x-client-request-id", b"X-Client-Request-Id"),
        *(b"x-stainless-retry-count", b"X-Stainless-Retry-Count"),
    }
)
"""Their values differ each time; what has them is otherwise like the request before it."""
_LENGTH: Final = frozenset({b"content-length", b"Content-Length"})


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


class ClientConnection(asyncio.Protocol):
    """One connection of a client.

    Attributes:
        keeps_alive: It stays open after the answer under way.
        takes_chunks: The client speaks HTTP/1.1.
        is_slow: It does not take what is written to it.
    """

    __slots__ = (
        *("_last_word",),
        *("_has_begun", "_has_next", "_has_said_end", "_long_body", "_total_due"),
        *("_written_in",),
        *("_body", "_came", "_desk", "_exchange", "_extra", "_framed", "_has_head", "_is_new"),
        *("_is_reading", "_method", "_pairs", "_parser", "_size", "_stops_reading", "_url"),
        *("_waiting", "due", "is_over", "is_slow", "keeps_alive", "takes_chunks", "tick"),
        *("transport",),
    )

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.transport: Any = None
        self._parser: Any = HttpRequestParser(self)
        self._exchange: Exchange | None = None
        self._waiting: deque[tuple[Any, ...]] = deque()
        self.due, self.tick, self.is_over = NEVER, 0, False
        self.is_slow = self._has_head = self._stops_reading = False
        self.keeps_alive = self.takes_chunks = self._is_reading = self._is_new = True
        self._has_begun = self._has_next = self._has_said_end = False
        self._size = self._came = self._framed = 0
        self._written_in, self._total_due = -1, NEVER
        self._last_word: Refusal | None = None
        self._long_body = bytearray()
        self._url = self._method = b""
        self._pairs: list[bytes] = []
        self._extra: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    # --- called by the loop ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        without_delay(transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._desk.connections.add(self)
        self._desk.wheel.watch(self, clock.monotonic() + HEAD_S)

    def data_received(self, data: bytes) -> None:
        if self._stops_reading:
            return
        self._came = len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._turn_away(Refusal(501, "no_upgrade", "connections are not upgraded here"))
            return
        except HttpParserError as wrong:
            if not self._stops_reading:
                context = wrong.__context__
                if context is not None and not isinstance(context, HttpParserError):
                    self._fault(context)
                    return
                self._turn_away(Refusal(400, "bad_request", f"that is no HTTP/1.1: {wrong}"))
            return
        if self._has_head or self._size:
            self._bound(len(data))

    def _bound(self, came: int) -> None:
        """Count what has come of a request that is not whole."""
        if self._stops_reading:
            return
        if self._has_begun:  # in this very read, which brought the end of another one, too
            self._has_begun = False
            return
        if self._has_head:
            self._framed += came
            # Each byte of a body may have its own chunk; more than that is no body any more.
            if self._framed > MOST_HEAD_BYTES + 9 * self._size:
                message = f"what surrounds the body is longer than {MOST_HEAD_BYTES} bytes"
                self._turn_away(Refusal(400, "bad_request", message))
            elif self._exchange is None:
                self._desk.wheel.watch(self, clock.monotonic() + BODY_S)
        else:
            self._size += came
            if self._size > MOST_HEAD_BYTES:
                self._head_too_large()

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
        self.is_over = self._stops_reading = True
        self._parser = None  # it holds this object in a circle
        self._waiting.clear()
        self._body.clear()
        self._long_body = bytearray()
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

    # --- called by the parser --------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._pairs = []
        self._url = b""
        self._size, self._has_head, self._has_begun = 1, False, True
        if self._extra:
            self._extra = []
        if self._body:
            self._body = []
        if self._exchange is None:
            self._desk.wheel.watch(self, clock.monotonic() + HEAD_S)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # a trailer: it ends here
        if name in _OF_ONE_REQUEST:
            self._extra.append((name, value))
        else:
            self._pairs += (name, value)

    def on_headers_complete(self) -> None:
        self._has_head = True
        parser = self._parser
        if parser.should_upgrade():
            return  # feed_data raises, after this
        if self._size + self._came > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._head_too_large()
            return
        self._method = parser.get_method()
        size = 0
        for name, value in self._extra:
            if name in _LENGTH:
                size = int(value)
        if size > self._desk.plan.max_body_bytes:
            self._too_large()
        elif self._method == b"CONNECT" or not self._url:
            message = f"{self._method.decode()} is not served here"
            self._turn_away(Refusal(501, "no_tunnel", message))
        elif not self._is_version_served(parser.get_http_version()):
            message = "speak HTTP/1.1, or HTTP/1.0 without transfer-encoding"
            self._turn_away(Refusal(400, "bad_request", message))
        else:
            self._size = self._framed = 0
            self._look_at_framing()

    def _look_at_framing(self) -> None:
        for place, name in enumerate(self._pairs[::2]):
            if len(name) == 6 and name.lower() == b"expect":
                self._continue()
            elif len(name) == 17 and name.lower() == b"transfer-encoding":
                self._refuse_codings(self._pairs[2 * place + 1])

    def _refuse_codings(self, value: bytes) -> None:
        if value.strip().lower() != b"chunked":
            message = "of transfer-encodings only chunked is understood"
            self._turn_away(Refusal(501, "unknown_coding", message))

    def _is_version_served(self, version: str) -> bool:
        self._is_new = version == "1.1"
        if self._is_new:
            return True
        chunked = any(name.lower() == b"transfer-encoding" for name in self._pairs[::2])
        return version == "1.0" and not chunked

    def on_body(self, data: bytes) -> None:
        if not self._stops_reading:
            self._size += len(data)
            if self._size > self._desk.plan.max_body_bytes:
                self._too_large()
            else:
                self._body.append(data)
                if len(self._body) >= MOST_PIECES:
                    self._long_body += b"".join(self._body)
                    self._body.clear()

    def on_message_complete(self) -> None:
        if self._stops_reading or self._parser.should_upgrade():
            return
        pieces, self._body = self._body, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._long_body:
            body, self._long_body = bytes(self._long_body) + body, bytearray()
        # Version 1.0 ends an answer with its connection: it is not worth keeping.
        keeps_alive = self._is_new and self._parser.should_keep_alive()
        pairs = tuple(self._pairs)
        request = (self._method, self._url, pairs, self._extra, body, keeps_alive, self._is_new)
        self._url, self._pairs, self._extra, self._size = b"", [], [], 0
        self._has_head = False
        is_written_to = self._written_in == self._desk.outbox.turn
        if self._exchange is not None or self._waiting or self._has_next or is_written_to:
            self._wait_for_turn(request, len(body))
        else:
            self._serve(*request)

    def _wait_for_turn(self, request: tuple[Any, ...], size: int) -> None:
        """Answers are given in the order of their requests, and not ahead of a slow client."""
        self._waiting.append(request)
        if self._is_reading and (len(self._waiting) >= MOST_WAITING or size > MOST_AHEAD_BYTES):
            self._is_reading = False
            self.transport.pause_reading()
        if self._exchange is None:
            self._serve_soon()

    # --- requests in their order -----------------------------------------------------------

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

    # --- what is wrong with a request ------------------------------------------------------

    def _continue(self) -> None:
        if self._exchange is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _head_bytes(self) -> int:
        extra = sum(len(name) + len(value) + 4 for name, value in self._extra)
        return len(self._url) + sum(map(len, self._pairs)) + 2 * len(self._pairs) + extra

    def _head_too_large(self) -> None:
        message = f"the head is longer than {MOST_HEAD_BYTES} bytes"
        self._turn_away(Refusal(431, "head_too_large", message))

    def _too_large(self) -> None:
        most = self._desk.plan.max_body_bytes
        self._turn_away(Refusal(413, "body_too_large", f"the body is longer than {most} bytes"))

    def _turn_away(self, refusal: Refusal) -> None:
        """Answer what cannot be read on from, after all that came before it, and close."""
        self._stops_reading = True
        self._body.clear()
        self._long_body = bytearray()
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
