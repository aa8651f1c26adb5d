"""InSession: what a tool reads is read once in a session; what it writes makes that void."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .. import events, settings
from ..call import Call, Operation, Place, Proceed
from ..policies import note
from ..policies.privacy import refuse_local
from ..stores import Store
from ..stream import Stream
from .effects import UNKNOWN, Effects, tags_to_keep, tags_to_void
from .results import (
    Keeping,
    Question,
    Results,
    results_in,
    void_after,
    void_before,
    void_beside,
)
from .session import ScopeOfResults, current_session, owner_in_key, results_for, results_reached

log = logging.getLogger("headway.tools")

EffectsOf = Callable[[Call], Effects]


class InSession:
    """Answers a call that only reads from the session around it; lets a write make results void.

    A write does so when it begins and when it ends, however it ends. Outside of any session, calls
    of scope ``"session"`` just run.
    """

    place = Place.CACHE

    def __init__(
        self,
        effects_of: EffectsOf,
        keeping: Keeping | None,
        *,
        scope: ScopeOfResults = "session",
        store: Store | None = None,
        always_reads: bool = False,
        keeps_of: Callable[[Call], Callable[[Any], bool]] | None = None,
    ) -> None:
        self._effects_of, self.keeping, self.scope = effects_of, keeping, scope
        self._own = None if store is None else results_in(store)
        self._always_reads, self._keeps_of = always_reads, keeps_of
        self._off = settings.off_at_construction()

    def check(self, operation: Operation) -> None:
        """Refuse, on a shared store, a function without a name of its own."""
        if self._own is not None:
            refuse_local(operation, self._own.store)

    def effects_of(self, call: Call) -> Effects:
        """What *call* reads and writes; if that cannot be told, it may write anything."""
        try:
            return self._effects_of(call)
        except Exception:
            log.warning(
                "%s: its effects cannot be told, so the call counts as a write of anything",
                call.operation.name,
                exc_info=True,
            )
            return UNKNOWN

    async def around(self, call: Call, proceed: Proceed) -> Any:
        effects = None if self._always_reads else self.effects_of(call)
        if effects is None or effects.is_read:
            return await self._read(call, proceed, effects)
        return await self._write(call, proceed, effects)

    async def _read(self, call: Call, proceed: Proceed, effects: Effects | None) -> Any:
        results = self._own or results_for(self.scope)
        if self._off or settings.switched_off or results is None or self.keeping is None:
            return await self._bypass(call, proceed, results)
        session = current_session()
        asked = Question(
            lambda: tags_to_keep(self.effects_of(call) if effects is None else effects),
            None if self._keeps_of is None else self._keeps_of(call),
        )
        answer = await results.read(self.keeping, asked, call, proceed)
        if session is not None:
            session.tally(call.operation.name)
        return answer

    async def _bypass(self, call: Call, proceed: Proceed, results: Results | None) -> Any:
        if events.listeners and results is None:
            note(call, "bypassed", detail="no session")
        return await proceed(call)

    async def _write(self, call: Call, proceed: Proceed, effects: Effects) -> Any:
        places, tags = self._reached(), tags_to_void(effects)
        await void_before(places, tags)
        try:
            answer = await proceed(call)
        except GeneratorExit:
            void_beside(places, tags)
            raise
        except BaseException:
            await void_after(places, tags)
            raise
        if isinstance(answer, Stream):
            answer.recording.when_done(lambda error: void_beside(places, tags))
        else:
            await void_after(places, tags)
        return answer

    def _reached(self) -> tuple[Results, ...]:
        reached = results_reached(self.scope)
        return tuple(dict.fromkeys(reached if self._own is None else (*reached, self._own)))


def with_owner(operation: Operation, scope: ScopeOfResults) -> Operation:
    """*operation*, in whose keys stands whose result it is."""
    key_of = operation.key_of
    operation.key_of = lambda args, kwargs: (key_of(args, kwargs), owner_in_key(scope))
    return operation
