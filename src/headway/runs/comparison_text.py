"""The same work done twice, side by side: without and with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from .lines import KindTotal
from .receipt import Receipt
from .receipt_text import WIDTH
from .text_table import dollars_text, seconds_text, shown, table

_Figure = Callable[[Receipt], float | None]
_Style = Literal["time", "count", "dollars"]


def compare(
    plain: Receipt,
    headway: Receipt,
    *,
    names: tuple[str, str] = ("plain", "Headway"),
    width: int = WIDTH,
) -> str:
    """A table of two runs of the same work: what was asked, ran and was shared, and the time taken.

    The rows about tools count calls of kind tool, or all calls if neither run has any of those.
    Rows about models are there if one of the runs asked any.
    """
    has_tools = any(receipt.kind("tool") for receipt in (plain, headway))
    has_models = any(receipt.models for receipt in (plain, headway))
    figures = [*_figures(has_tools), *(_MODEL_FIGURES if has_models else ())]
    rows = [_row(text, figure, style, plain, headway) for text, figure, style in figures]
    known = [row for row in rows if row is not None]
    head = ["", *map(shown, names), "difference"]
    lines = [
        *table(head, known, width=width, words=1),
        "",
        *_operations(plain, headway, names, width),
    ]
    return "\n".join(lines) + "\n"


def _figures(has_tools: bool) -> Iterable[tuple[str, _Figure, _Style]]:
    what = "tool calls" if has_tools else "calls"

    def total(field: str) -> _Figure:
        return lambda receipt: _total(receipt, field, has_tools)

    return (
        ("wall time", lambda receipt: receipt.wall_s, "time"),
        ("first section", lambda receipt: receipt.time_to_first_output, "time"),
        (
            "critical path",
            lambda receipt: receipt.critical_path and receipt.critical_path.seconds,
            "time",
        ),
        (f"{what} asked", total("asked"), "count"),
        (f"{what} run", total("ran"), "count"),
        ("duplicates run", total("duplicates_run"), "count"),
        (
            "answered from cache",
            lambda r: (total("hit")(r) or 0) + (total("stale")(r) or 0),
            "count",
        ),
        ("joined a call under way", total("joined"), "count"),
        (f"time in {what}, summed", total("seconds"), "time"),
        (f"{what} failed", total("failed"), "count"),
    )


def _models(field: str, unknown: str | None = None) -> _Figure:
    """A total over all models; a sum that misses something is no figure to compare."""

    def figure(receipt: Receipt) -> float | None:
        if receipt.models is None:
            return 0.0
        total = receipt.models.total
        if unknown is not None and getattr(total, unknown):
            return None
        value: float | None = getattr(total, field)
        return value

    return figure


_MODEL_FIGURES: tuple[tuple[str, _Figure, _Style], ...] = (
    ("model calls asked", _models("calls"), "count"),
    ("model calls run", _models("ran"), "count"),
    ("tokens in", _models("tokens_in", "usage_unknown"), "count"),
    ("of these cached by provider", _models("tokens_cached", "cached_unknown"), "count"),
    ("tokens out", _models("tokens_out", "usage_unknown"), "count"),
    ("money spent", _models("spent_usd", "spent_unknown"), "dollars"),
    ("time in models", lambda receipt: receipt.time.model_s, "time"),
)


def _total(receipt: Receipt, field: str, has_tools: bool) -> float:
    kinds: Iterable[KindTotal] = receipt.kinds
    counted = [kind for kind in kinds if not has_tools or kind.kind == "tool"]
    return float(sum(getattr(kind, field) for kind in counted))


def _row(
    text: str, figure: _Figure, style: _Style, plain: Receipt, headway: Receipt
) -> list[str] | None:
    before, after = figure(plain), figure(headway)
    if before is None and after is None:
        return None
    if style == "time":
        return [text, seconds_text(before), seconds_text(after), _times(before, after)]
    if style == "dollars":
        return [text, dollars_text(before), dollars_text(after), _dearer(before, after)]
    return [text, _number(before), _number(after), _difference(before, after)]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _difference(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unknown"
    return f"{after - before:+,.0f}".replace("-", "−") if after != before else "same"


def _dearer(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unknown"
    if after == before:
        return "same"
    return f"{'+' if after > before else '−'}{dollars_text(abs(after - before))}"


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
