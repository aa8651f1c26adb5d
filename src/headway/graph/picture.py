"""A graph as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from .plan import Plan, timetable

WIDTH = 100
LONGEST_NAME = 36
DEEPEST_INDENT = 40


@dataclass(frozen=True, slots=True)
class Notes:
    """What a picture says of a step beyond the plan."""

    inputs: tuple[str, ...]
    needed: bool
    is_known: bool


def draw(title: str, plan: Plan, notes: Mapping[str, Notes], at_once: int | None) -> str:
    """The steps in start order, one line each: start, mark, name, duration, what it needs."""
    if not plan.needs:
        return f"{title}: no steps"
    path = plan.critical_path()
    times = timetable(plan, at_once)
    name_width = min(LONGEST_NAME, max(map(len, plan.needs)))
    lines = [_heading(title, plan, times, at_once)]
    for step, (start, _) in times.items():
        note = notes[step]
        mark = "*" if step in path.steps else " "
        takes = span(plan.duration[step]) if note.is_known else "?"
        head = f"{span(start):>8}  {mark} {_cut(step, name_width):<{name_width}}  {takes:>7}"
        head += "  " if note.needed else " ~"
        lines.append(
            _with_arrows(head, [*plan.needs[step], *(f"({name})" for name in note.inputs)])
        )
    lines += _legend(plan, notes)
    return "\n".join(line.rstrip() for line in lines)


def span(seconds: float) -> str:
    """Seconds to three digits."""
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def _heading(
    title: str, plan: Plan, times: Mapping[str, tuple[float, float]], at_once: int | None
) -> str:
    length = plan.critical_path().seconds
    work = sum(plan.duration.values())
    text = f"{title}: {len(plan.needs)} steps, {span(work)} of work, critical path {span(length)}"
    if at_once is not None:
        whole = max(end for _, end in times.values())
        text += f", {span(whole)} with {at_once} at once"
    return text


def _with_arrows(head: str, arrows: list[str]) -> str:
    if not arrows:
        return head
    indent = " " * min(len(head) + 4, DEEPEST_INDENT)
    return textwrap.fill(
        ", ".join(arrows), WIDTH, initial_indent=f"{head} <- ", subsequent_indent=indent
    )


def _legend(plan: Plan, notes: Mapping[str, Notes]) -> list[str]:
    path = " > ".join(plan.critical_path().steps)
    lines = textwrap.wrap(f"* critical path: {path}", WIDTH, subsequent_indent="  ")
    if any(not note.needed for note in notes.values()):
        lines.append("~ optional: may leave a gap")
    if any(note.inputs for note in notes.values()):
        lines.append("(name) an input")
    if any(not note.is_known for note in notes.values()):
        lines.append("? not known, counted as 1 s")
    return lines


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."
