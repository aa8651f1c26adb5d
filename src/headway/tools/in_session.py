"""InSession: what a tool reads is read once in a session; what it writes makes that void."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .. import events, settings
from ..call import Call, Operation, Place, Proceed
from ..errors import NoKey
from ..policies import note
from ..policies.privacy import refuse_nameless
from ..stores import Store
from ..stream import Stream
from .effects import UNKNOWN, Effects, canonical, tags_to_keep, tags_to_void
from .results import (
    Keeping,
    Question,
    Results,
    results_beside_sessions,
    void_after,
    void_before,
    void_beside,
)
from .session import (
    ScopeOfResults,
    Session,
    current_session,
    owner_in_key,
    reach_of,
    results_for,
)

log = logging.getLogger("headway.tools")

EffectsOf = Callable[[tuple[Any, ...], dict[str, Any]], Effects]
Keeps = Callable[[Any], bool]


class InSession:
    """Answers a call that only reads from the session around it; lets a write make results void.

    A write does so when it begins and when it ends, however it ends. Outside of any session, calls
    of scope ``"session"`` just run.

    Args:
        effects_of: what a call with given arguments reads and writes.
        keeping: how results are kept; None for not at all.
        scope: who may be given a result.
        store: where results rest, instead of in the session.
        always_reads: no call ever writes, so effects need not be asked before a look-up.
        keeps_of: which results of a call may be kept and shared; default: what its operation says.
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
        keeps_of: Callable[[Call], Keeps] | None = None,
    ) -> None:
        self._effects_of, self.keeping, self.scope = effects_of, keeping, scope
        self._own = None if store is None else results_beside_sessions(store)
        self._always_reads, self._keeps_of = always_reads, keeps_of
        self._off = settings.off_at_construction()
        self._has_warned = False

    def check(self, operation: Operation) -> None:
        """Refuse, on a shared store, a function without a name of its own."""
        if self._own is not None:
            refuse_nameless(operation, self._own.store)

    def effects(self, call: Call) -> Effects:
        """What *call* reads and writes; if that cannot be told, it may write anything."""
        try:
            return canonical(self._effects_of(call.args, call.kwargs))
        except Exception:
            log.warning(
                "%s: its effects cannot be told, so the call counts as a write of anything",
                call.operation.name,
                exc_info=True,
            )
            return UNKNOWN

    async def forget(self, call: Call) -> None:
        """Drop the result of *call* that is kept here, and keep none that is on its way."""
        results = self._own or results_for(self.scope)
        if results is not None and self.keeping is not None:
            await results.forget(self.keeping, call)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        effects = None if self._always_reads else self.effects(call)
        session = current_session()
        try:
            if effects is None or effects.is_read:
                return await self._read(call, proceed, effects, session)
            return await self._write(call, proceed, effects)
        finally:
            if session is not None:
                _count(session, call)

    async def _read(
        self, call: Call, proceed: Proceed, effects: Effects | None, session: Session | None
    ) -> Any:
        results = self._own or results_for(self.scope)
        if results is None or self.keeping is None or self._off or settings.switched_off:
            return await self._pass_by(call, proceed, results, session)
        try:
            call.key  # noqa: B018 - made now, and kept in the call
        except NoKey as error:
            return await self._without_key(call, proceed, error, session)
        if results.store.is_shared:
            refuse_nameless(call.operation, results.store)
        keeps = call.operation.keeps if self._keeps_of is None else self._keeps_of(call)
        asked = Question(
            lambda: tags_to_keep(self.effects(call) if effects is None else effects), keeps
        )
        began = results.written.count
        answer = await results.read(self.keeping, asked, call, proceed)
        if call.source == "hit":
            return answer
        if call.source == "joined" and keeps is not None and not keeps(answer):
            call.source = "ran"  # an error, say, is the answer of the one who asked
            return await proceed(call)
        if call.source == "ran":
            by = results.written.ran(call.key, asked.tags(), began)
            if by is not None and session is not None:
                session.tally(call.operation.name).note_voided(by)
        return answer

    async def _pass_by(
        self, call: Call, proceed: Proceed, results: Results | None, session: Session | None
    ) -> Any:
        if self._off or settings.switched_off:
            why = "switched off"
        else:
            why = "no session" if results is None else "cache = false"
        return await _bypassed(call, proceed, why, session)

    async def _without_key(
        self, call: Call, proceed: Proceed, error: NoKey, session: Session | None
    ) -> Any:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s runs each time, for its question has no key; name what does not belong to it "
                "by volatile=: %s",
                call.operation.name,
                error,
            )
        return await _bypassed(call, proceed, "no key", session)

    async def _write(self, call: Call, proceed: Proceed, effects: Effects) -> Any:
        tags = tags_to_void(effects)
        writing = _Writing(self, reach_of(self.scope), tags, call.operation.name)
        if events.listeners:
            note(call, "voided", detail="everything" if effects.exclusive else None)
        await void_before(writing.places(), tags)
        _writing.set(writing)
        try:
            answer = await proceed(call)
        except GeneratorExit:
            writing.is_over = True
            void_beside(writing.places(), tags)
            raise
        except BaseException:
            writing.is_over = True
            await void_after(writing.places(), tags)
            raise
        writing.is_over = True
        if isinstance(answer, Stream):
            answer.recording.when_done(lambda error: void_beside(writing.places(), tags))
        else:
            await void_after(writing.places(), tags)
        return answer


async def _bypassed(call: Call, proceed: Proceed, why: str, session: Session | None) -> Any:
    if session is not None:
        session.tally(call.operation.name).bypassed += 1
    if events.listeners:
        note(call, "bypassed", detail=why)
    return await proceed(call)


def _count(session: Session, call: Call) -> None:
    tally, source = session.tally(call.operation.name), call.source
    if source == "hit":
        tally.hit += 1
    elif source == "joined":
        tally.joined += 1
    else:
        tally.ran += 1


class _Writing:
    """A write under way, also for the threads that do it."""

    __slots__ = ("_places", "_reach", "_tool", "by", "is_over", "tags")

    def __init__(
        self,
        by: InSession,
        reach: Callable[[], tuple[Results, ...]],
        tags: tuple[str, ...],
        tool: str,
    ) -> None:
        self.by, self._reach, self.tags, self._tool = by, reach, tags, tool
        self._places: dict[Results, None] = {}
        self.is_over = False

    def places(self) -> tuple[Results, ...]:
        """Where it makes results void: also in sessions that were entered since it began."""
        for place in self._reach():
            if place not in self._places:
                place.written.note(self.tags, self._tool)
                self._places[place] = None
        return tuple(self._places)


_writing: ContextVar[_Writing | None] = ContextVar("headway.tools.writing", default=None)


def with_owner(operation: Operation, scope: ScopeOfResults) -> Operation:
    """*operation*, in whose keys stands whose result it is."""
    key_of = operation.key_of
    operation.key_of = lambda args, kwargs: (key_of(args, kwargs), owner_in_key(scope, operation))
    return operation


def to_the_end(run: Callable[..., Any], by: InSession) -> Callable[..., Any]:
    """*run*, a plain function, whose write makes results void when its thread is through.

    A thread cannot be stopped: it may go on writing after its caller was released by a time-out.
    """

    @functools.wraps(run)
    def on_its_thread(*args: Any, **kwargs: Any) -> Any:
        writing = _writing.get()
        try:
            return run(*args, **kwargs)
        finally:
            if writing is not None and writing.by is by and writing.is_over:
                void_beside(writing.places(), writing.tags)

    return on_its_thread
