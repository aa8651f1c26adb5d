"""The receipt for people: a table at most 100 columns wide, and two runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from .critical_path import CriticalPath, Link
from .lines import Duplicate, KindTotal, Line
from .model_text import model_facts, model_table
from .overlap import Chance, Overlap
from .receipt import Receipt
from .text_table import plain, seconds_text, short_name, shown, table, wrapped
from .time_use import TOOL, TimeUse
from .tool_text import agent_lines, batch_parts, slow_table, tool_table, turn_parts

WIDTH = 100
LEAST_WIDTH = 80
LABEL = 14
MOST_LINES = 40
MOST_ASKERS = 4
STEP = "step"

_Row = Line | KindTotal
_COUNTS = ("asked", "ran", "hit", "joined", "stale", "failed", "unfinished")
_DISPENSABLE = ("p50", "max", "own", "busy", "stale", "unfinished", "sum")
_ALWAYS = ("asked", "ran", "hit", "joined")


def render(
    receipt: Receipt, *, width: int = WIDTH, colour: bool = False, calls: int | None = None
) -> str:
    """*receipt* as text, each line at most *width* columns (80 or more).

    Args:
        calls: how many calls of tools to show one by one, the slowest first; default: up to 5 that
            ran for more than 1 s.
    """
    width = max(LEAST_WIDTH, width)
    blocks = [
        [_title(receipt)],
        _kinds(receipt, width),
        tool_table(receipt.tools, width),
        _by_agent(receipt, width),
        model_table(receipt.models, width),
        _steps_by_agent(receipt, width),
        slow_table(receipt.tools, width, calls),
        _facts(receipt, width),
    ]
    lines = [line for block in blocks for line in block]
    return "\n".join(_coloured(lines) if colour else lines) + "\n"


def write_receipt(
    receipt: Receipt, stream: TextIO, *, width: int = WIDTH, colour: bool = False
) -> None:
    """Write *receipt* to *stream*, in ASCII if its encoding can do no more."""
    stream.write(plain(render(receipt, width=width, colour=colour), stream.encoding or "ascii"))


def _title(receipt: Receipt) -> str:
    parts = [
        seconds_text(receipt.wall_s),
        *([shown(receipt.name)[:50]] if receipt.name else []),
        f"run {shown(receipt.run)[:20]}" if receipt.run else "no run",
        *([f"ended by {shown(receipt.error)[:30]}"] if receipt.error else []),
    ]
    return f"{'receipt':<{LABEL}}{'  ·  '.join(parts)}"


def _used(rows: Iterable[_Row]) -> list[str]:
    """The columns of counts that say something."""
    rows = list(rows)
    return [name for name in _COUNTS if name in _ALWAYS or any(getattr(row, name) for row in rows)]


def _estimated(row: _Row) -> str:
    if row.saved_s_estimated is None:
        return "unknown"
    return f"~{seconds_text(row.saved_s_estimated)}" if row.saved_s_estimated else "-"


def _maybe(seconds: float | None) -> str:
    return "-" if seconds is None else seconds_text(seconds)


def _kinds(receipt: Receipt, width: int) -> list[str]:
    if not receipt.kinds:
        return ["  no call was recorded"]
    names = _used(receipt.kinds)
    rows = [
        [
            shown(kind.kind),
            *(str(getattr(kind, name)) for name in names),
            seconds_text(kind.seconds),
            seconds_text(kind.busy_s),
            seconds_text(kind.own_s),
            _estimated(kind),
        ]
        for kind in receipt.kinds
    ]
    head = ["kind", *names, "sum", "busy", "own", "saved est."]
    return ["", *table(head, rows, width=width, words=1, dispensable=_DISPENSABLE)]


def _by_agent(receipt: Receipt, width: int) -> list[str]:
    """All but tools, which have a table of their own, and steps, which would hide the others."""
    others = [line for line in receipt.lines if line.kind not in (STEP, TOOL)]
    return _lines(others, "operation", 0, width)


def _steps_by_agent(receipt: Receipt, width: int) -> list[str]:
    steps = [line for line in receipt.lines if line.kind == STEP]
    graph = _common_prefix([line.operation for line in steps])
    name = f"step of {shown(graph)}" if graph else "step"
    return _lines(steps, name, len(graph) + 1 if graph else 0, width)


def _common_prefix(names: Sequence[str]) -> str:
    """What stands before the first dot of every name, if that is the same."""
    prefixes = {name.partition(".")[0] if "." in name else "" for name in names}
    return prefixes.pop() if len(prefixes) == 1 else ""


def _lines(lines: Sequence[Line], what: str, without: int, width: int) -> list[str]:
    if not lines:
        return []
    names = _used(lines)
    rows = [
        [
            shown(line.agent or "-"),
            shown(line.operation[without:]),
            *(str(getattr(line, name)) for name in names),
            seconds_text(line.seconds),
            _maybe(line.p50_s),
            _maybe(line.max_s),
            _estimated(line),
        ]
        for line in lines[:MOST_LINES]
    ]
    head = ["agent", what, *names, "sum", "p50", "max", "saved est."]
    more = len(lines) - MOST_LINES
    rest = [f"  and {more} more; --json has them all"] if more > 0 else []
    return ["", *table(head, rows, width=width, words=2, dispensable=_DISPENSABLE), *rest]


def _facts(receipt: Receipt, width: int) -> list[str]:
    facts: Sequence[tuple[str, Callable[[Receipt], list[str]], str]] = (
        ("models", lambda receipt: model_facts(receipt.models), " · "),
        ("duplicates", _duplicates, " · "),
        ("time", _time, " · "),
        ("critical path", _path_parts, " → "),
        ("overlap", _overlap_parts, " · "),
        ("tools in turn", lambda receipt: turn_parts(receipt.tools), " · "),
        ("tool batches", lambda receipt: batch_parts(receipt.tool_batches), " · "),
        ("slowest", _slowest, " · "),
        ("policies", _policies, " · "),
        ("steps", _steps, " · "),
        ("errors", _errors, " · "),
        ("note", lambda receipt: [shown(note) for note in receipt.notes], " · "),
        ("lost", _lost, " · "),
    )
    lines = [""]
    for label, parts_of, between in facts:
        parts = parts_of(receipt)
        if parts:
            lines += wrapped(label, parts, width=width, between=between, indent=LABEL)
        if label == "time":
            lines += agent_lines(receipt.agents, "agents", width, LABEL)
    return lines


def _duplicates(receipt: Receipt) -> list[str]:
    parts = [f"{receipt.duplicates_asked} asked again, {receipt.duplicates_run} run again"]
    parts += [
        f"{shown(found.operation)} {shown(found.key)}: {found.asked} asked, {found.ran} run"
        f"{_askers(found)}"
        for found in receipt.top_duplicates[:3]
    ]
    if receipt.calls_without_key:
        parts.append(f"unknown for {receipt.calls_without_key} calls without a key")
    return parts


def _askers(found: Duplicate) -> str:
    """Who asked, and how often."""
    named = [asker for asker in found.askers if asker.agent is not None]
    some = [f"{shown(asker.agent or '')} {asker.asked}" for asker in named[:MOST_ASKERS]]
    more = [f"{len(named) - MOST_ASKERS} more"] if len(named) > MOST_ASKERS else []
    return f" ({', '.join([*some, *more])})" if named else ""


def _time(receipt: Receipt) -> list[str]:
    time = receipt.time
    parts = [
        f"in calls {seconds_text(time.in_calls_s)}",
        f"outside {seconds_text(time.outside_calls_s)}",
        *_model_and_tools(time),
    ]
    if time.concurrency_mean is not None:
        parts.append(
            f"at once {time.concurrency_mean:.1f} on average, {time.concurrency_peak} at most"
        )
    if receipt.time_to_first_output is not None:
        parts.append(f"first output after {seconds_text(receipt.time_to_first_output)}")
    return parts


def _model_and_tools(time: TimeUse) -> list[str]:
    """Only where there are both, or a model: else the tables say it."""
    if not time.model_s:
        return []
    both = f", both {seconds_text(time.model_and_tools_s)}" if time.model_and_tools_s else ""
    return [
        f"model {seconds_text(time.model_s)}",
        f"tools {seconds_text(time.tools_s)}{both}",
        f"own {seconds_text(time.own_s)}",
    ]


def _path_parts(receipt: Receipt) -> list[str]:
    path = receipt.critical_path
    if path is None:
        return ["unknown"]
    first, *others = [*map(_link, path.links)] or [""]
    return [f"{_path_head(path)} {first}", *others]


def _path_head(path: CriticalPath) -> str:
    how = "estimated" if path.estimated else f"graph {shown(path.graph or '')}"
    left_out = f", {path.links_left_out} short links left out" if path.links_left_out else ""
    return f"{seconds_text(path.seconds)} ({how}{left_out}):"


def _link(link: Link) -> str:
    times = f" ×{link.calls}" if link.calls > 1 else ""
    return f"{shown(link.name)}{times} {seconds_text(link.seconds)}"


def _overlap_parts(receipt: Receipt) -> list[str]:
    found: Overlap | None = receipt.overlap
    if found is None:
        return []
    if not found.chances:
        return ["nothing ran one after another that could have run side by side"]
    return [
        f"~{seconds_text(found.saved_s_estimated)} to save in all (estimated, if independent)",
        *map(_chance, found.chances[:3]),
    ]


def _chance(chance: Chance) -> str:
    where = f" in {shown(chance.inside)}" if chance.inside else ""
    names = [short_name(name) for name in chance.operations]
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return (
        f"{chance.calls} calls{where} in turn ({some}): ~{seconds_text(chance.saved_s_estimated)}"
    )


def _slowest(receipt: Receipt) -> list[str]:
    marks = {"warning": " !"}
    return [
        f"{shown(call.operation)} {seconds_text(call.seconds)}{marks.get(call.level, '')}"
        for call in receipt.slowest
    ]


def _policies(receipt: Receipt) -> list[str]:
    acts = receipt.policies
    named = (
        (acts.retries, "retries"),
        (acts.fallbacks, "fallbacks"),
        (acts.waits, f"waits at limits ({seconds_text(acts.waited_s)})"),
        (acts.timeouts, "time-outs"),
        (acts.refreshes, "refreshes"),
        (acts.refreshes_failed, "refreshes failed"),
        (acts.batches, "batches"),
        *((number, shown(action)) for action, number in acts.others.items()),
    )
    return [f"{number} {text}" for number, text in named if number]


def _steps(receipt: Receipt) -> list[str]:
    return [f"{number} {shown(outcome)}" for outcome, number in receipt.steps.items()]


def _errors(receipt: Receipt) -> list[str]:
    stores = [f"{number} of store {shown(name)}" for name, number in receipt.store_failures.items()]
    return [f"{number} {shown(error)}" for error, number in receipt.errors.items()] + stores


def _lost(receipt: Receipt) -> list[str]:
    return (
        [f"{receipt.events_lost} events are not in the record on disk"]
        if receipt.events_lost
        else []
    )


_BOLD, _YELLOW, _END = "\x1b[1m", "\x1b[33m", "\x1b[0m"
_HEADS = ("receipt ", "  kind ", "  agent ", "  call ")
_WARNINGS = ("errors ", "note ", "lost ")


def _coloured(lines: Iterable[str]) -> list[str]:
    def paint(line: str) -> str:
        sign = _BOLD if line.startswith(_HEADS) else _YELLOW if line.startswith(_WARNINGS) else ""
        return f"{sign}{line}{_END}" if sign else line

    return [paint(line) for line in lines]
