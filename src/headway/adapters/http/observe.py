"""What an exchange used, told to whoever listens; and the gate to the loop."""

from __future__ import annotations

from typing import Any, Final

from ... import bridge, clock, events
from ...call import Call, Place, Proceed
from ...errors import UpstreamFailed
from ...policies.watch import note
from ...scope import Scope, current
from ...stream import Stream
from ...wire.exchange import AnswerFacts, RequestFacts, Usage
from .answer import Head, head_of
from .exchange import Exchange, NotKept
from .plumbing import plain_name

ANSWERS_OF_A_MODEL: Final = frozenset(
    {"openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"}
)
_NO_USAGE: Final = Usage()


class Observe:
    """Emits ``ModelAnswered`` once for every exchange, at its end; stands just inside ``Watch``."""

    place = Place.WATCH

    def __init__(self, why_bypassed: str | None = None) -> None:
        self._why_bypassed = why_bypassed

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if not events.listeners:
            return await proceed(call)
        exchange: Exchange = call.args[0]
        asked_by = current.get()
        if self._why_bypassed is not None:
            note(call, "bypassed", detail=self._why_bypassed)
        try:
            answer = await proceed(call)
        except NotKept:
            raise
        except UpstreamFailed as failed:
            self._answered(call, exchange, asked_by, getattr(failed.response, "head", None))
            raise
        except Exception:
            cut = exchange.cut_short
            self._answered(call, exchange, asked_by, None if cut is None else cut.head)
            raise
        head = head_of(answer)
        if isinstance(answer, Stream):
            answer.recording.when_done(lambda error: self._answered(call, exchange, asked_by, head))
        else:
            self._answered(call, exchange, asked_by, head)
        return answer

    @staticmethod
    def _answered(call: Call, exchange: Exchange, asked_by: Scope, head: Head | None) -> None:
        if exchange.facts.wire in ANSWERS_OF_A_MODEL:
            events.emit(
                model_answered(
                    exchange.facts,
                    None if head is None else head.facts,
                    at=clock.now(),
                    run=asked_by.run,
                    call=asked_by.call,
                    operation=call.operation.name,
                    source=call.source,
                    agent=asked_by.agent,
                    status=head.status if head is not None else None,
                )
            )


def model_answered(
    asked: RequestFacts,
    facts: AnswerFacts | None,
    *,
    at: float,
    run: str | None,
    call: str | None,
    operation: str,
    source: str,
    agent: str | None,
    status: int | None,
) -> events.ModelAnswered:
    """The event of an exchange that has ended; *facts* are of its answer, None if there is none."""
    usage = facts.usage if facts is not None else _NO_USAGE
    return events.ModelAnswered(
        at=at,
        run=run,
        call=call,
        operation=operation,
        provider=asked.provider,
        model=plain_name(asked.model or (facts.model if facts is not None else "") or ""),
        source=source,
        agent=agent,
        tokens_in=usage.tokens_in,
        tokens_cached=usage.tokens_cached,
        tokens_cache_written=usage.tokens_cache_written,
        tokens_out=usage.tokens_out,
        tokens_reasoning=usage.tokens_reasoning,
        finish_reason=facts.finish_reason if facts is not None else None,
        tool_calls=len(facts.tool_calls) if facts is not None else 0,
        status=status,
        streamed=asked.streams,
        complete=facts is not None and facts.is_complete and not facts.is_error,
    )


class OntoLoop:
    """Lets a caller without a loop leave for one; stands just inside ``Cache`` and ``Share``."""

    place = Place.SHARE

    async def around(self, call: Call, proceed: Proceed) -> Any:
        await bridge.on_a_loop()
        return await proceed(call)
