"""The fundamentals analyst: growth, margins, profit, cash and returns from annual figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from .findings import Finding, Findings, Tone
from .model_view import view_of
from .ratios import (
    change,
    combined,
    compound_growth,
    growth,
    ratio,
    years_between,
)

if TYPE_CHECKING:
    from .company_records import (
        CompanyFilings,
        CompanyFinancials,
        CompanyProfile,
        PeriodFigures,
    )

# A margin that moves less than this has not moved; a growth that differs less is the same.
_MARGIN_STEP = 0.01
_GROWTH_STEP = 0.03
# A high margin that loses less than this is still a strength more than a worry.
_STEEP_FALL = 0.05
# Pre-tax income less tax and net income differ by minority interests; by more, by something else.
_RECONCILED_WITHIN = 0.06


def analyse_fundamentals(
    profile: CompanyProfile, financials: CompanyFinancials, filings: CompanyFilings
) -> Findings:
    """How the company grows, earns and spends, from its annual figures (and newest quarter)."""
    year = financials.periods[-1]
    earlier = financials.periods[-2] if len(financials.periods) > 1 else None
    found = (
        _scale(profile, year),
        _growth(year, earlier),
        _trend(financials.periods),
        _margin("gross_margin", year, earlier),
        _margin("operating_margin", year, earlier),
        _profit(year, earlier),
        _below_the_line(year),
        _cash(year),
        _conversion(year),
        _payout(year),
        _research(year),
        _returns(year),
        _quarter(financials),
    )
    return Findings(
        analyst="fundamentals",
        symbol=profile.symbol,
        company=profile.short_name,
        findings=tuple(finding for finding in found if finding is not None),
        view=view_of(financials),
    )


def _scale(profile: CompanyProfile, year: PeriodFigures) -> Finding:
    revenue, staff = year.figure("revenue"), profile.employees
    reading = "with_staff" if staff.is_reported else "revenue_only"
    words = {"industry": profile.industry[0].lower() + profile.industry[1:]}
    return Finding("scale", reading, "neutral", 0, (revenue, staff), words)


def _growth(year: PeriodFigures, earlier: PeriodFigures | None) -> Finding:
    rate = ratio("revenue_growth", year, earlier)
    figures = (rate, year.figure("revenue"))
    if rate.value is None:
        return Finding("growth", "unknown", "unknown", 5, figures)
    for floor, reading, tone, weight in _GROWTH_READINGS:
        if rate.value >= floor:
            return Finding("growth", reading, tone, weight, figures)
    return Finding("growth", "shrinking", "concern", 8, figures)


_GROWTH_READINGS: tuple[tuple[float, str, Tone, int], ...] = (
    (0.25, "surging", "strength", 9),
    (0.08, "strong", "strength", 7),
    (0.03, "steady", "neutral", 4),
    (-0.01, "flat", "neutral", 5),
)


def _trend(periods: tuple[PeriodFigures, ...]) -> Finding | None:
    """The latest growth against the mean of up to five years before."""
    if len(periods) < 3:
        return None
    last = periods[-1].figure("revenue")
    recent = [
        row.figure("revenue")
        for row in periods[:-2]
        if years_between(row.figure("revenue"), last).known() <= 5
    ]
    first = recent[0] if recent else periods[-2].figure("revenue")
    mean = compound_growth("mean_growth", first, last)
    latest = ratio("revenue_growth", periods[-1], periods[-2])
    since = structs.replace(first, name="first_revenue")
    figures = (mean, years_between(first, last), since, last, latest)
    if mean.value is None or latest.value is None:
        return Finding("trend", "gap", "unknown", 2, figures)
    if latest.value > mean.value + _GROWTH_STEP:
        return Finding("trend", "faster", "strength", 4, figures)
    if latest.value < mean.value - _GROWTH_STEP:
        reading = "worse" if latest.value < 0 else "slower"
        return Finding("trend", reading, "concern", 3, figures)
    return Finding("trend", "even", "neutral", 1, figures)


def _margin(name: str, year: PeriodFigures, earlier: PeriodFigures | None) -> Finding:
    now = ratio(name, year)
    before = ratio(name, earlier) if earlier and _is_year_before(earlier, year) else None
    moved = change("moved", now, before)
    if now.value is None:
        return Finding(name, "unknown", "unknown", 2, (now,))
    if now.value < 0:
        return Finding(name, "negative", "concern", 9, (now, moved))
    words = {"level": _level(name, now.value)}
    if moved.value is None:
        return Finding(name, "level", "neutral", 2, (now,), words)
    is_high = words["level"] in ("very high", "high")
    if moved.value > _MARGIN_STEP:
        return Finding(name, "wider", "strength", 6 if is_high else 4, (now, moved), words)
    if moved.value < -_MARGIN_STEP:
        weight = 3 if is_high and moved.value > -_STEEP_FALL else 5
        return Finding(name, "narrower", "concern", weight, (now, moved), words)
    return Finding(name, "stable", "strength" if is_high else "neutral", 4, (now, moved), words)


def _is_year_before(earlier: PeriodFigures | None, year: PeriodFigures) -> bool:
    return earlier is not None and ratio("revenue_growth", year, earlier).is_reported


def _level(name: str, margin: float) -> str:
    steps = (0.7, 0.5, 0.25) if name == "gross_margin" else (0.35, 0.2, 0.08)
    for floor, words in zip(steps, ("very high", "high", "moderate"), strict=True):
        if margin >= floor:
            return words
    return "thin"


def _profit(year: PeriodFigures, earlier: PeriodFigures | None) -> Finding:
    now, margin = year.figure("net_income"), ratio("net_margin", year)
    before = earlier.figure("net_income") if earlier and _is_year_before(earlier, year) else None
    rate = ratio("net_income_growth", year, earlier)
    if before is None or before.value is None or now.value is None:
        return Finding("profit", "alone", "neutral", 3, (now, margin))
    compared = (now, structs.replace(before, name="net_income_before"), margin, rate)
    if now.value < 0:
        return Finding("profit", _loss(now.value, before.value), "concern", 10, compared)
    if earlier and not (_reconciles(year) and _reconciles(earlier)):
        return Finding("profit", "not_comparable", "neutral", 4, compared)
    if before.value <= 0:
        return Finding("profit", "back_to_profit", "strength", 7, compared)
    if rate.known() >= _GROWTH_STEP:
        return Finding("profit", "up", "strength", 5 if rate.known() < 0.25 else 7, compared)
    if rate.known() <= -_GROWTH_STEP:
        return Finding("profit", "down", "concern", 6 if rate.known() > -0.25 else 8, compared)
    return Finding("profit", "flat", "neutral", 3, compared)


def _loss(now: float, before: float) -> str:
    if before >= 0:
        return "first_loss"
    return "deeper_loss" if now < before else "smaller_loss"


def _reconciles(year: PeriodFigures) -> bool:
    """Whether net income is pre-tax income less tax; True where the filing does not say."""
    pretax, tax, net = (year.figure(n).value for n in ("pretax_income", "income_tax", "net_income"))
    if pretax is None or tax is None or net is None:
        return True
    return abs(pretax - tax - net) <= _RECONCILED_WITHIN * abs(net)


def _below_the_line(year: PeriodFigures) -> Finding | None:
    """Income or cost outside operations, where it is large enough to colour the profit."""
    operating, pretax = year.figure("operating_income"), year.figure("pretax_income")
    if operating.value is None or pretax.value is None or operating.value <= 0:
        return None
    other = combined(
        "other_income", "pretax_income - operating_income", "usd", (pretax, operating),
        lambda before_tax, operations: before_tax - operations,
    )  # fmt: skip
    share = other.known() / operating.value
    figures = (operating, pretax, other)
    if share > 0.25:
        return Finding("below_the_line", "gain", "concern", 5, figures)
    if share < -0.25:
        return Finding("below_the_line", "drag", "concern", 5, figures)
    return None


def _cash(year: PeriodFigures) -> Finding:
    free, margin = year.figure("free_cash_flow"), ratio("free_cash_flow_margin", year)
    figures = (free, margin)
    if free.value is None or margin.value is None:
        return Finding("cash", "unknown", "unknown", 3, figures)
    if free.value < 0:
        return Finding("cash", "negative", "concern", 9, figures)
    if margin.value >= 0.15:
        return Finding("cash", "strong", "strength", 6, figures)
    if margin.value >= 0.05:
        return Finding("cash", "sound", "neutral", 3, figures)
    return Finding("cash", "thin", "concern", 4, figures)


def _conversion(year: PeriodFigures) -> Finding | None:
    """Free cash flow against net income, where both are above zero."""
    rate = ratio("cash_conversion", year)
    if rate.value is None or rate.value < 0:
        return None
    spent = (year.figure("operating_cash_flow"), year.figure("capital_expenditure"))
    if rate.value >= 0.95:
        return Finding("conversion", "full", "strength", 3, (rate,))
    if rate.value < 0.7:
        reading = "invested" if _is_mostly_invested(year) else "partial"
        return Finding("conversion", reading, "concern", 3, (rate, *spent))
    return Finding("conversion", "fair", "neutral", 1, (rate,))


def _is_mostly_invested(year: PeriodFigures) -> bool:
    """Whether capital expenditure is what keeps operating cash flow from becoming free."""
    brought_in, spent = year.figure("operating_cash_flow"), year.figure("capital_expenditure")
    return bool(brought_in.value and spent.value and spent.value >= 0.4 * brought_in.value)


def _payout(year: PeriodFigures) -> Finding | None:
    """What went to shareholders against the free cash flow."""
    free = year.figure("free_cash_flow")
    dividends, buybacks = year.figure("dividends_paid"), year.figure("share_repurchases")
    paid = tuple(part for part in (dividends, buybacks) if part.value)
    if not paid or free.value is None:
        return None
    total = combined(
        "returned", " + ".join(part.name for part in paid), "usd", paid,
        lambda *parts: sum(parts),
    )  # fmt: skip
    kinds = {"dividends_paid": "dividends", "share_repurchases": "share repurchases"}
    words = {"kinds": " and ".join(kinds[part.name] for part in paid)}
    if total.known() > max(free.value, 0):
        return Finding("payout", "beyond", "concern", 3, (total, free), words)
    return Finding("payout", "within", "neutral", 1, (total, free), words)


def _research(year: PeriodFigures) -> Finding | None:
    spent, share = year.figure("research_and_development"), ratio("research_share", year)
    if share.value is None or share.value < 0.03:
        return None
    reading = "heavy" if share.value >= 0.15 else "some"
    return Finding("research", reading, "neutral", 1, (spent, share))


def _returns(year: PeriodFigures) -> Finding | None:
    equity, assets = ratio("return_on_equity", year), ratio("return_on_assets", year)
    if assets.value is None or assets.value < 0 or equity.value is None:
        return None
    if equity.value > 4 * assets.value:
        return Finding("returns", "geared", "neutral", 2, (equity, assets))
    if assets.value >= 0.15:
        return Finding("returns", "high", "strength", 3, (equity, assets))
    return Finding("returns", "ordinary", "neutral", 1, (equity, assets))


def _quarter(financials: CompanyFinancials) -> Finding | None:
    """The quarter after the last year, against the same quarter a year earlier."""
    quarter, before = financials.latest_quarter, financials.quarter_a_year_earlier
    if quarter is None or before is None:
        return None
    rate = growth("quarter_growth", "revenue", quarter, before)
    annual = ratio("revenue_growth", financials.periods[-1], financials.periods[-2])
    figures = (rate, quarter.figure("revenue"), quarter.figure("net_income"), annual)
    if rate.value is None or annual.value is None:
        return Finding("quarter", "unknown", "unknown", 1, figures)
    if rate.value < 0:
        return Finding("quarter", "shrinking", "concern", 6, figures)
    if rate.value > annual.value + _GROWTH_STEP:
        return Finding("quarter", "faster", "strength", 5, figures)
    if rate.value < annual.value - _GROWTH_STEP:
        return Finding("quarter", "slower", "neutral", 3, figures)
    return Finding("quarter", "even", "neutral", 2, figures)
