"""Models on the receipt for people: a row for each agent and model, and what it all came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .model_counts import ModelCounts
from .model_use import ModelLine, ModelUse
from .text_table import dollars_text, seconds_text, shown, table

MOST_LINES = 40
_DISPENSABLE = ("first token", "reasoning", "stale", "failed", "joined")
_Column = tuple[str, Callable[[ModelLine], str], bool]
"""Head, text, and whether it is shown where it says nothing."""


def model_table(use: ModelUse | None, width: int) -> list[str]:
    """The rows of agents and models; nothing if no model was asked."""
    if use is None:
        return []
    columns: Sequence[_Column] = (
        ("calls", lambda line: f"{line.calls}", True),
        ("ran", lambda line: f"{line.ran}", True),
        ("hit", lambda line: f"{line.hit}", True),
        ("joined", lambda line: f"{line.joined}", True),
        ("stale", lambda line: f"{line.stale}", bool(use.total.stale)),
        ("failed", lambda line: f"{line.failed}", bool(use.total.failed)),
        ("in", lambda line: _sum(line.tokens_in, line.usage_unknown), True),
        ("cached", lambda line: _sum(line.tokens_cached, line.cached_unknown), True),
        ("out", lambda line: _sum(line.tokens_out, line.usage_unknown), True),
        (
            "reasoning",
            lambda line: _sum(line.tokens_reasoning, line.usage_unknown),
            bool(use.total.tokens_reasoning),
        ),
        ("first token", lambda line: _first(line), use.total.ttft_p50_s is not None),
        ("spent", lambda line: _money(line.spent_usd, line.spent_unknown), True),
        ("saved", lambda line: _money(line.saved_usd, line.saved_unknown), True),
    )
    shown_columns = [column for column in columns if column[2]]
    rows = [
        [
            shown(line.agent or "-"),
            shown(line.model or "-"),
            *(text(line) for _, text, _ in shown_columns),
        ]
        for line in use.lines[:MOST_LINES]
    ]
    head = ["agent", "model", *(name for name, _, _ in shown_columns)]
    more = len(use.lines) - MOST_LINES
    rest = [f"  and {more} more; --json has them all"] if more > 0 else []
    return ["", *table(head, rows, width=width, words=2, dispensable=_DISPENSABLE), *rest]


def _sum(tokens: int | None, unknown: int) -> str:
    """A sum that something is missing from is at least so much."""
    if tokens is None:
        return "unknown"
    return f"≥{tokens:,}" if unknown else f"{tokens:,}"


def _first(counts: ModelCounts) -> str:
    return "-" if counts.ttft_p50_s is None else seconds_text(counts.ttft_p50_s)


def _money(dollars: float | None, unknown: int, *, nothing: str = "-") -> str:
    if dollars == 0 and not unknown:
        return nothing
    return f"≥{dollars_text(dollars)}" if dollars is not None and unknown else dollars_text(dollars)


def model_facts(use: ModelUse | None) -> list[str]:
    """What all models together were asked, used and cost, in words."""
    if use is None:
        return []
    total = use.total
    spared = total.hit + total.joined + total.stale
    return [
        f"{_many(total.calls, 'call')}, {total.ran} run",
        *_tokens(total),
        f"{_money(total.spent_usd, total.spent_unknown, nothing='$0')} spent",
        *([f"{_money(total.saved_usd, total.saved_unknown)} saved by {spared}"] if spared else []),
        *_prices(use),
        *_unknown(use),
        *_first_tokens(total),
    ]


def _tokens(total: ModelCounts) -> list[str]:
    if not total.ran + total.other:
        return []
    cached = ""
    if total.tokens_in and total.tokens_cached is not None and not total.cached_unknown:
        cached = f" ({total.tokens_cached / total.tokens_in:.0%} cached)"
    reasoning = f" ({total.tokens_reasoning:,} reasoning)" if total.tokens_reasoning else ""
    return [
        f"{_sum(total.tokens_in, total.usage_unknown)} tokens in{cached}",
        f"{_sum(total.tokens_out, total.usage_unknown)} out{reasoning}",
    ]


def _unknown(use: ModelUse) -> list[str]:
    parts: list[str] = []
    if without := use.total.spent_unknown + use.total.saved_unknown:
        names = ", ".join(map(shown, use.unpriced[:3])) + (", …" if len(use.unpriced) > 3 else "")
        parts.append(f"{_many(without, 'call')} without a price" + (f" ({names})" if names else ""))
    if unsaid := use.total.usage_unknown:
        parts.append(f"{_many(unsaid, 'call')} that did not say what was used")
    if use.retried:
        parts.append(f"{_many(use.retried, 'failed attempt')} retried (used: unknown)")
    if use.refreshed:
        parts.append(f"{_many(use.refreshed, 'run')} in the background (used: unknown)")
    return parts


def _prices(use: ModelUse) -> list[str]:
    days = sorted(day for day in use.prices.values() if day)
    if not days:
        return []
    return [f"prices of {days[0]}" + (f" to {days[-1]}" if days[0] != days[-1] else "")]


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _first_tokens(total: ModelCounts) -> list[str]:
    if total.ttft_p50_s is None:
        return []
    return [
        f"first token after {seconds_text(total.ttft_p50_s)} (median), "
        f"{seconds_text(total.ttft_max_s)} at most"
    ]
