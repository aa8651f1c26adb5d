"""Calls of tools that may change something: from their start to the server's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from .. import clock, events
from ..events import Touched
from ..scope import current, new_call_id
from ..tools import UNKNOWN, Effects
from ..wire.json_rpc import Id, Message
from .answers import worth_of


class _Write(NamedTuple):
    call: str
    tool: str
    effects: Effects
    began: float


MOST_CANCELLED = 1_000
"""So many cancelled writes are remembered, for an answer that comes all the same."""


class Writes:
    """The writes that the server has not confirmed; listeners hear of each as of any call."""

    def __init__(self) -> None:
        self._open: dict[Id, _Write] = {}
        self._cancelled: dict[Id, None] = {}

    def begin(self, id: Id, tool: str, effects: Effects) -> None:
        """The server is about to get the call *id*."""
        write = self._open[id] = _Write(new_call_id(), tool, effects, clock.monotonic())
        if events.listeners:
            asked_by = current.get()
            events.emit(
                events.CallStarted(
                    at=clock.now(),
                    run=asked_by.run,
                    call=write.call,
                    operation=f"mcp.{tool}",
                    kind="tool",
                    agent=asked_by.agent,
                    parent=asked_by.call,
                )
            )

    def end(self, id: Id, seen: Message) -> Effects:
        """The server has answered the call *id*; what that call writes."""
        write = self._open.pop(id)
        self._cancelled.pop(id, None)
        if events.listeners:
            asked_by = current.get()
            has_failed = seen.result is UNSET or worth_of(seen.result) == "failed"
            events.emit(
                events.CallEnded(
                    at=clock.now(),
                    run=asked_by.run,
                    call=write.call,
                    operation=f"mcp.{write.tool}",
                    kind="tool",
                    source="ran",
                    seconds=clock.monotonic() - write.began,
                    agent=asked_by.agent,
                    parent=asked_by.call,
                    error="ToolFailed" if has_failed else None,
                    cached=False,
                    effects=_touched(write.effects),
                )
            )
        return write.effects

    def cancel(self, id: Id) -> Id | None:
        """The client has let go of the call *id*; gives one that is not worth waiting for now."""
        self._cancelled[id] = None
        return next(iter(self._cancelled)) if len(self._cancelled) > MOST_CANCELLED else None

    def is_cancelled(self, id: Id) -> bool:
        """Whether the client has let go of the call *id*, and the server has not answered."""
        return id in self._cancelled

    def of(self, id: Id) -> Effects | None:
        """What the call *id* writes; None if it is no open write."""
        write = self._open.get(id)
        return None if write is None else write.effects

    def all(self) -> Effects | None:
        """What all open writes together may have written; None if there are none."""
        return together([write.effects for write in self._open.values()])


def together(effects: Sequence[Effects]) -> Effects | None:
    """What all of *effects* write; None if there are none."""
    if not effects:
        return None
    if any(one.exclusive for one in effects):
        return UNKNOWN
    return Effects(writes=tuple(resource for one in effects for resource in one.writes))


def _touched(effects: Effects) -> Touched:
    return Touched.of(effects.reads, effects.writes, exclusive=effects.exclusive)
