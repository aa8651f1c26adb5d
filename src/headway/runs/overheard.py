"""Calls that two processes of a run tell of: their program, and a gateway that they pass through.

A gateway reads tool calls from conversations and sees model calls go by. Where the program, or a
proxy of its tools, records the same calls, it knows more of them (hits, waiting, errors), so its
word counts. Two records are of one call if the names agree and one lies within the other's time: a
gateway sees a tool from the answer that asks for it to the request that brings its result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from ..events import AnyEvent, CallEnded, CallStarted
from .time_use import MODEL, TOOL

SLACK_S = 0.05
"""Two processes read the clock in turn."""
_PROXY = "mcp."


class _Seen(NamedTuple):
    """A tool call in a conversation; without a result it goes on for ever."""

    call: str
    operation: str
    start: float
    end: float


def told_once(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> list[AnyEvent]:
    """The events *overheard* without those of calls that others have *told* of."""
    twice = _tools_twice(overheard, told) | _models_twice(overheard, told)
    return [event for event in overheard if getattr(event, "call", None) not in twice]


def _calls(events: Iterable[AnyEvent], kind: str) -> list[CallEnded]:
    found = (event for event in events if isinstance(event, CallEnded) and event.kind == kind)
    return sorted(found, key=_start)


def _by_name(calls: Iterable[CallEnded]) -> dict[str, list[CallEnded]]:
    found: dict[str, list[CallEnded]] = {}
    for call in calls:
        found.setdefault(call.operation, []).append(call)
    return found


def _start(call: CallEnded) -> float:
    return call.at - call.seconds


def _tools_twice(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> set[str]:
    by_name = _by_name(_calls(told, TOOL))
    twice: set[str] = set()
    for seen in _tools_seen(overheard):
        for name, candidates in by_name.items():
            if _is_same_tool(seen.operation, name) and _take_within(seen, candidates):
                twice.add(seen.call)
                break
    return twice


def _tools_seen(overheard: Sequence[AnyEvent]) -> list[_Seen]:
    """Those with a result first: their time says more."""
    ended = [
        _Seen(call.call, call.operation, _start(call), call.at) for call in _calls(overheard, TOOL)
    ]
    known = {seen.call for seen in ended}
    began = (event for event in overheard if isinstance(event, CallStarted) and event.kind == TOOL)
    return ended + [
        _Seen(event.call, event.operation, event.at, inf)
        for event in began
        if event.call not in known
    ]


def _is_same_tool(spoken: str, recorded: str) -> bool:
    """Programs give their model a plain name, or one with the server's before it."""
    short = recorded.rpartition(".")[2]
    return spoken == short or (recorded.startswith(_PROXY) and spoken.endswith(f"_{short}"))


def _take_within(window: _Seen, candidates: list[CallEnded]) -> bool:
    """Take the first of *candidates* that lies in the time of *window*, if there is one."""
    first = bisect_left(candidates, window.start - SLACK_S, key=_start)
    for number in range(first, len(candidates)):
        call = candidates[number]
        if _start(call) > window.end:
            return False
        if call.at <= window.end + SLACK_S:
            del candidates[number]
            return True
    return False


def _models_twice(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> set[str]:
    """One answer for each call told of; what failed in its time was an attempt of it."""
    ran = [call for call in _calls(told, MODEL) if call.source == "ran"]
    free, every = _by_name(ran), _by_name(ran)
    return {
        call.call
        for call in _calls(overheard, MODEL)
        if _take_around(call, (free if call.error is None else every).get(call.operation, []))
    }


def _take_around(inner: CallEnded, candidates: list[CallEnded]) -> bool:
    """Take the first of *candidates* in whose time *inner* lies, if there is one.

    A failure takes it from nobody.
    """
    for number, call in enumerate(candidates):
        if _start(call) > _start(inner) + SLACK_S:
            return False
        if call.at >= inner.at - SLACK_S:
            if inner.error is None:
                del candidates[number]
            return True
    return False
