"""What listeners are told of an exchange; made only while somebody listens."""

from __future__ import annotations

from functools import lru_cache

from .. import clock, events
from ..adapters.http.plumbing import plain_name
from ..scope import new_call_id
from ..wire.exchange import AnswerFacts, Usage
from .asking import Asking
from .conversations import Conversations
from .flight import Flight
from .routing import Question

_ANSWERS_OF_A_MODEL = frozenset(
    {"openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"}
)


class Told:
    """One exchange under observation, from its whole request to its end."""

    __slots__ = ("_conversations", "_parent", "agent", "began", "call", "question", "run")

    def __init__(
        self, run: str | None, asking: Asking, question: Question, conversations: Conversations
    ) -> None:
        now = clock.now()
        self.run, self.question, self.call = run, question, new_call_id()
        self.agent = question.agent or asking.agent or asking.key_name
        self.began = clock.monotonic()
        self._conversations = conversations
        self._parent: str | None = None
        if question.spoken is not None:
            self._parent = conversations.asked(question.spoken, self.agent, now)
        events.emit(
            events.CallStarted(
                at=now,
                run=run,
                call=self.call,
                operation=question.operation,
                kind=_kind(question),
                key=question.digest,
                agent=self.agent,
                parent=self._parent,
            )
        )
        if question.why_bypassed is not None:
            self.note("bypassed", question.why_bypassed)

    def ended(self, source: str, flight: Flight | None, error: str | None) -> None:
        """The exchange is over."""
        facts = None if flight is None else flight.facts
        status = None if flight is None or not flight.is_begun else flight.status
        first_s = None
        if flight is not None and flight.size:
            first_s = max(0.0, flight.first_byte_at - self.began)
        if error is None and status is not None and status >= 400:
            error = f"status {status}"
        self._end(source, facts, status, error, first_s, None, None)

    def hit(self, facts: AnswerFacts, status: int, age_s: float, tier: str | None) -> None:
        """It was answered with what was kept."""
        self._end("hit", facts, status, None, None, age_s, tier)

    def _end(
        self,
        source: str,
        facts: AnswerFacts | None,
        status: int | None,
        error: str | None,
        first_s: float | None,
        age_s: float | None,
        tier: str | None,
    ) -> None:
        question, now = self.question, clock.now()
        events.emit(
            events.CallEnded(
                at=now,
                run=self.run,
                call=self.call,
                operation=question.operation,
                kind=_kind(question),
                source=source,
                seconds=clock.monotonic() - self.began,
                key=question.digest,
                agent=self.agent,
                parent=self._parent,
                age_s=age_s,
                first_chunk_s=first_s if question.facts.streams else None,
                error=error,
                cached=question.key is not None and question.way.policies.keeps,
                tier=tier,
            )
        )
        if question.facts.wire in _ANSWERS_OF_A_MODEL:
            self._answered(source, facts, status, now)

    def _answered(
        self, source: str, facts: AnswerFacts | None, status: int | None, now: float
    ) -> None:
        asked = self.question.facts
        usage = facts.usage if facts is not None else _NO_USAGE
        calls = facts.tool_calls if facts is not None else ()
        if facts is not None and calls:
            self._conversations.answered(facts, self.agent, now, self._parent)
        events.emit(
            events.ModelAnswered(
                at=now,
                run=self.run,
                call=self.call,
                operation=self.question.operation,
                provider=asked.provider,
                model=_plain(asked.model or (facts.model if facts is not None else "") or ""),
                source=source,
                agent=self.agent,
                tokens_in=usage.tokens_in,
                tokens_cached=usage.tokens_cached,
                tokens_cache_written=usage.tokens_cache_written,
                tokens_out=usage.tokens_out,
                tokens_reasoning=usage.tokens_reasoning,
                finish_reason=facts.finish_reason if facts is not None else None,
                tool_calls=len(calls),
                status=status,
                streamed=asked.streams,
                complete=facts is not None and facts.is_complete and not facts.is_error,
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
        events.emit(
            events.PolicyActed(
                at=clock.now(),
                run=self.run,
                operation=self.question.operation,
                action=action,
                call=self.call,
                agent=self.agent,
                seconds=seconds,
                count=count,
                detail=detail,
            )
        )


_NO_USAGE = Usage()
_plain = lru_cache(maxsize=1024)(plain_name)


def _kind(question: Question) -> str:
    return "http" if question.facts.wire in ("other", "models") else "model"
