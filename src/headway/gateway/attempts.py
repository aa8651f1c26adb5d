"""The attempts at one question: servers in turn, places at limits, repetitions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from .. import clock, events
from ..errors import LimitExceeded
from ..policies import Limit
from ..policies.retry import asked_wait_s, may_pass
from .asking import Asking
from .question import Question
from .reader import Reader
from .refusal import Refusal, fault
from .routing import rewritten
from .upstream import UpstreamConnection
from .way import Destination
from .wheel import NEVER

log = logging.getLogger("headway.gateway")


class Attempts:
    """Asks the servers of a question, one after another, until one of them answers.

    A ``Flight`` is this and what becomes of the answer: it is the receiver of the connections.

    Attributes:
        readers: Who waits for the answer. The first one's request is what is sent.
        connection: On which the request went out; None before, between, and afterwards.
    """

    __slots__ = (
        *("_attempt", "_at", "_destination", "_give_up", "_has_resent", "_limit", "_repeated"),
        *("_retrying", "body", "connection", "question", "readers"),
    )

    def __init__(self, question: Question, leader: Reader) -> None:
        self.question, self.body = question, leader.body
        self.readers: list[Reader] = [leader]
        self.connection: UpstreamConnection | None = None
        self._at = 0
        self._attempt = 1
        self._destination: Destination = question.way.destinations[0]
        self._limit: Limit | None = None
        self._give_up: Callable[[], object] | None = None
        self._retrying: Any = None
        self._has_resent = self._repeated = False

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

    def _accepts(self, connection: UpstreamConnection) -> bool:
        """Whether this answer, whose head is there, is the one; if not, the next attempt begins.

        The server's health is told either way.
        """
        server, status = self._destination.server, connection.status
        if status >= 500:
            server.failed(f"it answered {status}")
        else:
            server.answered()
        return status < 400 or not self._asks_again_after(connection)

    def _asks_again_after(self, connection: UpstreamConnection) -> bool:
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

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        """The server cannot be reached."""
        self._give_up = None
        server = self._destination.server
        server.failed(why)
        status, reason = (504, "connect_timeout") if is_late else (502, "upstream_unreachable")
        self._lost(Refusal(status, reason, f"{server.name}: {why}", None, True), was_sent=False)

    def on_lost(self, connection: UpstreamConnection, why: str) -> None:
        """The connection broke off before an answer began, or its time is over."""
        self.connection = None
        server = self._destination.server
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

    def _stop(self) -> None:
        """Whatever is under way is given up."""
        if self._give_up is not None:
            self._give_up()
            self._give_up = None
        if self._retrying is not None:
            self._retrying.cancel()
        self._leave_limit()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()

    def _leave_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.leave()

    def on_answer(self, connection: UpstreamConnection) -> None:
        """Something came: for whoever derives from this."""
        raise NotImplementedError

    def _fail(self, refusal: Refusal) -> None:
        """There is no answer: for whoever derives from this."""
        raise NotImplementedError

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
