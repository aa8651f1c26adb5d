"""What a run's agents asked of tools: lines by agent, the slowest calls, what ran in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .agent_time import Lane
from .counts import Count, LineKey
from .median import median
from .tally import Tally
from .time_use import TOOL
from .tool_calls import TimedTool, slowest_tools
from .tool_turns import InTurn, tools_in_turn


class ToolLine(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's use of a tool: asked == ran + hit + joined + stale + unfinished + other."""

    agent: str | None
    """Its path: ``analyst/reader`` was asked inside a call of ``analyst``."""
    tool: str
    asked: int
    ran: int
    hit: int
    joined: int
    stale: int
    failed: int
    """Ended in an error, however answered; counted there too."""
    unfinished: int
    """Begun, and never heard of again."""
    other: int
    """Answered in a way that this version does not know."""
    asked_again: int
    """Calls whose question somebody had asked before in this run."""
    ran_again: int
    """Of those that ran: their question had run before. The duplicates left."""
    seconds: float
    """Sum over the calls that ran."""
    p50_s: float | None
    max_s: float | None
    saved_s_estimated: float | None
    """Answers that needed no run of their own, times the median run of this tool."""


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run asked of tools."""

    lines: tuple[ToolLine, ...]
    slowest: tuple[TimedTool, ...]
    """The longest calls by their ids, the first 200."""
    calls_left_out: int
    """Calls that are not in ``slowest``."""
    in_turn: InTurn


def tool_use(tally: Tally, lanes: Sequence[Lane], began: float) -> ToolUse | None:
    """What *tally* has counted of tools, in the *lanes* of agents; None if none was asked."""
    lines = _lines(tally)
    if not lines:
        return None
    slowest = slowest_tools(lanes, began)
    return ToolUse(
        lines=lines,
        slowest=slowest,
        calls_left_out=sum(line.asked - line.unfinished for line in lines) - len(slowest),
        in_turn=tools_in_turn(lanes),
    )


def _lines(tally: Tally) -> tuple[ToolLine, ...]:
    runs_s: dict[LineKey, list[float]] = {}
    good_s: dict[str, list[float]] = {}
    for call in tally.calls:
        if call.kind == TOOL and call.source == "ran":
            agent = tally.paths.get(call.call, call.agent)
            runs_s.setdefault((agent, call.operation), []).append(call.seconds)
            if call.error is None:
                good_s.setdefault(call.operation, []).append(call.seconds)
    unfinished = _unfinished(tally)
    lines = [
        _line(
            which,
            tally.tool_lines.get(which) or Count(),
            unfinished.get(which, 0),
            runs_s.get(which, ()),
            median(good_s.get(which[1], ())),
        )
        for which in dict.fromkeys([*tally.tool_lines, *unfinished])
    ]
    return tuple(sorted(lines, key=_reading_order))


def _unfinished(tally: Tally) -> Mapping[LineKey, int]:
    counts: dict[LineKey, int] = {}
    for start in tally.open.values():
        if start.kind == TOOL:
            which = (tally.path_of_open(start.call), start.operation)
            counts[which] = counts.get(which, 0) + 1
    return counts


def _reading_order(line: ToolLine) -> tuple[bool, str, float, str]:
    return (line.agent is None, line.agent or "", -line.seconds, line.tool)


def _line(
    which: LineKey, count: Count, unfinished: int, runs_s: Sequence[float], usual_s: float | None
) -> ToolLine:
    spared = count.hit + count.joined + count.stale
    return ToolLine(
        agent=which[0],
        tool=which[1],
        asked=count.asked + unfinished,
        ran=count.ran,
        hit=count.hit,
        joined=count.joined,
        stale=count.stale,
        failed=count.failed,
        unfinished=unfinished,
        other=count.asked - count.ran - spared,
        asked_again=count.asked_again,
        ran_again=count.ran_again,
        seconds=count.ran_s,
        p50_s=median(runs_s),
        max_s=count.ran_max_s,
        saved_s_estimated=0.0 if not spared else None if usual_s is None else spared * usual_s,
    )
