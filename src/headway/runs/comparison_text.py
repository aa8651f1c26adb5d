"""The same work done twice, side by side: without and with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .lines import KindTotal
from .receipt import Receipt
from .receipt_text import WIDTH
from .text_table import seconds_text, shown, table

_Figure = Callable[[Receipt], float | None]


def compare(
    plain: Receipt,
    headway: Receipt,
    *,
    names: tuple[str, str] = ("plain", "Headway"),
    width: int = WIDTH,
) -> str:
    """A table of two runs of the same work: what was asked, ran and was shared, and the time taken.

    The rows about tools count calls of kind tool, or all calls if neither run has any of those.
    """
    has_tools = any(receipt.kind("tool") for receipt in (plain, headway))
    rows = [
        _row(text, figure, is_time, plain, headway) for text, figure, is_time in _figures(has_tools)
    ]
    known = [row for row in rows if row is not None]
    head = ["", *map(shown, names), "difference"]
    lines = [
        *table(head, known, width=width, words=1),
        "",
        *_operations(plain, headway, names, width),
    ]
    return "\n".join(lines) + "\n"


def _figures(has_tools: bool) -> Iterable[tuple[str, _Figure, bool]]:
    what = "tool calls" if has_tools else "calls"

    def total(field: str) -> _Figure:
        return lambda receipt: _total(receipt, field, has_tools)

    return (
        ("wall time", lambda receipt: receipt.wall_s, True),
        ("first section", lambda receipt: receipt.time_to_first_output, True),
        (
            "critical path",
            lambda receipt: receipt.critical_path and receipt.critical_path.seconds,
            True,
        ),
        (f"{what} asked", total("asked"), False),
        (f"{what} run", total("ran"), False),
        ("duplicates run", total("duplicates_run"), False),
        ("answered from cache", lambda r: (total("hit")(r) or 0) + (total("stale")(r) or 0), False),
        ("joined a call under way", total("joined"), False),
        (f"time in {what}, summed", total("seconds"), True),
        (f"{what} failed", total("failed"), False),
    )


def _total(receipt: Receipt, field: str, has_tools: bool) -> float:
    kinds: Iterable[KindTotal] = receipt.kinds
    counted = [kind for kind in kinds if not has_tools or kind.kind == "tool"]
    return float(sum(getattr(kind, field) for kind in counted))


def _row(
    text: str, figure: _Figure, is_time: bool, plain: Receipt, headway: Receipt
) -> list[str] | None:
    before, after = figure(plain), figure(headway)
    if before is None and after is None:
        return None
    if is_time:
        return [text, seconds_text(before), seconds_text(after), _times(before, after)]
    return [text, _number(before), _number(after), _difference(before, after)]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _difference(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unknown"
    return f"{after - before:+g}".replace("-", "−") if after != before else "same"


def _times(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unknown"
    if not before or not after:
        return "same" if before == after else "-"
    ratio = before / after
    if 0.995 < ratio < 1.005:
        return "same"
    return f"{ratio:.2f}× shorter" if ratio > 1 else f"{1 / ratio:.2f}× longer"


def _operations(plain: Receipt, headway: Receipt, names: tuple[str, str], width: int) -> list[str]:
    """How often each operation was asked and ran, in either run."""
    counts: dict[str, list[int]] = {}
    for column, receipt in ((0, plain), (2, headway)):
        for line in receipt.lines:
            count = counts.setdefault(line.operation, [0, 0, 0, 0])
            count[column] += line.asked
            count[column + 1] += line.ran
    if not counts:
        return []
    head = ["operation", *(f"{shown(name)}: {what}" for name in names for what in ("asked", "ran"))]
    rows = [[shown(operation), *map(str, count)] for operation, count in sorted(counts.items())]
    return table(head, rows, width=width, words=1)
