"""Who is asking: run, agent, session, tenant, call, priority, in one context variable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count

import msgspec

from . import clock, events
from .errors import BadSetup, refuse_unless_whole

HIGH, NORMAL, LOW = 0, 1, 2
"""Priorities of a call at a limit: lower numbers go first."""


class Scope(msgspec.Struct, frozen=True):
    """Where a call stands; ``call`` is the id of the call around it, its parent."""

    run: str | None = None
    agent: str | None = None
    session: str | None = None
    tenant: str | None = None
    call: str | None = None
    priority: int = NORMAL
    private: bool = False


current: ContextVar[Scope] = ContextVar(
    "headway.scope", default=Scope(run=os.environ.get("HEADWAY_RUN"))
)

# Ids stay unique when several processes write into one run.
_process = os.urandom(3).hex()
os.register_at_fork(after_in_child=lambda: globals().update(_process=os.urandom(3).hex()))
_numbers = count(1)


def new_call_id() -> str:
    """An id for one call, unique among all processes of a run."""
    return f"{_process}.{next(_numbers)}"


def new_run_id() -> str:
    """An id for a run: sorts by nothing, repeats never."""
    return os.urandom(8).hex()


@contextmanager
def scope(
    *,
    run: str | None = None,
    agent: str | None = None,
    session: str | None = None,
    tenant: str | None = None,
    priority: int | None = None,
    private: bool | None = None,
) -> Iterator[Scope]:
    """Name who is asking for every call made in the block; what is not given stays as it was.

    Answers made under ``private=True`` are kept in this process's memory and nowhere else.
    """
    for name, value in (("run", run), ("agent", agent), ("session", session), ("tenant", tenant)):
        if value is not None and (type(value) is not str or not value):
            raise BadSetup(
                f"scope({name}={value!r}); use a text that is not empty, or leave it out"
            )
    if priority is not None:
        refuse_unless_whole("scope(priority=...)", priority, least=0)
    if private not in (None, True, False):
        raise BadSetup(f"scope(private={private!r}); use True or False, or leave it out")
    before = current.get()
    inside = Scope(
        run=run if run is not None else before.run,
        agent=agent if agent is not None else before.agent,
        session=session if session is not None else before.session,
        tenant=tenant if tenant is not None else before.tenant,
        call=before.call,
        priority=priority if priority is not None else before.priority,
        private=private if private is not None else before.private,
    )
    token = current.set(inside)
    try:
        yield inside
    finally:
        current.reset(token)


def progress(text: str, *, done: float | None = None, total: float | None = None) -> None:
    """Tell whoever listens how far the work is; costs one truth test if nobody does."""
    if events.listeners:
        here = current.get()
        events.emit(
            events.Progress(
                at=clock.now(), run=here.run, text=text, agent=here.agent, done=done, total=total
            )
        )
