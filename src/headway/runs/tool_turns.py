"""Tools that ran in turn and could have overlapped, because neither lies in the other's way.

Only calls of one turn are compared: calls that an agent made at one level with no model asked in
between, so that none was asked because of another's answer. A program that computes one call from
another's answer is the exception that no record shows. A tool that nobody declared is an exclusive
write and overlaps nothing, unless there is a cache before it: its author lets it not run at all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..events import CallEnded
from ..tools.effects import UNKNOWN, Effects
from .agent_time import Lane
from .intervals import length, union
from .shortest import least_s
from .spans import Span
from .time_use import MODEL, TOOL

LEAST_S = 0.001
"""Shorter calls are not worth running side by side."""
MOST_TURNS = 10
MOST_NAMED = 8
_READ_OF_WHO_KNOWS_WHAT = Effects(reads=("*",))


class ToolTurn(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of tools in one turn of an agent that took longer than their effects ask for."""

    agent: str | None
    """The path of the agent."""
    inside: str | None
    """The operation around them."""
    calls: int
    tools: tuple[str, ...]
    """Different ones, in order of time, the first few."""
    ids: tuple[str, ...]
    """Of the calls, the first few."""
    took_s: float
    saved_s_estimated: float
    """What is left of ``took_s`` if only calls that conflict wait for each other, taken off it."""


class InTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What ran in turn among tools."""

    turns: tuple[ToolTurn, ...]
    """Those with most to save; they do not add up, for a turn may lie inside a call of another."""
    exclusive: tuple[str, ...]
    """Tools that ran alone in a turn with others: declared exclusive, or not declared at all."""


def tools_in_turn(lanes: Iterable[Lane]) -> InTurn:
    """The turns of all agents in which tools waited for each other without need."""
    found: list[ToolTurn] = []
    exclusive: set[str] = set()
    for lane in lanes:
        for inside, turn in _turns(lane):
            if (told := _told(lane.agent, inside, turn)) is not None:
                found.append(told)
            exclusive.update(_exclusive(turn))
    found.sort(key=lambda turn: -turn.saved_s_estimated)
    return InTurn(turns=tuple(found[:MOST_TURNS]), exclusive=tuple(sorted(exclusive)))


def _turns(lane: Lane) -> Iterator[tuple[Span | None, list[Span]]]:
    """Calls of two or more tools that one turn asked for, with the call around them."""
    asked = sorted(span.start for span in lane.spans if span.call.kind == MODEL)
    turns: dict[tuple[int, int], tuple[Span | None, list[Span]]] = {}
    for span in lane.spans:
        if span.call.kind == TOOL and span.call.source == "ran" and span.seconds >= LEAST_S:
            which = (id(span.around), bisect_right(asked, span.start))
            turns.setdefault(which, (span.around, []))[1].append(span)
    for parent, turn in turns.values():
        if len(turn) > 1:
            yield parent, sorted(turn, key=lambda span: span.start)


def _told(agent: str | None, inside: Span | None, turn: Sequence[Span]) -> ToolTurn | None:
    took_s = _took_s(turn)
    seconds = [span.seconds for span in turn]
    saved_s = took_s - least_s([effects_of(span.call) for span in turn], seconds)
    if saved_s < LEAST_S:
        return None
    return ToolTurn(
        agent=agent,
        inside=inside.call.operation if inside else None,
        calls=len(turn),
        tools=tuple(dict.fromkeys(span.call.operation for span in turn))[:MOST_NAMED],
        ids=tuple(span.call.call for span in turn)[:MOST_NAMED],
        took_s=took_s,
        saved_s_estimated=saved_s,
    )


def _took_s(turn: Sequence[Span]) -> float:
    return length(union(span.interval for span in turn))


def _exclusive(turn: Sequence[Span]) -> list[str]:
    """Tools of *turn* that held it up because they may write anything."""
    if _took_s(turn) - max(span.seconds for span in turn) < LEAST_S:
        return []
    return [span.call.operation for span in turn if effects_of(span.call).exclusive]


def declared(call: CallEnded) -> Effects | None:
    """What *call* said that it touches; None if it said nothing."""
    touched = call.effects
    if touched is None:
        return None
    return Effects(reads=touched.reads, writes=touched.writes, exclusive=touched.exclusive)


def effects_of(call: CallEnded) -> Effects:
    """What *call* may have touched, for all that is known."""
    if (said := declared(call)) is not None:
        return said
    return _READ_OF_WHO_KNOWS_WHAT if call.cached else UNKNOWN
