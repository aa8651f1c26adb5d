"""One question on its way to a server and back, for everybody who asked it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from .. import clock
from ..policies.lease import Turn
from ..stores import NO_MARK, Entry
from ..wire.exchange import AnswerFacts
from .attempts import Attempts
from .framing import travelling
from .kept import Kept
from .question import Question
from .read_along import ReadAlong, read_along
from .reader import Reader
from .refusal import Refusal
from .upstream import UpstreamConnection

log = logging.getLogger("headway.gateway")


class Tower(Protocol):
    """Knows all flights, and keeps what they bring."""

    def keep(self, flight: Flight, entry: Entry) -> None:
        """Keep the answer of *flight*, which lands then."""

    def land(self, flight: Flight) -> None:
        """Nobody joins *flight* any more."""

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take *step* when what is to be written in this turn has been."""


class Flight(Attempts):
    """The work on one question: the attempts, and the answer as far as it has come.

    Those who read it (``readers``) get its pieces as they come; one who joins late gets what came
    before. What may be kept or shared is recorded in ``chunks``.

    Attributes:
        is_begun: The answer's head is decided: nothing is repeated from here on.
        is_done: The answer is whole; ``failure`` is None then.
        failure: Why there is none, or no more of it.
        size: Bytes of the body so far.
    """

    __slots__ = (
        *("_along", "_is_framed", "chunks", "failure", "headers", "is_begun", "is_done", "is_open"),
        *("is_recorded", "is_stream", "key", "length", "mark", "size", "status", "tower", "turn"),
    )

    def __init__(self, tower: Tower, question: Question, leader: Reader) -> None:
        super().__init__(question, leader)
        self.tower, self.key = tower, question.key
        self.chunks: list[bytes] = []
        self.is_recorded = question.key is not None
        self.is_open = self.is_recorded
        self.is_begun = self.is_done = self.is_stream = False
        self.failure: Refusal | str | None = None
        self.status = self.size = 0
        self.length: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.mark = NO_MARK
        self.turn: Turn | None = None
        self._along: ReadAlong | None = None
        self._is_framed = True

    def on_lost(self, connection: UpstreamConnection, why: str) -> None:
        """The connection broke off, or its time is over."""
        if not self.is_begun:
            super().on_lost(connection, why)
            return
        self.connection = None
        self._broken(f"{self._destination.server.name}: {why}")

    # --- the answer ------------------------------------------------------------------------

    def on_answer(self, connection: UpstreamConnection) -> None:
        """Something came."""
        is_new = not self.is_begun
        if is_new and (not connection.has_head or not self._begins(connection)):
            return
        data = connection.take()
        if connection.is_done:
            self._take(data, is_last=True)
            self.connection = None
            connection.let_go()
            self._finish()
        elif data or is_new:
            self._take(data, is_last=False)
            self._hand_out()

    def _begins(self, connection: UpstreamConnection) -> bool:
        """Whether this answer is the one to hand on; if not, another is on its way."""
        if not self._accepts(connection):
            return False
        self.is_begun = True
        status = self.status = connection.status
        self.length = connection.length
        self._is_framed = connection.is_chunked or connection.length is not None
        self.headers = travelling(connection.headers)
        if self._repeated and status >= 400:
            self.headers = [pair for pair in self.headers if pair[0] != b"x-should-retry"]
            self.headers.append((b"x-should-retry", b"false"))
        self._along = read_along(self.question.facts, status, self.headers)
        self.is_stream = self._along is not None and self._along.is_stream
        return True

    def _take(self, data: bytes, *, is_last: bool) -> None:
        if data:
            self.size += len(data)
            if self._along is not None:
                self._along.take(data, self.size, is_last=is_last)
            # Handed out by their place in here, also when nothing is recorded.
            self.chunks.append(data)

    @property
    def facts(self) -> AnswerFacts | None:
        """What the answer turned out to be; None before its end, and if it cannot be read."""
        if self._along is None:
            return None
        return self._along.finish() if self.is_done else self._along.facts

    def _read_to_end(self) -> AnswerFacts | None:
        """What has come is all that comes."""
        return None if self._along is None else self._along.finish()

    @property
    def first_content_at(self) -> float | None:
        """When the first content of a stream had come; None if the answer is no stream."""
        if self._along is None or not self.is_stream:
            return None
        if self.is_done:
            self._along.finish()
        return self._along.first_content_at

    def _hand_out(self) -> None:
        readers = self.readers
        for reader in readers if len(readers) == 1 else tuple(readers):
            reader.hand_on()
        self._bound()
        self.look_at_pace()

    def _bound(self) -> None:
        """Forget what nobody needs; let go of readers for whom too much would have to be held."""
        if self.is_recorded and self.size <= self.question.way.policies.rules.max_kept_bytes:
            return
        if self.is_recorded:
            self.is_recorded = self.is_open = False
            self.tower.land(self)
        farthest = max((reader.place for reader in self.readers), default=0)
        most = self.question.way.policies.rules.max_kept_bytes
        for reader in tuple(self.readers):
            if reader.place < farthest and self.size - reader.sent > most:
                reader.cut("a reader that is far behind the others")
        nearest = min((reader.place for reader in self.readers), default=0)
        if nearest:
            del self.chunks[:nearest]
            for reader in self.readers:
                reader.place -= nearest

    def look_at_pace(self) -> None:
        """Let the server wait while everybody who reads is slow."""
        connection = self.connection
        if connection is not None and self.is_begun:
            if all(reader.is_slow for reader in self.readers):
                connection.hold()
            else:
                connection.go_on()

    # --- the end ---------------------------------------------------------------------------

    def _finish(self) -> None:
        """The server has said its last byte."""
        self._leave_limit()
        # Of what is no stream the end is certain: it is read when nobody waits for it any more.
        facts = self._read_to_end() if self.is_stream else None
        if facts is not None and self._is_cut_off(facts):
            self._end_broken("the stream ended without its last event")
        else:
            self._end_whole()

    def _broken(self, why: str) -> None:
        """The server fell silent in the middle of its answer."""
        self._leave_limit()
        facts = self._read_to_end()
        if facts is not None and self.is_stream and facts.is_complete:
            self._end_whole()  # all but the frame around it came
        else:
            self._end_broken(why)

    def _is_cut_off(self, facts: AnswerFacts) -> bool:
        """Whether a stream that ended misses its end.

        Some servers leave out the very last event; where the framing says that this is the end,
        the model's own word that it has finished will do.
        """
        if facts.is_complete or facts.is_error:
            return False
        return not self._is_framed or facts.finish_reason is None

    def _end_whole(self) -> None:
        self.is_done = True
        self.tower.afterwards(self._keep_and_land)
        for reader in tuple(self.readers):
            reader.hand_on()

    def _end_broken(self, why: str) -> None:
        """All who read it are told, and none of it is kept."""
        if self._along is not None:
            self._along.break_off(why)
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        self.failure = why
        self.tower.land(self)
        for reader in tuple(self.readers):
            reader.hand_on()

    def answer_kept(self, entry: Entry) -> None:
        """Another process was quicker: its answer serves all who wait here."""
        self.is_done = True
        self.tower.land(self)
        for reader in tuple(self.readers):
            reader.answer_kept(entry)

    def _fail(self, refusal: Refusal) -> None:
        """There is no answer."""
        self._leave_limit()
        self.failure = refusal
        self.tower.land(self)
        for reader in tuple(self.readers):
            reader.refuse(refusal)

    def leave(self, reader: Reader) -> None:
        """*reader* wants no more; when the last one leaves, the server is let go of."""
        if reader in self.readers:
            self.readers.remove(reader)
        if self.readers:
            self.look_at_pace()
            return
        if self.is_done or self.failure is not None:
            return
        if self.is_begun and self.is_stream:  # clients stop at the last event, not the last byte
            facts = self._read_to_end()
            if facts is not None and facts.is_complete:
                self.is_done = True
                self._keep_and_land()
        self._drop()

    def _drop(self) -> None:
        if not self.is_done:
            self.failure = "everybody left"
            self.tower.land(self)
        self._stop()

    def _keep_and_land(self) -> None:
        """Keep the answer if it may be, before nobody can join it any more."""
        try:
            entry = self._to_keep()
            if entry is not None:
                self.tower.keep(self, entry)
                return
        except Exception:
            log.exception("an answer could not be kept")
        self.tower.land(self)

    def _to_keep(self) -> Entry | None:
        policies = self.question.way.policies
        fits = self.is_recorded and self.size <= policies.rules.max_kept_bytes
        if not fits or self._at or policies.freshness is None:
            return None
        facts = self.facts
        if facts is None or not facts.may_keep:
            return None
        body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        kept = Kept.of(self.status, self.headers, body, facts, is_stream=self.is_stream)
        now = clock.now()
        times = policies.freshness.times_of(kept, now)
        if times is None:
            return None
        return Entry(
            kept,
            made_at=now,
            fresh_until=times.fresh_until,
            mark=self.mark,
            size_bytes=kept.size_bytes,
        )
