"""What an exchange used, told to whoever listens; and the gate to the loop."""

from __future__ import annotations

from typing import Any

from ... import bridge, clock, events
from ...call import Call, Place, Proceed
from ...errors import UpstreamFailed
from ...policies.watch import note
from ...scope import Scope, current
from ...stream import Stream
from ...wire.exchange import Usage
from .answer import Head, head_of
from .exchange import Exchange, NotKept
from .plumbing import plain_name

_ANSWERS_OF_A_MODEL = frozenset(
    {"openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"}
)


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
        asked, facts = exchange.facts, None if head is None else head.facts
        if asked.wire not in _ANSWERS_OF_A_MODEL:
            return
        usage = facts.usage if facts is not None else Usage()
        events.emit(
            events.ModelAnswered(
                at=clock.now(),
                run=asked_by.run,
                call=asked_by.call,
                operation=call.operation.name,
                provider=asked.provider,
                model=plain_name(asked.model or (facts.model if facts is not None else "") or ""),
                source=call.source,
                agent=asked_by.agent,
                tokens_in=usage.tokens_in,
                tokens_cached=usage.tokens_cached,
                tokens_cache_written=usage.tokens_cache_written,
                tokens_out=usage.tokens_out,
                tokens_reasoning=usage.tokens_reasoning,
                finish_reason=facts.finish_reason if facts is not None else None,
                tool_calls=len(facts.tool_calls) if facts is not None else 0,
                status=head.status if head is not None else None,
                streamed=asked.streams,
                complete=facts is not None and facts.is_complete and not facts.is_error,
            )
        )


class OntoLoop:
    """Lets a caller without a loop leave for one; stands just inside ``Cache`` and ``Share``."""

    place = Place.SHARE

    async def around(self, call: Call, proceed: Proceed) -> Any:
        await bridge.on_a_loop()
        return await proceed(call)
