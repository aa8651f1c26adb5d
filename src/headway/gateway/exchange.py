"""One request of a client on its way: what it waits for, what it has got, what is told of it."""

from __future__ import annotations

from typing import Protocol

from .. import clock, events
from ..stores import Entry
from .asking import Asking
from .flight import Flight, Tower
from .framing import LAST_CHUNK, chunk, header_lines, lasting, mark, status_line
from .kept import Kept
from .question import Question
from .refusal import Refusal
from .request import LENGTH
from .told import Told


class Client(Protocol):
    """The connection over which a request came.

    Attributes:
        keeps_alive: It stays open after this answer.
        takes_chunks: It understands chunked bodies.
        is_slow: It takes no more for now.
    """

    keeps_alive: bool
    takes_chunks: bool
    is_slow: bool

    def write(self, data: bytes) -> None:
        """Send *data*."""

    def refuse(self, refusal: Refusal, *, has_body: bool = True) -> None:
        """Answer with *refusal*."""

    def close_after(self) -> None:
        """Let the connection end with this answer."""

    def break_off(self, *, after_flush: bool) -> None:
        """Close in the middle of this answer."""

    def is_answered(self, exchange: Exchange | None) -> None:
        """This answer is over."""


class House(Tower, Protocol):
    """Where exchanges take place.

    Attributes:
        under_way: How many are.
    """

    under_way: int

    @property
    def store_name(self) -> str:
        """Where answers are kept, for receipts."""

    def tell(self, asking: Asking, question: Question) -> Told:
        """Tell listeners that *question* has been asked."""

    def total_s(self, question: Question) -> float | None:
        """How long a whole exchange may take."""


class Exchange:
    """Between a client's whole request and the last byte of its answer.

    Attributes:
        place: How many pieces of its flight's answer it has taken.
        sent: How many bytes that is.
        is_slow: Its client does not take what is written to it.
        extra_lines: Headers that differ from request to request, as they came.
    """

    __slots__ = (
        *("_has_head", "_is_chunked", "_told", "asking", "body", "client"),
        *("extra_lines", "flight", "house", "is_over", "is_slow", "place", "question"),
        *("sent", "source", "total_due"),
    )

    def __init__(
        self,
        house: House,
        client: Client,
        asking: Asking,
        question: Question,
        body: bytes,
        extra: list[tuple[bytes, bytes]],
    ) -> None:
        self.house, self.client = house, client
        self.asking, self.question, self.body = asking, question, body
        self.extra_lines = _forwarded(extra)
        self.flight: Flight | None = None
        self.place = self.sent = 0
        self.is_slow = client.is_slow
        self.is_over = False
        self.source = "ran"
        self._has_head = self._is_chunked = False
        self._told = house.tell(asking, question) if events.listeners else None

    # --- what comes ------------------------------------------------------------------------

    def hand_on(self) -> None:
        """Give the client what has come since last time, unless it is slow; end if that is all."""
        flight = self.flight
        if flight is None or self.is_over:
            return
        chunks = flight.chunks
        if self.is_slow and flight.failure is None and not (flight.is_done and not self._has_head):
            return
        place = self.place
        data = b""
        if place < len(chunks):
            data = chunks[place] if len(chunks) - place == 1 else b"".join(chunks[place:])
            self.place = len(chunks)
            self.sent += len(data)
        if flight.failure is not None:
            self._hand_on_broken(data)
            return
        is_last = flight.is_done
        if data or is_last or not self._has_head:
            self.client.write(self._framed(flight, data, is_last))
        if is_last:
            self._end(None)

    def _framed(self, flight: Flight, data: bytes, is_last: bool) -> bytes:
        if self._has_head:
            if not self._is_chunked:
                return data
            if is_last:
                return chunk(data) + LAST_CHUNK if data else LAST_CHUNK
            return chunk(data)
        self._has_head = True
        if self.asking.is_head or flight.status in (204, 304):
            return self._head(flight, None)
        if is_last:
            return self._head(flight, flight.size) + data
        if flight.length is not None:
            return self._head(flight, flight.length) + data
        self._is_chunked = self.client.takes_chunks
        head = self._head(flight, None)
        if self._is_chunked:
            return head + chunk(data) if data else head
        return head + data

    def _head(self, flight: Flight, length: int | None) -> bytes:
        source = self.source
        headers = flight.headers if source == "ran" else lasting(flight.headers)
        if source == "ran":
            source = "miss" if self.question.why_bypassed is None else "bypass"
        lines = [status_line(flight.status), header_lines(headers), mark(source)]
        if length is not None:
            lines.append(b"content-length: %d\r\n" % length)
        elif self._is_chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif not (self.asking.is_head or flight.status in (204, 304)):
            self.client.close_after()
        lines.append(b"\r\n" if self.client.keeps_alive else b"connection: close\r\n\r\n")
        return b"".join(lines)

    def _hand_on_broken(self, data: bytes) -> None:
        flight = self.flight
        assert flight is not None
        if isinstance(flight.failure, Refusal):
            self.refuse(flight.failure)
            return
        if not self._has_head and not data:
            why = f"the upstream broke off: {flight.failure}"
            self.refuse(Refusal(502, "upstream_broke_off", why, None, True))
            return
        # What came is passed on, and then the connection is closed in the middle of the body.
        if data or not self._has_head:  # an empty chunk would be a clean end
            self.client.write(self._framed(flight, data, False))
        is_framed = self._is_chunked or flight.length is not None
        self.client.break_off(after_flush=is_framed)
        self._end("StreamBroken")

    def refuse(self, refusal: Refusal) -> None:
        """Answer with *refusal*; if an answer has begun already, break it off."""
        if self.is_over:
            return
        if self._has_head:
            self.cut(refusal.reason)
            return
        self.client.refuse(refusal, has_body=not self.asking.is_head)
        self.note("refused", refusal.reason)
        self._end(refusal.reason)

    def answer_kept(self, entry: Entry) -> None:
        """Answer with what another process, or an earlier run, has kept."""
        kept: Kept = entry.value
        age_s = max(0.0, clock.now() - entry.made_at)
        client, has_body = self.client, not self.asking.is_head
        client.write(kept.written(age_s, keeps_alive=client.keeps_alive, has_body=has_body))
        told, self._told = self._told, None
        if told is not None:
            told.hit(kept.facts, kept.status, age_s, self.house.store_name)
        self._end(None)

    def cut(self, why: str) -> None:
        """Break the answer off in its middle."""
        if not self.is_over:
            self.client.break_off(after_flush=False)
            self._end(why)

    # --- what the client does --------------------------------------------------------------

    def pause(self) -> None:
        """The client does not take any more for now."""
        self.is_slow = True
        if self.flight is not None:
            self.flight.look_at_pace()

    def resume(self) -> None:
        """The client takes again."""
        self.is_slow = False
        flight = self.flight
        if flight is not None and not self.is_over:
            self.hand_on()
            flight.look_at_pace()

    def left(self) -> None:
        """The client is gone."""
        if not self.is_over:
            self._end("ClientLeft")

    def ran_out(self) -> None:
        """The time for the whole exchange is over."""
        self.note("timed out", "total")
        total_s = self.house.total_s(self.question)
        why = f"no whole answer within {total_s or 0:g} s"
        self.refuse(Refusal(504, "total_timeout", why, None, True))

    def _end(self, error: str | None) -> None:
        self.is_over = True
        self.house.under_way -= 1
        flight, self.flight = self.flight, None
        self.body = b""
        if flight is not None:
            flight.leave(self)
        if self._told is not None:
            self._told.ended(self.source, flight, error)
        self.client.is_answered(self)

    # --- what is told ----------------------------------------------------------------------

    def note(
        self,
        action: str,
        detail: str | None,
        *,
        seconds: float | None = None,
        count: int | None = None,
    ) -> None:
        """Tell listeners what a policy did to it."""
        if self._told is not None:
            self._told.note(action, detail, seconds=seconds, count=count)


def _forwarded(extra: list[tuple[bytes, bytes]]) -> bytes:
    """The lines of the headers of one request that go to the server; its length is told anew."""
    if len(extra) == 1 and extra[0][0] in LENGTH:
        return b""
    return b"".join([b"%b: %b\r\n" % pair for pair in extra if pair[0] not in LENGTH])
