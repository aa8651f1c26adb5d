"""A session: whoever calls a tool inside it, agents and their agents, shares what was read."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from types import TracebackType
from typing import Literal

import msgspec

from ..call import Operation
from ..errors import BadSetup, HeadwayError
from ..scope import Scope
from ..scope import current as asking_here
from ..stores import Store
from .effects import Effects, tags_to_void
from .results import (
    Results,
    beside_sessions,
    everywhere,
    living,
    results_in,
    void_after,
)
from .tally import SessionStatistics, ToolStatistics
from .world import World

ScopeOfResults = Literal["session", "tenant", "global"]
"""Who may be given a result: everyone in the session, everyone of the tenant, everyone."""


class Session:
    """Results of tools and calls under way, shared by all that happens inside ``with``.

    Tasks and threads begun inside with the caller's context inherit it; a thread begun without
    enters it again: ``with the_session:``. Sessions inside a session keep results of their own, but
    a write in one of them makes void in all.
    """

    def __init__(self, name: str | None = None, *, store: Store | None = None) -> None:
        _refuse_wrong(name, store)
        self.name, self.id = name, name or secrets.token_hex(8)
        self.results = Results() if store is None else results_in(store)
        self._has_own_store = store is None
        self._tools: dict[str, ToolStatistics] = {}
        self._world = World()
        self._world.add(self.results)

    def __enter__(self) -> Session:
        here = _here.get()
        if here is not None:
            here.session._world.join(self._world)
        _here.set(_Here(self, here, asking_here.get()))
        if self.name is not None:
            asking_here.set(msgspec.structs.replace(asking_here.get(), session=self.name))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        here = _here.get()
        if here is None or here.session is not self:
            raise BadSetup(
                "a session is left where it was not entered; use it as `with session():`"
            )
        _here.set(here.outer)
        if self.name is not None:
            asking_here.set(here.scope)

    async def __aenter__(self) -> Session:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    async def invalidate(self, *resources: str) -> None:
        """Drop what was read of *resources*, such as ``"company:NVDA"`` or ``"files/*"``.

        As if a tool had just written them: what is being read now is not kept either.
        """
        tags = tags_to_void(Effects(writes=resources))
        self.results.written.note(tags, "invalidate")
        await void_after([self.results], tags)

    async def clear(self) -> None:
        """Drop everything that was kept, also what other sessions kept in the same store."""
        await self.results.clear()

    def tally(self, tool: str) -> ToolStatistics:
        """The counters of *tool*."""
        found = self._tools.get(tool)
        return self._tools.setdefault(tool, ToolStatistics()) if found is None else found

    def statistics(self) -> SessionStatistics:
        """How calls were answered so far, by tool."""
        tools = {name: one.copy() for name, one in tuple(self._tools.items())}
        return SessionStatistics(name=self.name, tools=tools)


class _Here:
    """A session that was entered, the one around it, and the scope outside."""

    __slots__ = ("outer", "scope", "session")

    def __init__(self, session: Session, outer: _Here | None, scope: Scope) -> None:
        self.session, self.outer, self.scope = session, outer, scope


_here: ContextVar[_Here | None] = ContextVar("headway.session", default=None)


def session(name: str | None = None, *, store: Store | None = None) -> Session:
    """A session for ``with`` or ``async with``: tools called inside share what they read.

    Args:
        name: with a *store* that other processes use too, sessions of one name share; without a
            name a session shares with nobody outside it.
        store: where results rest, such as ``open_store("disk")``; default: memory of its own.
    """
    return Session(name, store=store)


def current_session() -> Session | None:
    """The session around, None if there is none."""
    here = _here.get()
    return None if here is None else here.session


def results_for(scope: ScopeOfResults) -> Results | None:
    """Where results of *scope* rest here; None outside of any session if they belong to one."""
    here = _here.get()
    if scope == "session":
        return None if here is None else here.session.results
    while here is not None:
        if not here.session._has_own_store:
            return here.session.results
        here = here.outer
    return everywhere()


def reach_of(scope: ScopeOfResults) -> Callable[[], tuple[Results, ...]]:
    """Tells, whenever it is asked, where a write of *scope* that is made here makes results void.

    A write that is of no session, or for more than one, reaches all.
    """
    here = _here.get()
    if here is None or scope != "session":
        return lambda: (everywhere(), *living())
    world = here.session._world
    return lambda: (everywhere(), *beside_sessions(), *world.results())


def owner_in_key(scope: ScopeOfResults, of: Operation) -> Hashable:
    """The part of a key that says whose result it is.

    Raises:
        HeadwayError: the scope is ``"tenant"`` and none is set.
    """
    asking = asking_here.get()
    if scope == "session":
        here = _here.get()
        return ("session", here and here.session.id, asking.session, asking.tenant)
    if scope == "global":
        return ("global",)
    if asking.tenant is None:
        raise HeadwayError(
            f'{of.name}: a tool of scope="tenant" was called and no tenant is set; '
            "wrap the call in `with headway.scope(tenant=...)`"
        )
    return ("tenant", asking.tenant)


def _refuse_wrong(name: object, store: object) -> None:
    if name is not None and (not isinstance(name, str) or not name):
        raise BadSetup(f"session({name!r}): a name is a text that is not empty; or leave it out")
    if isinstance(store, type):
        raise BadSetup(f"session(store={store.__name__}): give an object, {store.__name__}()")
