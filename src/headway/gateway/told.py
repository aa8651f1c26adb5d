"""What listeners are told of an exchange; made only while somebody listens."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from .. import clock, events
from ..adapters.http.observe import ANSWERS_OF_A_MODEL, model_answered
from ..scope import new_call_id
from ..wire.exchange import AnswerFacts
from .asking import Asking
from .conversations import Conversations
from .flight import Flight
from .question import Question

log = logging.getLogger("headway.gateway")

TELL_S: Final = 0.01
AT_ONCE: Final = 16
"""So many steps are taken before whoever came meanwhile has a turn."""
MOST_UNTOLD: Final = 256
"""With so many, throughput is what counts: all of them are taken."""


class Telling:
    """Tells listeners, a moment later and many things at once: nobody's answer waits for it."""

    def __init__(self, conversations: Conversations) -> None:
        self.run: str | None = None
        self.conversations = conversations
        self._untold: deque[Callable[[], None]] = deque()
        self._next: asyncio.Handle | None = None

    def begin(self, asking: Asking, question: Question) -> Told:
        """An exchange begins now."""
        told = Told(self, asking, question)
        self.later(partial(told.tell_beginning, clock.now()))
        return told

    def later(self, step: Callable[[], None]) -> None:
        """Take *step*, which tells something, soon, and after all that is to be told before."""
        self._untold.append(step)
        if len(self._untold) >= MOST_UNTOLD:
            self._tell(MOST_UNTOLD)
        elif self._next is None:
            self._next = asyncio.get_running_loop().call_later(TELL_S, self._go_on)

    def now(self) -> None:
        """Tell all that is untold."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._tell(len(self._untold))

    def _go_on(self) -> None:
        self._tell(AT_ONCE)
        loop = asyncio.get_running_loop()
        self._next = loop.call_soon(self._go_on) if self._untold else None

    def _tell(self, count: int) -> None:
        untold = self._untold
        for _ in range(min(count, len(untold))):
            try:
                untold.popleft()()
            except Exception:
                log.exception("an exchange could not be told of")


class Told:
    """One exchange under observation, from its whole request to its end."""

    __slots__ = ("_parent", "_telling", "agent", "began", "call", "question")

    def __init__(self, telling: Telling, asking: Asking, question: Question) -> None:
        self._telling, self.question, self.call = telling, question, new_call_id()
        self.agent = question.agent or asking.agent or asking.key_name
        self.began = clock.monotonic()
        self._parent: str | None = None

    def tell_beginning(self, at: float) -> None:
        """Tell that it began, and what it says of its conversation."""
        question = self.question
        if question.spoken is not None:
            self._parent = self._telling.conversations.asked(question.spoken, self.agent, at)
        events.emit(
            events.CallStarted(
                at=at,
                run=self._telling.run,
                call=self.call,
                operation=question.operation,
                kind=_kind(question),
                key=question.digest,
                agent=self.agent,
                parent=self._parent,
            )
        )
        if question.why_bypassed is not None:
            self._tell_note(at, "bypassed", question.why_bypassed, None, None)

    def ended(self, source: str, flight: Flight | None, error: str | None) -> None:
        """The exchange is over."""
        status = None if flight is None or not flight.is_begun else flight.status
        first_at = None if flight is None else flight.first_content_at
        first_s = None if first_at is None else max(0.0, first_at - self.began)
        if error is None and status is not None and status >= 400:
            error = f"status {status}"
        # A whole answer is read when the client has it; of one broken off there is no more to come.
        answer = flight if flight is None or flight.is_done else flight.facts
        self._end(source, answer, status, error, first_s, None, None)

    def hit(self, facts: AnswerFacts, status: int, age_s: float, tier: str | None) -> None:
        """It was answered with what was kept."""
        self._end("hit", facts, status, None, None, age_s, tier)

    def _end(
        self,
        source: str,
        answer: Flight | AnswerFacts | None,
        status: int | None,
        error: str | None,
        first_s: float | None,
        age_s: float | None,
        tier: str | None,
    ) -> None:
        seconds = clock.monotonic() - self.began
        how = (clock.now(), seconds, source, answer, status, error, first_s, age_s, tier)
        self._telling.later(partial(self._tell_end, *how))

    def _tell_end(
        self,
        now: float,
        seconds: float,
        source: str,
        answer: Flight | AnswerFacts | None,
        status: int | None,
        error: str | None,
        first_s: float | None,
        age_s: float | None,
        tier: str | None,
    ) -> None:
        question = self.question
        events.emit(
            events.CallEnded(
                at=now,
                run=self._telling.run,
                call=self.call,
                operation=question.operation,
                kind=_kind(question),
                source=source,
                seconds=seconds,
                key=question.digest,
                agent=self.agent,
                parent=self._parent,
                age_s=age_s,
                first_chunk_s=first_s,
                error=error,
                cached=question.key is not None and question.way.policies.keeps,
                tier=tier,
            )
        )
        if question.facts.wire in ANSWERS_OF_A_MODEL:
            facts = answer.facts if isinstance(answer, Flight) else answer
            self._answered(source, facts, status, now)

    def _answered(
        self, source: str, facts: AnswerFacts | None, status: int | None, now: float
    ) -> None:
        if facts is not None and facts.tool_calls:
            self._telling.conversations.answered(facts, self.agent, now, self._parent)
        events.emit(
            model_answered(
                self.question.facts,
                facts,
                at=now,
                run=self._telling.run,
                call=self.call,
                operation=self.question.operation,
                source=source,
                agent=self.agent,
                status=status,
            )
        )

    def note(
        self,
        action: str,
        detail: str | None,
        *,
        seconds: float | None = None,
        count: int | None = None,
    ) -> None:
        """A policy did something to it."""
        what = (clock.now(), action, detail, seconds, count)
        self._telling.later(partial(self._tell_note, *what))

    def _tell_note(
        self,
        at: float,
        action: str,
        detail: str | None,
        seconds: float | None,
        count: int | None,
    ) -> None:
        events.emit(
            events.PolicyActed(
                at=at,
                run=self._telling.run,
                operation=self.question.operation,
                action=action,
                call=self.call,
                agent=self.agent,
                seconds=seconds,
                count=count,
                detail=detail,
            )
        )


def _kind(question: Question) -> str:
    return "http" if question.facts.wire in ("other", "models") else "model"
