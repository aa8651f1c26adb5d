"""Each call of a tool by its id: how long it took, and what came before it.

The time before a call is told apart: a tool may be late because the model was still talking.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from .agent_time import Lane
from .intervals import SLACK_S, length
from .spans import Span
from .time_use import MODEL, TOOL

NOTICE_S, WARNING_S = 1.0, 5.0
MOST_TIMED = 200


class TimedTool(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool; "before" is since the agent's last call but models' ended."""

    call: str
    tool: str
    agent: str | None
    """The path of the agent."""
    source: str
    began_s: float
    """From the start of the run."""
    seconds: float
    own_s: float
    """Of it, time with no call inside under way."""
    model_before_s: float
    """Time before it in which the agent's model was at work."""
    neither_before_s: float
    """Time before it with neither model nor tool of the agent, nor an agent inside its calls."""
    level: str | None
    """Of one that ran: notice above 1 s, warning above 5 s."""
    error: str | None = None


def level_of(
    seconds: float, notice_s: float = NOTICE_S, warning_s: float = WARNING_S
) -> str | None:
    """What to call a run of so many seconds: notice, warning, or nothing."""
    if seconds > warning_s:
        return "warning"
    return "notice" if seconds > notice_s else None


def slowest_tools(
    lanes: Iterable[Lane], began: float, most: int = MOST_TIMED
) -> tuple[TimedTool, ...]:
    """The *most* longest calls of tools, however they were answered; times from *began*."""
    timed = ((lane, span, before) for lane in lanes for span, before in _in_lane(lane))
    longest = heapq.nlargest(most, timed, key=lambda found: found[1].seconds)
    return tuple(_timed(lane, span, before, began) for lane, span, before in longest)


def _in_lane(lane: Lane) -> Iterator[tuple[Span, float]]:
    """The lane's calls of tools, each with the moment from which it could have begun."""
    ends = sorted(span.end for span in lane.spans if span.call.kind != MODEL)
    for span in lane.spans:
        if span.call.kind == TOOL:
            yield span, max(_asked_from(span, lane), _last_before(ends, span.start))


def _asked_from(span: Span, lane: Lane) -> float:
    """When what surrounds *span* began; a model around it is part of what came before it."""
    around = span.around
    while around is not None and around.call.kind == MODEL:
        around = around.around
    return lane.start if around is None else min(around.start, span.start)


def _last_before(ends: Sequence[float], moment: float) -> float:
    """The last of *ends* up to *moment*; a clock read late may put it a little after."""
    number = bisect_right(ends, moment + SLACK_S)
    return min(ends[number - 1], moment) if number else float("-inf")


def _timed(lane: Lane, span: Span, before: float, began: float) -> TimedTool:
    call = span.call
    return TimedTool(
        call=call.call,
        tool=call.operation,
        agent=lane.agent,
        source=call.source,
        began_s=span.start - began,
        seconds=span.seconds,
        own_s=length(span.own()),
        model_before_s=lane.model.within(before, span.start),
        neither_before_s=max(0.0, span.start - before - lane.known.within(before, span.start)),
        level=level_of(span.seconds) if call.source == "ran" else None,
        error=call.error,
    )
