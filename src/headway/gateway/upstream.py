"""A connection to a server: requests go out as bytes, answers come back in pieces."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .. import clock
from .outbox import Outbox
from .sockets import without_delay
from .wheel import NEVER, TimerWheel

log = logging.getLogger("headway.gateway")

MOST_HEAD_BYTES: Final = 256 * 1024
MOST_DRAINED_BYTES: Final = 256 * 1024
"""An answer that nobody wants is read to its end, to keep the connection, if it is no longer."""
DRAIN_S: Final = 5.0

RawHeaders = list[tuple[bytes, bytes]]


class Receiver(Protocol):
    """Who asked, and is told what comes."""

    def on_answer(self, connection: UpstreamConnection) -> None:
        """Something came: look at ``has_head``, take ``pieces``; ``is_done`` at the end."""

    def on_lost(self, connection: UpstreamConnection, why: str) -> None:
        """The connection broke off before the end, or its time is over (*why* says)."""


class Home(Protocol):
    """Where connections rest between requests."""

    def give_back(self, connection: UpstreamConnection) -> None:
        """*connection* can be used again."""

    def lost(self, connection: UpstreamConnection) -> None:
        """*connection* is closed."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to one server, used by one request at a time.

    Attributes:
        receiver: Whose answer is coming; None while it is idle.
        status, headers: Of the answer, names in lower case; valid once ``has_head``.
        pieces: Bytes of the body that have come and were not taken.
        length: What the answer says of its length; None if it is chunked or ends with the
            connection.
        is_done: The body is whole.
        was_used: It has carried an answer before; the server may have closed it meanwhile.
        has_answered: At least one byte of the present answer has come.
    """

    __slots__ = (
        *("_has_foreign_coding",),
        *("_between_s", "_drained", "_home", "_is_head_request", "_outbox", "_parser", "_size"),
        *("_wheel", "due", "has_answered", "has_head", "headers", "is_chunked", "is_done"),
        *("is_over", "is_reading", "keeps_alive", "length", "pieces", "receiver", "status"),
        *("tick", "transport", "was_used"),
    )

    def __init__(self, wheel: TimerWheel, outbox: Outbox, home: Home) -> None:
        self._wheel, self._outbox, self._home = wheel, outbox, home
        self._parser: Any = HttpResponseParser(self)
        self.transport: Any = None
        self.receiver: Receiver | None = None
        self.due, self.tick, self.is_over = NEVER, 0, False
        self.was_used = self.has_answered = self.is_done = self.has_head = False
        self.is_reading, self.keeps_alive, self.is_chunked = True, True, False
        self.status = 0
        self.length: int | None = None
        self.headers: RawHeaders = []
        self.pieces: list[bytes] = []
        self._between_s: float | None = None
        self._is_head_request = self._has_foreign_coding = False
        self._drained = self._size = 0

    # --- asked by a flight -----------------------------------------------------------------

    def ask(
        self,
        receiver: Receiver,
        request: bytes,
        *,
        is_head: bool,
        due: float,
        between_s: float | None,
    ) -> None:
        """Send *request*, whose answer is for *receiver*; the first byte is due at *due*."""
        self.receiver, self._is_head_request, self._between_s = receiver, is_head, between_s
        self.has_head = self.is_done = self.has_answered = self.is_chunked = False
        self._has_foreign_coding = False
        self.keeps_alive, self._size = True, 0
        self.headers, self.pieces = [], []
        self._wheel.watch(self, due)
        self._outbox.write(self.transport, request)

    def take(self) -> bytes:
        """The bytes of the body that have come."""
        pieces = self.pieces
        if not pieces:
            return b""
        self.pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hold(self) -> None:
        """Read no more for now: those who read the answer are slow."""
        if self.is_reading and not self.is_over:
            self.is_reading = False
            self._wheel.watch(self, NEVER)
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if not self.is_reading and not self.is_over:
            self.is_reading = True
            self._wait_for_more()
            self.transport.resume_reading()

    def let_go(self) -> None:
        """The receiver is done with it: back to the pool if it can be used again."""
        self.receiver = None
        if self.is_over:
            return
        is_clean = self.is_done and self.keeps_alive and self.is_reading
        if not is_clean or self.transport.get_write_buffer_size():  # answered before it was asked
            self.abort()
            return
        self.was_used = True
        self._home.give_back(self)

    def discard(self) -> None:
        """The receiver does not want the rest of the answer; it is read if it is short."""
        self.receiver = None
        if self.is_done:
            self.let_go()
        elif self.length is not None and self.length <= MOST_DRAINED_BYTES and self.keeps_alive:
            self._drained = 0
            self.go_on()
            self._wheel.watch(self, clock.monotonic() + DRAIN_S)
        else:
            self.abort()

    def abort(self) -> None:
        """Close it at once."""
        if not self.is_over:
            self.is_over, self.receiver = True, None
            if self.transport is not None:
                self.transport.abort()

    def ran_out(self) -> None:
        """No byte came in time."""
        receiver = self.receiver
        why = "between chunks" if self.has_head else "first byte"
        self.abort()
        if receiver is not None:
            receiver.on_lost(self, why)

    # --- called by the loop ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.is_over:  # it spoke before it stood
            self.transport.abort()
        else:
            without_delay(transport)

    def data_received(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None and not self._is_draining(data):
            self.abort()  # nobody asked for this
            return
        self.has_answered = True
        if (wrong := self._why_unreadable(data)) is not None:
            self._break_off(wrong)
        elif receiver is not None:
            self._hand_on(receiver)
        elif self.is_done:
            self.let_go()

    def _why_unreadable(self, data: bytes) -> str | None:
        """Read *data*; what is wrong with it, if it cannot be handed on."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return "it switched protocols unasked"
        except HttpParserError as wrong:
            self.keeps_alive = False
            if not self.is_done:  # else the answer is whole, and this is what came behind it
                return f"it sent what is no HTTP/1.1: {wrong}"
        if self._has_foreign_coding:
            return "it sent a transfer-encoding other than chunked"
        if not self.has_head:
            self._size += len(data)
            if self._size > MOST_HEAD_BYTES:
                return f"it sent a head of more than {MOST_HEAD_BYTES} bytes"
        return None

    def _hand_on(self, receiver: Receiver) -> None:
        try:
            receiver.on_answer(self)
        except Exception as error:
            log.exception("an answer failed inside the gateway")
            self._break_off(f"a fault inside: {type(error).__name__}")
            return
        if self.receiver is receiver and self.is_reading and self.has_head:
            self._wait_for_more()

    def eof_received(self) -> None:
        return None  # closes, then connection_lost

    def connection_lost(self, error: Exception | None) -> None:
        was_over = self.is_over
        self.is_over = True
        self._parser = None  # it holds this object in a circle
        self._home.lost(self)
        receiver, self.receiver = self.receiver, None
        if was_over or receiver is None:
            return
        if error is None and self.has_head and not self.is_done and self._ends_with_connection():
            self.is_done, self.keeps_alive = True, False
            self.receiver = receiver
            receiver.on_answer(self)
            return
        receiver.on_lost(self, "it closed the connection" if error is None else str(error))

    def _ends_with_connection(self) -> bool:
        return self.length is None and not self.is_chunked

    def _break_off(self, why: str) -> None:
        receiver = self.receiver
        self.abort()
        if receiver is not None:
            receiver.on_lost(self, why)

    def _is_draining(self, data: bytes) -> bool:
        self._drained += len(data)
        return self.has_head and not self.is_done and self._drained <= 2 * MOST_DRAINED_BYTES

    def _wait_for_more(self) -> None:
        between_s = self._between_s
        self._wheel.watch(self, NEVER if between_s is None else clock.monotonic() + between_s)

    # --- called by the parser --------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_done:  # bytes behind the answer: whose they are, nobody knows
            self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:  # else a trailer, which ends here
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.has_head or (100 <= status < 200 and status != 101):
            return
        self.status, self.has_head = status, True
        self.keeps_alive = self._parser.should_keep_alive()
        self.length = None
        for name, value in self.headers:
            if name == b"content-length":
                self.length = int(value)
            elif name == b"transfer-encoding":
                self.is_chunked = True
                self._has_foreign_coding = value.strip().lower() != b"chunked"
        if self.is_chunked:
            self.length = None
        if self._is_head_request or status in (204, 304):
            self.length, self.is_done = 0, True
            # The parser would wait for a body.
            self.keeps_alive = self.keeps_alive and not self._is_head_request

    def on_body(self, data: bytes) -> None:
        if self.receiver is not None and not self.is_done:
            self.pieces.append(data)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_done = True
        else:  # an interim answer (100, 103): the real one follows
            self.headers = []
