"""A view of a company by a fixed rule that anyone can check: not a rating, and not advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from .company_data import company_financials
from .figures import Figure, Unit, in_words
from .ratios import ratio

if TYPE_CHECKING:
    from .company_records import CompanyFinancials

View = Literal["strong", "mixed", "weak", "too little data"]
Comparison = Literal["at least", "at most"]

_FEWEST_ASSESSED = 4
_STRONG_FROM = 0.75
_WEAK_BELOW = 0.4

# what is measured, how it is compared, the threshold, and its unit
_CRITERIA: tuple[tuple[str, str, Comparison, float, Unit], ...] = (
    ("revenue_growth", "growth of revenue over a year", "at least", 0.05, "fraction"),
    ("operating_margin", "operating margin", "at least", 0.15, "fraction"),
    ("net_margin", "net margin", "at least", 0.10, "fraction"),
    ("free_cash_flow_margin", "free cash flow to revenue", "at least", 0.10, "fraction"),
    ("debt_to_equity", "debt to equity", "at most", 1.0, "times"),
    ("current_ratio", "current assets to current liabilities", "at least", 1.0, "times"),
    ("interest_cover", "operating income to interest", "at least", 5.0, "times"),
)

RULE = (
    "Seven criteria on growth, margins and leverage are applied to the latest year: "
    + "; ".join(f"{words} {how} {in_words(t, unit)}" for _, words, how, t, unit in _CRITERIA)
    + ". A criterion that cannot be computed is left out, except that equity below zero fails the "
    "one on debt. The view is strong if at least 75 % of the criteria applied are met, weak if "
    "fewer than 40 % are, else mixed; with fewer than 4 applied it is too little data."
)


class Criterion(msgspec.Struct, frozen=True):
    """One test of the rule; `passed` is None where it could not be applied."""

    name: str
    words: str
    figure: Figure
    comparison: Comparison
    threshold: float
    passed: bool | None


class ModelView(msgspec.Struct, frozen=True):
    """What the rule says of a company's latest year, with each criterion. Not advice."""

    symbol: str
    period_end: str
    view: View
    passed: Figure
    assessed: Figure
    criteria: tuple[Criterion, ...]
    rule: str = RULE
    source: str = "headway rule"
    note: str = "A demonstration on historic figures. Not investment advice."


def model_view(symbol: str) -> ModelView:
    """The rule applied to the company's latest year. Raises UnknownTicker."""
    return view_of(company_financials(symbol))


def view_of(financials: CompanyFinancials) -> ModelView:
    """The rule applied to the latest of some annual figures."""
    year = financials.periods[-1]
    earlier = financials.periods[-2] if len(financials.periods) > 1 else None
    equity = year.figure("total_equity")
    is_underwater = equity.is_reported and equity.known() <= 0
    criteria = tuple(
        _criterion(name, words, ratio(name, year, earlier), comparison, threshold, is_underwater)
        for name, words, comparison, threshold, _ in _CRITERIA
    )
    assessed = sum(criterion.passed is not None for criterion in criteria)
    passed = sum(criterion.passed is True for criterion in criteria)
    return ModelView(
        symbol=financials.symbol,
        period_end=year.period_end,
        view=_view(passed, assessed),
        passed=Figure("criteria_passed", passed, "count", year.period_end, (year.source,)),
        assessed=Figure("criteria_assessed", assessed, "count", year.period_end, (year.source,)),
        criteria=criteria,
    )


def _criterion(
    name: str,
    words: str,
    figure: Figure,
    comparison: Comparison,
    threshold: float,
    is_underwater: bool,
) -> Criterion:
    passed: bool | None = None
    if figure.is_reported:
        above = figure.known() >= threshold
        passed = above if comparison == "at least" else figure.known() <= threshold
    elif name == "debt_to_equity" and is_underwater:
        passed = False
    return Criterion(name, words, figure, comparison, threshold, passed)


def _view(passed: int, assessed: int) -> View:
    if assessed < _FEWEST_ASSESSED:
        return "too little data"
    share = passed / assessed
    if share >= _STRONG_FROM:
        return "strong"
    return "weak" if share < _WEAK_BELOW else "mixed"
