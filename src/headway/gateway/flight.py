"""One question on its way to a server and back, for everybody who asked it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from .. import clock, events
from ..adapters.http.decoding import Undecodable, decoder_of
from ..errors import LimitExceeded
from ..policies import Limit
from ..policies.lease import Turn
from ..policies.retry import asked_wait_s, may_pass
from ..stores import NO_MARK, Entry
from ..wire.exchange import AnswerFacts, AnswerReader
from .asking import Asking
from .framing import travelling
from .kept import Kept
from .question import Question
from .refusal import Refusal, fault
from .routing import rewritten
from .upstream import UpstreamConnection
from .way import Destination
from .wheel import NEVER

log = logging.getLogger("headway.gateway")

MOST_ARRIVALS: Final = 32
"""Of so many pieces is remembered when they came, to tell when the first content had."""
UNREAD_BYTES: Final = 64 * 1024
"""An answer is read along in pieces of this size: each step costs, however small."""


class Reader(Protocol):
    """One who asked, and takes the answer as it comes.

    Attributes:
        place: How many pieces it has taken of those that are held.
        sent: How many bytes of the answer.
        is_slow: It takes no more for now.
    """

    asking: Asking
    body: bytes
    extra_lines: bytes
    place: int
    sent: int
    is_slow: bool

    def hand_on(self) -> None:
        """Take what has come, and see whether that was all."""

    def answer_kept(self, entry: Entry) -> None:
        """Take an answer that is kept, instead of any that comes."""

    def refuse(self, refusal: Refusal) -> None:
        """Hear that no answer comes."""

    def cut(self, why: str) -> None:
        """Be left behind."""

    def note(
        self,
        action: str,
        detail: str | None,
        *,
        seconds: float | None = None,
        count: int | None = None,
    ) -> None:
        """Tell listeners what a policy did."""


class Tower(Protocol):
    """Knows all flights, and keeps what they bring."""

    def keep(self, flight: Flight, entry: Entry) -> None:
        """Keep the answer of *flight*, which lands then."""

    def land(self, flight: Flight) -> None:
        """Nobody joins *flight* any more."""

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take *step* when what is to be written in this turn has been."""


class Flight:
    """The work on one question: attempts, servers, and the answer as far as it has come.

    Those who read it (``readers``) get its pieces as they come; one who joins late gets what came
    before. What may be kept or shared is recorded in ``chunks``.

    Attributes:
        is_begun: The answer's head is decided: nothing is repeated from here on.
        is_done: The answer is whole; ``failure`` is None then.
        failure: Why there is none, or no more of it.
        size: Bytes of the body so far.
    """

    __slots__ = (
        *("_attempt", "_at", "_decode", "_destination", "_give_up", "_has_resent", "_limit"),
        *("_arrivals", "_facts", "_is_framed"),
        *("_reading", "_repeated", "_retrying", "_unread", "body", "chunks"),
        *("connection", "failure", "headers", "is_begun"),
        *("is_done", "is_open", "is_recorded", "is_stream", "key", "length", "mark", "question"),
        *("readers", "size", "status", "tower", "turn"),
    )

    def __init__(self, tower: Tower, question: Question, leader: Reader) -> None:
        self.tower, self.question, self.key = tower, question, question.key
        self.body = leader.body
        self.readers: list[Reader] = [leader]
        self.chunks: list[bytes] = []
        self.is_recorded = question.key is not None
        self.is_open = self.is_recorded
        self.is_begun = self.is_done = self.is_stream = False
        self.failure: Refusal | str | None = None
        self.status = self.size = 0
        self.length: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self._arrivals: list[tuple[int, float]] = []
        self._facts: AnswerFacts | None = None
        self.connection: UpstreamConnection | None = None
        self.mark = NO_MARK
        self.turn: Turn | None = None
        self._reading: AnswerReader | None = None
        self._decode: Callable[[bytes], bytes] | None = None
        self._unread: list[bytes] = []
        self._at = 0
        self._attempt = 1
        self._destination: Destination = question.way.destinations[0]
        self._limit: Limit | None = None
        self._give_up: Callable[[], object] | None = None
        self._retrying: Any = None
        self._has_resent = self._repeated = False
        self._is_framed = True

    # --- to the server ---------------------------------------------------------------------

    def start(self) -> None:
        """Begin the first attempt."""
        budget = self.question.way.policies.budget
        if budget is not None:
            budget.asked()
        self._try()

    def _try(self) -> None:
        self._retrying = None
        try:
            self._attempt_once()
        except Exception as error:
            log.exception("a request failed inside the gateway")
            self._fail(fault(error))

    def _attempt_once(self) -> None:
        if not self._find_server():
            self._fail(self._nobody_is_up())
            return
        limit = self.question.way.policies.limit_of(self.readers[0].asking)
        if limit is None or limit.enter_now():
            self._limit = limit
            self._send()
        else:
            self._wait_for(limit)

    def _find_server(self) -> bool:
        """Go on to the next server that is not passed over; False if there is none."""
        destinations, rules = self.question.way.destinations, self.question.way.policies.rules
        while self._at < len(destinations):
            self._destination = destinations[self._at]
            if self._destination.server.health.is_up or not rules.passes_over:
                return True
            self._at += 1
            if self._at < len(destinations):
                self._note("fell back", f"{self._destination.server.name} is passed over")
        return False

    def _nobody_is_up(self) -> Refusal:
        servers = [destination.server for destination in self.question.way.destinations]
        wait_s = min((server.health.wait_s() for server in servers), default=0.0)
        said = "; ".join(f"{server.name}: {server.health.reason}" for server in servers)
        message = f"passed over after failures in a row ({said})"
        return Refusal(503, "upstream_passed_over", message, max(1.0, wait_s), True)

    def _wait_for(self, limit: Limit) -> None:
        asking = self.readers[0].asking
        work = limit.wait(self.question.operation, asking.priority)
        task = asyncio.get_running_loop().create_task(self._waited(work, limit, clock.monotonic()))
        self._give_up = task.cancel

    async def _waited(self, work: Any, limit: Limit, began: float) -> None:
        try:
            await work
        except LimitExceeded as exceeded:
            self._give_up = None
            retry_s = exceeded.retry_after_s
            self._fail(Refusal(503, "too_many_waiting", str(exceeded), retry_s or 1.0, True))
            return
        self._give_up = None
        self._limit = limit
        self._note("waited", None, seconds=clock.monotonic() - began)
        try:
            self._send()
        except Exception as error:
            log.exception("a request failed inside the gateway")
            self._fail(fault(error))

    def _send(self) -> None:
        server = self._destination.server
        connection = None if self._has_resent else server.take()
        if connection is not None:
            self.on_connection(connection)
        else:
            self._give_up = server.connect(self, self._destination.timeouts.connect_s)

    def on_connection(self, connection: UpstreamConnection) -> None:
        """Send the request on it."""
        self._give_up = None
        try:
            self._ask(connection)
        except Exception as error:
            log.exception("a request failed inside the gateway")
            connection.abort()
            self._fail(fault(error))

    def _ask(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        destination, leader = self._destination, self.readers[0]
        asking = leader.asking
        body = rewritten(self.body, self.question.facts, destination)
        if body or asking.method in ("POST", "PUT", "PATCH"):
            ending = b"%bcontent-length: %d\r\n\r\n" % (leader.extra_lines, len(body))
        else:
            ending = b"%b\r\n" % leader.extra_lines
        times = destination.timeouts
        first_s = times.first_byte_s
        connection.ask(
            self,
            b"".join((self._request_head(asking, destination), ending, body)),
            is_head=asking.is_head,
            due=NEVER if first_s is None else clock.monotonic() + first_s,
            between_s=times.between_chunks_s,
        )

    def _request_head(self, asking: Asking, destination: Destination) -> bytes:
        """A credential that was meant for the first server is shown to no other host."""
        first = self.question.way.destinations[0].server
        is_same = destination.server.address.host == first.address.host
        return asking.request_to(destination.server, with_credentials=is_same)

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        """The server cannot be reached."""
        self._give_up = None
        server = self._destination.server
        server.failed(why)
        status, reason = (504, "connect_timeout") if is_late else (502, "upstream_unreachable")
        self._lost(Refusal(status, reason, f"{server.name}: {why}", None, True), was_sent=False)

    def on_lost(self, connection: UpstreamConnection, why: str) -> None:
        """The connection broke off, or its time is over."""
        self.connection = None
        server = self._destination.server
        if self.is_begun:
            self._broken(f"{server.name}: {why}")
            return
        is_late = why in _TIMES
        is_stale = connection.was_used and not connection.has_answered and not is_late
        if is_stale and not self._has_resent:  # closed between two requests: nothing came back
            self._has_resent = True
            self._send()
            return
        why = f"no {why} in time" if is_late else why
        server.failed(why)
        status, reason = (504, "first_byte_timeout") if is_late else (502, "upstream_broke_off")
        self._lost(Refusal(status, reason, f"{server.name}: {why}", None, True), was_sent=True)

    def _lost(self, refusal: Refusal, *, was_sent: bool) -> None:
        """An attempt without an answer: once more, or the next server, or the end."""
        self._leave_limit()
        if not self._again(None, refusal.reason, may=not was_sent or self._may_repeat()):
            self._fail(refusal)

    def _may_repeat(self) -> bool:
        """Whether it can be sent once more without harm, also if it may have reached the server."""
        if self.question.may_repeat:
            return True
        if not self.readers:
            return False
        leader = self.readers[0]
        return (
            b"idempotency-key" in leader.extra_lines.lower()
            or "idempotency-key" in leader.asking.headers
        )

    def _again(self, asked_s: float | None, why: str, *, may: bool) -> bool:
        """Whether the question is asked again: here after a while, or at the next server."""
        if not may or not self.readers:
            return False
        policies = self.question.way.policies
        if self._attempt < policies.rules.attempts:
            wait_s = policies.retry.wait_s(self._attempt, asked_s=asked_s)
            if wait_s is not None and policies.budget is not None and policies.budget.may_repeat():
                self._attempt += 1
                self._repeated = True
                self._has_resent = False
                self._note("retried", why, seconds=wait_s, count=self._attempt - 1)
                self._retrying = clock.call_later(wait_s, self._try)
                return True
        if self._has_another():
            self._note("fell back", f"{self._destination.server.name}: {why}")
            self._at += 1
            self._attempt, self._has_resent = 1, False
            self._try()
            return True
        return False

    def _has_another(self) -> bool:
        """Whether a later server may be asked: else what this one said stands."""
        passes_over = self.question.way.policies.rules.passes_over
        later = self.question.way.destinations[self._at + 1 :]
        return any(one.server.health.is_up or not passes_over for one in later)

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
        server, status = self._destination.server, connection.status
        if status >= 500:
            server.failed(f"it answered {status}")
        else:
            server.answered()
        if status >= 400 and self._repeats(connection):
            return False
        self.is_begun = True
        self.status, self.length = status, connection.length
        self._is_framed = connection.is_chunked or connection.length is not None
        self.headers = travelling(connection.headers)
        if self._repeated and status >= 400:
            self.headers = [pair for pair in self.headers if pair[0] != b"x-should-retry"]
            self.headers.append((b"x-should-retry", b"false"))
        self._read_along()
        return True

    def _repeats(self, connection: UpstreamConnection) -> bool:
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in connection.headers}
        said, status = headers.get("x-should-retry"), connection.status
        if not may_pass(status, said):
            return False
        asked_s = float("inf") if said == "false" else asked_wait_s(headers)
        self._leave_limit()
        self.connection = None
        if not self._again(asked_s, f"status {status}", may=self._may_repeat()):
            self.connection = connection
            return False
        connection.discard()
        return True

    def _read_along(self) -> None:
        facts = self.question.facts
        if facts.wire == "other":
            return
        kind = ""
        for name, value in self.headers:
            if name == b"content-type":
                kind = value.decode("latin-1")
            elif name == b"content-encoding":
                try:
                    self._decode = decoder_of(value.decode("latin-1"))
                except Undecodable:
                    return
        self.is_stream = kind.startswith("text/event-stream") or (
            facts.streams and "json" not in kind and self.status < 400
        )
        self._reading = AnswerReader(facts, self.status, {"content-type": kind})

    def _take(self, data: bytes, *, is_last: bool) -> None:
        if data:
            self.size += len(data)
            if self.is_stream and len(self._arrivals) < MOST_ARRIVALS:
                self._arrivals.append((self.size, clock.monotonic()))
            if self._reading is not None:
                self._unread.append(data)
                if not is_last and self.size > UNREAD_BYTES:
                    self._read()
            # Handed out by their place in here, also when nothing is recorded.
            self.chunks.append(data)

    @property
    def facts(self) -> AnswerFacts | None:
        """What the answer turned out to be; None before its end, and if it cannot be read."""
        if self.is_done and self._reading is not None:
            self._read_to_end()
        return self._facts

    def _read_to_end(self) -> AnswerFacts | None:
        self._read()
        reading, self._reading = self._reading, None
        if reading is not None:
            self._facts = reading.finish()
        return self._facts

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
        if self._facts is not None:
            self._facts = msgspec.structs.replace(
                self._facts, is_complete=False, may_keep=False, why_not=why
            )
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

    def _leave_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.leave()

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
        if self._give_up is not None:
            self._give_up()
            self._give_up = None
        if self._retrying is not None:
            self._retrying.cancel()
        self._leave_limit()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()

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

    def _note(
        self,
        action: str,
        detail: str | None,
        *,
        seconds: float | None = None,
        count: int | None = None,
    ) -> None:
        if events.listeners and self.readers:
            self.readers[0].note(action, detail, seconds=seconds, count=count)


_TIMES: Final = frozenset({"first byte", "between chunks"})
