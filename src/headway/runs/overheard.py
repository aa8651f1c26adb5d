"""Calls that two processes of a run tell of: their program, and a gateway that they pass through.

A gateway reads tool calls from conversations and sees model calls go by. Where the program, or a
proxy of its tools, records the same calls, it knows more of them (hits, waiting, errors), so its
word counts. Two records are of one call if the names agree and one lies within the other's time: a
gateway sees a tool from the answer that asks for it to the request that brings its result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from ..events import AnyEvent, CallEnded
from .time_use import MODEL, TOOL

SLACK_S = 0.05
"""Two processes read the clock in turn."""
_PROXY = "mcp."


def told_once(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> list[AnyEvent]:
    """The events *overheard* without those of calls that others have *told* of."""
    twice = _tools_twice(overheard, told) | _models_twice(overheard, told)
    return [event for event in overheard if getattr(event, "call", None) not in twice]


def _calls(events: Iterable[AnyEvent], kind: str) -> list[CallEnded]:
    found = (event for event in events if isinstance(event, CallEnded) and event.kind == kind)
    return sorted(found, key=_start)


def _start(call: CallEnded) -> float:
    return call.at - call.seconds


def _tools_twice(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> set[str]:
    by_name: dict[str, list[CallEnded]] = {}
    for call in _calls(told, TOOL):
        by_name.setdefault(call.operation, []).append(call)
    twice: set[str] = set()
    for call in _calls(overheard, TOOL):
        for name, candidates in by_name.items():
            if _is_same_tool(call.operation, name) and _take_within(call, candidates):
                twice.add(call.call)
                break
    return twice


def _is_same_tool(spoken: str, recorded: str) -> bool:
    """Programs give their model a plain name, or one with the server's before it."""
    short = recorded.rpartition(".")[2]
    return spoken == short or (recorded.startswith(_PROXY) and spoken.endswith(f"_{short}"))


def _take_within(window: CallEnded, candidates: list[CallEnded]) -> bool:
    """Take the first of *candidates* that lies in the time of *window*, if there is one."""
    first = bisect_left(candidates, _start(window) - SLACK_S, key=_start)
    for number in range(first, len(candidates)):
        call = candidates[number]
        if _start(call) > window.at:
            return False
        if call.at <= window.at + SLACK_S:
            del candidates[number]
            return True
    return False


def _models_twice(overheard: Sequence[AnyEvent], told: Sequence[AnyEvent]) -> set[str]:
    by_name: dict[str, list[CallEnded]] = {}
    for call in _calls(told, MODEL):
        if call.source == "ran":
            by_name.setdefault(call.operation, []).append(call)
    return {
        call.call
        for call in _calls(overheard, MODEL)
        if _take_around(call, by_name.get(call.operation, []))
    }


def _take_around(inner: CallEnded, candidates: list[CallEnded]) -> bool:
    """Take the first of *candidates* in whose time *inner* lies, if there is one."""
    for number, call in enumerate(candidates):
        if _start(call) > _start(inner) + SLACK_S:
            return False
        if call.at >= inner.at - SLACK_S:
            del candidates[number]
            return True
    return False
