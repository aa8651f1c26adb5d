"""Ratios of a year, each a figure that names its formula and the filings behind it.

A ratio whose parts are not all reported, or whose base makes it meaningless, has the value None.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from msgspec import structs

from .figures import Figure, Unit, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .company_records import PeriodFigures

# numerator and base of the ratios that need one year only, and how a reader takes the result
_WITHIN_A_YEAR: dict[str, tuple[str, str, Unit]] = {
    "gross_margin": ("gross_profit", "revenue", "fraction"),
    "operating_margin": ("operating_income", "revenue", "fraction"),
    "net_margin": ("net_income", "revenue", "fraction"),
    "free_cash_flow_margin": ("free_cash_flow", "revenue", "fraction"),
    "research_share": ("research_and_development", "revenue", "fraction"),
    "stock_pay_share": ("stock_based_compensation", "revenue", "fraction"),
    "capital_expenditure_share": ("capital_expenditure", "revenue", "fraction"),
    "return_on_equity": ("net_income", "total_equity", "fraction"),
    "return_on_assets": ("net_income", "total_assets", "fraction"),
    "current_ratio": ("current_assets", "current_liabilities", "times"),
    "interest_cover": ("operating_income", "interest_expense", "times"),
    "cash_conversion": ("free_cash_flow", "net_income", "times"),
}
NOT_MEANINGFUL = "not meaningful"

_GROWTH = {
    "revenue_growth": "revenue",
    "net_income_growth": "net_income",
    "inventory_growth": "inventory",
}
RATIOS = (*_WITHIN_A_YEAR, *_GROWTH, "total_debt", "debt_to_equity")

# By its definition this tag counts the current maturities, so adding them counts them twice.
_TAG_WITH_CURRENT_DEBT = "LongTermDebt"


def ratio(name: str, year: PeriodFigures, earlier: PeriodFigures | None = None) -> Figure:
    """The ratio `name` of a year; growth also needs the year before it (None: not reported)."""
    if name in _WITHIN_A_YEAR:
        above, below, unit = _WITHIN_A_YEAR[name]
        return quotient(name, year.figure(above), year.figure(below), unit)
    if name in _GROWTH:
        return growth(name, _GROWTH[name], year, earlier)
    if name == "total_debt":
        return total_debt(year)
    if name == "debt_to_equity":
        return quotient(name, total_debt(year), year.figure("total_equity"), "times")
    raise KeyError(f"no ratio {name!r}; there are {', '.join(RATIOS)}")


def quotient(name: str, above: Figure, below: Figure, unit: Unit) -> Figure:
    """above / below; None unless both are reported and the base is above zero."""
    return combined(name, f"{above.name} / {below.name}", unit, (above, below), _divided)


def growth(name: str, metric: str, year: PeriodFigures, earlier: PeriodFigures | None) -> Figure:
    """Change against the year before, as a fraction of it; None over a gap or a loss."""
    now = year.figure(metric)
    formula = f"{metric} / {metric} a year before - 1"
    if earlier is None or not are_a_year_apart(earlier.period_end, year.period_end):
        return _derived(name, None, "fraction", formula, (now,))
    return combined(name, formula, "fraction", (now, earlier.figure(metric)), _grown)


def change(name: str, now: Figure, then: Figure | None) -> Figure:
    """The difference between two fractions, in percentage points; None if one is missing."""
    formula = f"{now.name} - {now.name} a year before"
    if then is None:
        return _derived(name, None, "points", formula, (now,))
    return combined(name, formula, "points", (now, then), _subtracted)


def total_debt(year: PeriodFigures) -> Figure:
    """Long-term debt with its current part; only what is reported is counted."""
    long_term, current = year.figure("long_term_debt"), year.figure("current_debt")
    if not long_term.is_reported:
        return _derived("total_debt", None, "usd", "long_term_debt + current_debt", (long_term,))
    if long_term.origin == _TAG_WITH_CURRENT_DEBT or not current.is_reported:
        return _derived("total_debt", long_term.value, "usd", "long_term_debt", (long_term,))
    value = long_term.known() + current.known()
    formula = "long_term_debt + current_debt"
    return _derived("total_debt", value, "usd", formula, (long_term, current))


def compound_growth(name: str, first: Figure, last: Figure) -> Figure:
    """Mean growth a year between two periods; None unless both are above zero."""
    years = years_between(first, last).known()
    formula = f"({last.name} / first {first.name}) ^ (1 / years) - 1"
    return combined(
        name, formula, "fraction", (last, first), lambda now, then: _compounded(now, then, years)
    )


def years_between(first: Figure, last: Figure) -> Figure:
    """Whole years from the end of one period to the end of another."""
    days = _days_between(first.period_end or "", last.period_end or "")
    formula = "last period end - first period end"
    return _derived("years", round(days / 365.25), "years", formula, (first, last))


def combined(
    name: str,
    formula: str,
    unit: Unit,
    parts: tuple[Figure, ...],
    of: Callable[..., float | None],
) -> Figure:
    """A figure computed from the values of its parts.

    None if a part is not reported, or if `of` answers None: then the figure has no meaning.
    """
    values = [part.value for part in parts]
    if any(value is None for value in values):
        return _derived(name, None, unit, formula, parts)
    result = _derived(name, of(*values), unit, formula, parts)
    return result if result.is_reported else structs.replace(result, if_missing=NOT_MEANINGFUL)


def are_a_year_apart(earlier: str, later: str) -> bool:
    """Whether two period ends are one year apart, a 53rd week allowed."""
    return 350 <= _days_between(earlier, later) <= 380


def _divided(above: float, below: float) -> float | None:
    return above / below if below > 0 else None


def _grown(now: float, then: float) -> float | None:
    return now / then - 1 if then > 0 else None


def _subtracted(now: float, then: float) -> float:
    return now - then


def _compounded(now: float, then: float, years: float) -> float | None:
    growth_of_all = now / then if then > 0 and now > 0 else None
    if growth_of_all is None or years <= 0:
        return None
    return float(growth_of_all ** (1 / years) - 1)


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def _derived(
    name: str, value: float | None, unit: Unit, formula: str, parts: tuple[Figure, ...]
) -> Figure:
    return Figure(name, value, unit, parts[0].period_end, sources_of(parts), f"derived: {formula}")
