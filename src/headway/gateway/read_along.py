"""An answer read while it is handed on: what it says, and when its first content came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from .. import clock
from ..adapters.http.decoding import Undecodable, decoder_of
from ..wire.exchange import AnswerFacts, AnswerReader
from ..wire.request_facts import RequestFacts

MOST_ARRIVALS: Final = 32
"""Of so many pieces is remembered when they came, to tell when the first content had."""
UNREAD_BYTES: Final = 64 * 1024
"""An answer is read along in pieces of this size: each step costs, however small."""


class ReadAlong:
    """Takes a copy of each piece, and reads it when there is enough of it, or at the end.

    Attributes:
        is_stream: It comes as events.
        facts: What it turned out to be, once ``finish`` was called; None if it cannot be read.
    """

    __slots__ = ("_arrivals", "_decode", "_reading", "_unread", "facts", "is_stream")

    def __init__(
        self,
        asked: RequestFacts,
        status: int,
        content_type: str,
        decode: Callable[[bytes], bytes] | None,
    ) -> None:
        self.is_stream = content_type.startswith("text/event-stream") or (
            asked.streams and "json" not in content_type and status < 400
        )
        self.facts: AnswerFacts | None = None
        self._reading: AnswerReader | None = AnswerReader(
            asked, status, {"content-type": content_type}
        )
        self._decode = decode
        self._unread: list[bytes] = []
        self._arrivals: list[tuple[int, float]] = []

    def take(self, data: bytes, size: int, *, is_last: bool) -> None:
        """The next piece, with which the body has *size* bytes."""
        if self.is_stream and len(self._arrivals) < MOST_ARRIVALS:
            self._arrivals.append((size, clock.monotonic()))
        if self._reading is not None:
            self._unread.append(data)
            if not is_last and size > UNREAD_BYTES:
                self._read()

    def finish(self) -> AnswerFacts | None:
        """What it turned out to be; more may not come."""
        if self._reading is not None:
            self._read()
            reading, self._reading = self._reading, None
            if reading is not None:
                self.facts = reading.finish()
        return self.facts

    def break_off(self, why: str) -> None:
        """None of it is to be kept, whatever it said so far."""
        if self.facts is not None:
            self.facts = msgspec.structs.replace(
                self.facts, is_complete=False, may_keep=False, why_not=why
            )

    @property
    def first_content_at(self) -> float | None:
        """When the first content of a stream had come; what opens it may come long before."""
        if not self._arrivals:
            return None
        facts = self.facts
        place = facts.first_content_at if facts is not None and self._decode is None else 0
        for size, at in self._arrivals:
            if size > (place or 0):
                return at
        return self._arrivals[-1][1]

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        if not unread or self._reading is None:
            return
        data = unread[0] if len(unread) == 1 else b"".join(unread)
        try:
            self._reading.feed(data if self._decode is None else self._decode(data))
        except Undecodable:
            self._reading = None


def read_along(
    asked: RequestFacts, status: int, headers: Sequence[tuple[bytes, bytes]]
) -> ReadAlong | None:
    """A reader of the answer with this head; None if nothing can be learnt from it."""
    if asked.wire == "other":
        return None
    kind, decode = "", None
    for name, value in headers:
        if name == b"content-type":
            kind = value.decode("latin-1")
        elif name == b"content-encoding":
            try:
                decode = decoder_of(value.decode("latin-1"))
            except Undecodable:
                return None
    return ReadAlong(asked, status, kind, decode)
