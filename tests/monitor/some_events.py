"""Events to be heard, with what a test does not care about filled in."""

import itertools

from headway.events import CallEnded, CallStarted, ModelAnswered, PolicyActed

NOW = 1_790_000_000.0
_numbers = itertools.count()


def started(call: str, kind: str = "model", at: float = NOW) -> CallStarted:
    return CallStarted(at=at, run=None, call=call, operation="ask", kind=kind)


def ended(
    operation: str = "ask",
    *,
    call: str | None = None,
    kind: str = "model",
    source: str = "ran",
    seconds: float = 1.0,
    at: float = NOW,
    first_chunk_s: float | None = None,
    error: str | None = None,
    agent: str | None = None,
) -> CallEnded:
    return CallEnded(
        at=at,
        run=None,
        call=call or f"call.{next(_numbers)}",
        operation=operation,
        kind=kind,
        source=source,
        seconds=seconds,
        first_chunk_s=first_chunk_s,
        error=error,
        agent=agent,
    )


def answered(
    model: str = "gpt-x",
    *,
    provider: str = "openai",
    source: str = "ran",
    agent: str | None = None,
    sent: int | None = 1000,
    cached: int | None = 0,
    written: int | None = 0,
    made: int | None = 100,
    reasoning: int | None = 0,
    status: int | None = 200,
    complete: bool = True,
    at: float = NOW,
) -> ModelAnswered:
    return ModelAnswered(
        at=at,
        run=None,
        call="call",
        operation="ask",
        provider=provider,
        model=model,
        source=source,
        agent=agent,
        tokens_in=sent,
        tokens_cached=cached,
        tokens_cache_written=written,
        tokens_out=made,
        tokens_reasoning=reasoning,
        status=status,
        complete=complete,
    )


def acted(action: str, operation: str = "ask") -> PolicyActed:
    return PolicyActed(at=NOW, run=None, operation=operation, action=action)
