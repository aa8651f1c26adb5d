"""Watch: say when a call began and how it ended, to whoever listens."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import msgspec

from .. import clock, events
from ..call import Call, Place, Proceed
from ..keys import digest
from ..scope import current, new_call_id
from ..stream import Stream


class Watch:
    """Times every call and tells listeners; with nobody listening it costs one truth test."""

    place = Place.WATCH

    def around(self, call: Call, proceed: Proceed) -> Coroutine[Any, Any, Any]:
        # No coroutine of its own around a call that nobody watches: a tenth of a cache hit.
        return _watched(call, proceed) if events.listeners else proceed(call)


async def _watched(call: Call, proceed: Proceed) -> Any:
    return await _Watched(call).see(proceed)


class _Watched:
    """One call under observation."""

    def __init__(self, call: Call) -> None:
        self.call, self.id, self.asked_by = call, new_call_id(), current.get()
        self.key, self.touched = _digest(call), _touched(call)
        self.began = clock.monotonic()
        operation = call.operation
        events.emit(
            events.CallStarted(
                at=clock.now(),
                run=self.asked_by.run,
                call=self.id,
                operation=operation.name,
                kind=operation.kind,
                key=self.key,
                agent=self.asked_by.agent,
                parent=self.asked_by.call,
            )
        )

    async def see(self, proceed: Proceed) -> Any:
        token = current.set(msgspec.structs.replace(self.asked_by, call=self.id))
        try:
            answer = await proceed(self.call)
        except BaseException as error:
            self.ended(error)
            raise
        finally:
            current.reset(token)
        if isinstance(answer, Stream):
            first_chunk_s = clock.monotonic() - self.began
            answer.recording.when_done(lambda error: self.ended(error, first_chunk_s))
        else:
            self.ended(None)
        return answer

    def ended(self, error: BaseException | None, first_chunk_s: float | None = None) -> None:
        call, operation = self.call, self.call.operation
        events.emit(
            events.CallEnded(
                at=clock.now(),
                run=self.asked_by.run,
                call=self.id,
                operation=operation.name,
                kind=operation.kind,
                source=call.source,
                seconds=clock.monotonic() - self.began,
                key=self.key,
                agent=self.asked_by.agent,
                parent=self.asked_by.call,
                age_s=call.age_s,
                first_chunk_s=first_chunk_s,
                error=None if error is None else type(error).__name__,
                cached=any(policy.place is Place.CACHE for policy in operation.policies),
                tier=call.tier,
                effects=self.touched,
            )
        )


def _digest(call: Call) -> str | None:
    try:
        return digest(call.key)
    except Exception:  # watching must not fail a call that would pass without
        return None


def _touched(call: Call) -> events.Touched | None:
    """What the call reads and writes, if one of its policies knows: it has ``effects(call)``."""
    for policy in call.operation.policies:
        if (effects_of := getattr(policy, "effects", None)) is not None:
            try:
                said = effects_of(call)
                return events.Touched.of(said.reads, said.writes, exclusive=said.exclusive)
            except Exception:  # as above
                return None
    return None


def note(
    call: Call,
    action: str,
    *,
    seconds: float | None = None,
    count: int | None = None,
    detail: str | None = None,
) -> None:
    """Tell listeners what a policy did; call it only if ``events.listeners``."""
    here = current.get()
    events.emit(
        events.PolicyActed(
            at=clock.now(),
            run=here.run,
            operation=call.operation.name,
            action=action,
            call=here.call,
            agent=here.agent,
            seconds=seconds,
            count=count,
            detail=detail,
        )
    )
