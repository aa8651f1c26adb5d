"""The part of a receipt about tools, for people: by agent, the slowest calls, what ran in turn."""

from __future__ import annotations

from collections.abc import Sequence

from .agent_time import AgentTime
from .text_table import cells, padded, seconds_text, short_name, shortened, shown, table, wrapped
from .tool_batches import ToolBatches
from .tool_calls import TimedTool
from .tool_turns import ToolTurn
from .tool_use import ToolLine, ToolUse

MOST_LINES = 40
MOST_AGENTS = 12
MOST_SLOW = 5
LEAST_S = 0.0005
"""Two clocks, read one after the other, may differ by less."""
_COUNTS = ("asked", "ran", "hit", "joined", "stale", "failed", "unfinished")
_ALWAYS = ("asked", "ran", "hit", "joined")
_AGAIN = (("asked_again", "again"), ("ran_again", "rerun"))
_DISPENSABLE = ("p50", "max", "stale", "unfinished", "sum")
_MARKS = {"warning": " !"}


def tool_table(use: ToolUse | None, width: int) -> list[str]:
    """A row for each agent and tool."""
    if use is None:
        return []
    counts = [name for name in _COUNTS if name in _ALWAYS or _occurs(use.lines, name)]
    again = [(name, head) for name, head in _AGAIN if _occurs(use.lines, name)]
    rows = [
        [
            shown(line.agent or "-"),
            shown(line.tool),
            *(str(getattr(line, name)) for name in (*counts, *(name for name, _ in again))),
            seconds_text(line.seconds),
            _maybe(line.p50_s),
            _maybe(line.max_s),
            _saved(line),
        ]
        for line in use.lines[:MOST_LINES]
    ]
    heads = [*counts, *(head for _, head in again), "sum", "p50", "max", "saved est."]
    more = len(use.lines) - MOST_LINES
    rest = [f"  and {more} more; --json has them all"] if more > 0 else []
    lines = table(["agent", "tool", *heads], rows, width=width, words=2, dispensable=_DISPENSABLE)
    return ["", *lines, *rest]


def _occurs(lines: Sequence[ToolLine], name: str) -> bool:
    return any(getattr(line, name) for line in lines)


def _maybe(seconds: float | None) -> str:
    return "-" if seconds is None else seconds_text(seconds)


def _saved(line: ToolLine) -> str:
    if line.saved_s_estimated is None:
        return "unknown"
    return f"~{seconds_text(line.saved_s_estimated)}" if line.saved_s_estimated else "-"


def slow_table(use: ToolUse | None, width: int, calls: int | None) -> list[str]:
    """The longest calls by their ids: *calls* of them, else those that ran for more than 1 s."""
    if use is None:
        return []
    if calls is None:
        chosen = [call for call in use.slowest if call.level is not None][:MOST_SLOW]
    else:
        chosen = list(use.slowest[:calls])
    if not chosen:
        return []
    has_model = any(call.model_before_s for call in use.slowest)
    before = ["model before", "neither before"] if has_model else ["before"]
    head = ["call", "agent", "tool", "answer", "took", *before]
    rows = [_slow_row(call, has_model) for call in chosen]
    return ["", *table(head, rows, width=width, words=4)]


def _slow_row(call: TimedTool, has_model: bool) -> list[str]:
    return [
        shown(call.call),
        shown(call.agent or "-"),
        shown(call.tool),
        shown(call.source),
        seconds_text(call.seconds) + _MARKS.get(call.level or "", ""),
        *([seconds_text(call.model_before_s)] if has_model else []),
        seconds_text(call.neither_before_s),
    ]


def agent_lines(agents: Sequence[AgentTime], label: str, width: int, indent: int) -> list[str]:
    """A line for each agent that asked a model or a tool: where its time went."""
    at_work = [agent for agent in agents if agent.model_s or agent.tools_s]
    if not at_work:
        return []
    told, has_model = at_work[:MOST_AGENTS], any(agent.model_s for agent in at_work)
    names = [shown(agent.agent or "-") for agent in told]
    room = min(max(map(cells, names)), (width - indent) // 4)
    lines: list[str] = []
    for name, agent in zip(names, told, strict=True):
        head = padded(label if not lines else "", indent) + shortened(name, room)
        parts = agent_parts(agent, has_model=has_model)
        lines += wrapped(head, parts, width=width, between=" · ", indent=indent + room + 2)
    more = len(at_work) - len(told)
    return [
        *lines,
        *([f"{padded('', indent)}and {more} more; --json has them all"] if more else []),
    ]


def agent_words(agent: AgentTime, *, has_model: bool = True) -> str:
    """Where one agent's time went: ``model 41.0 s · tools 12.0 s · neither 3.00 s``."""
    return " · ".join(agent_parts(agent, has_model=has_model))


def agent_parts(agent: AgentTime, *, has_model: bool = True) -> list[str]:
    """Where one agent's time went, in parts."""
    both = agent.model_and_tools_s
    return [
        *([f"model {seconds_text(agent.model_s)}"] if has_model else []),
        f"tools {seconds_text(agent.tools_s)}",
        *([f"both {seconds_text(both)}"] if both >= LEAST_S else []),
        *([f"other agents {seconds_text(agent.other_agents_s)}"] if agent.other_agents_s else []),
        f"neither {seconds_text(agent.neither_s)}",
    ]


def turn_parts(use: ToolUse | None) -> list[str]:
    """What ran in turn among tools and could have overlapped."""
    if use is None:
        return []
    parts = [_turn(turn) for turn in use.in_turn.turns[:3]]
    if alone := use.in_turn.exclusive:
        some = ", ".join(map(short_name, alone[:3])) + (", …" if len(alone) > 3 else "")
        parts.append(f"must run alone, as exclusive or not declared: {some}")
    return parts


def _turn(turn: ToolTurn) -> str:
    who = f"{shown(turn.agent)}: " if turn.agent else ""
    some = ", ".join(map(short_name, turn.tools[:3])) + (", …" if len(turn.tools) > 3 else "")
    return (
        f"{who}{turn.calls} calls ({some}) in {seconds_text(turn.took_s)}, "
        f"~{seconds_text(turn.saved_s_estimated)} less side by side"
    )


def batch_parts(batches: ToolBatches | None) -> list[str]:
    """What batches of calls gained."""
    if batches is None:
        return []
    parts = [f"{batches.batches} of {batches.size_mean:.1f} calls on average"]
    if batches.concurrency_mean is not None:
        mean, peak = batches.concurrency_mean, batches.concurrency_peak
        parts.append(f"at once {mean:.1f} on average, {peak} at most")
    if batches.speed_up is not None:
        parts.append(f"{batches.speed_up:.2f}× as fast as in turn")
    more = ((batches.shared, "shared"), (batches.failed, "without a value"))
    parts += [f"{number} {what}" for number, what in more if number]
    return [*parts, *([f"{batches.stopped} cut short"] if batches.stopped else [])]
