"""The risk analyst: debt, liquidity, concentration, steadiness, and gaps in the data itself."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import structs

from .analyse_filings import corrections, officer_changes
from .figures import Figure, sources_of
from .findings import Finding, Findings
from .ratios import quotient, ratio

if TYPE_CHECKING:
    from .company_records import (
        CompanyFilings,
        CompanyFinancials,
        CompanyProfile,
        PeriodFigures,
        RevenueSplit,
    )

# What a reader of a risk note would look for first; their absence is told by name.
_EXPECTED = {
    "gross_profit": "gross profit",
    "operating_income": "operating income",
    "interest_expense": "interest expense",
    "operating_cash_flow": "operating cash flow",
    "current_assets": "current assets",
    "total_liabilities": "total liabilities",
    "long_term_debt": "long-term debt",
    "inventory": "inventory",
}


def analyse_risk(
    profile: CompanyProfile, financials: CompanyFinancials, filings: CompanyFilings
) -> Findings:
    """What could go wrong, as far as figures and filings tell."""
    year = financials.periods[-1]
    earlier = financials.periods[-2] if len(financials.periods) > 1 else None
    found = (
        _leverage(year),
        _cover(year),
        _repayment(year),
        _liquidity(year),
        _concentration(profile),
        _regions(profile),
        _steadiness(financials.periods),
        _inventory(year, earlier),
        _stock_pay(year),
        _pattern(officer_changes(filings)),
        corrections(filings),
        _gaps(year),
    )
    return Findings(
        analyst="risk",
        symbol=profile.symbol,
        company=profile.short_name,
        findings=tuple(finding for finding in found if finding is not None),
    )


def _leverage(year: PeriodFigures) -> Finding:
    debt, equity = ratio("total_debt", year), year.figure("total_equity")
    rate, liabilities = ratio("debt_to_equity", year), year.figure("total_liabilities")
    figures = (debt, equity, rate, liabilities)
    if equity.value is not None and equity.value <= 0:
        return Finding("leverage", "underwater", "concern", 9, figures)
    if rate.value is None:
        return Finding("leverage", "unknown", "unknown", 4, figures)
    if rate.value < 0.5:
        return Finding("leverage", "low", "strength", 5, figures)
    if rate.value <= 1.5:
        return Finding("leverage", "moderate", "neutral", 3, figures)
    reading = "extreme" if rate.value > 5 else "high"
    return Finding("leverage", reading, "concern", 8 if reading == "extreme" else 6, figures)


def _cover(year: PeriodFigures) -> Finding:
    cover = ratio("interest_cover", year)
    figures = (cover, year.figure("interest_expense"))
    operating = year.figure("operating_income")
    if operating.value is not None and operating.value < 0:
        return Finding("cover", "loss", "concern", 7, (operating,))
    if cover.value is None:
        return Finding("cover", "unknown", "unknown", 2, figures)
    if cover.value >= 15:
        return Finding("cover", "ample", "strength", 3, figures)
    if cover.value >= 5:
        return Finding("cover", "sound", "neutral", 2, figures)
    return Finding("cover", "thin", "concern", 6, figures)


def _repayment(year: PeriodFigures) -> Finding | None:
    """How many years of free cash flow the debt equals."""
    debt, free = ratio("total_debt", year), year.figure("free_cash_flow")
    if debt.value is None or free.value is None or debt.value <= 0:
        return None
    if free.value <= 0:
        return Finding("repayment", "impossible", "concern", 7, (debt, free))
    years = quotient("repayment_years", debt, free, "years")
    if years.known() < 1:
        return Finding("repayment", "quick", "strength", 2, (debt, free))
    if years.known() > 5:
        return Finding("repayment", "slow", "concern", 4, (debt, free, years))
    return Finding("repayment", "bearable", "neutral", 1, (debt, free, years))


def _liquidity(year: PeriodFigures) -> Finding:
    rate, cash = ratio("current_ratio", year), year.figure("cash_and_equivalents")
    figures = (rate, cash, year.figure("current_liabilities"))
    if rate.value is None:
        return Finding("liquidity", "unknown", "unknown", 3, figures)
    if rate.value >= 1.5:
        return Finding("liquidity", "comfortable", "strength", 3, figures)
    if rate.value >= 1:
        return Finding("liquidity", "adequate", "neutral", 2, figures)
    return Finding("liquidity", "tight", "concern", 5, figures)


def _concentration(profile: CompanyProfile) -> Finding | None:
    """The largest product, else business unit, if the split says more than goods and services."""
    splits = [s for s in profile.revenue_splits if s.by in ("product", "business unit")]
    telling = [s for s in splits if s.labels[0] not in ("products", "services")]
    if not telling:
        return None
    split = telling[0]
    top, second = split.shares[0], split.shares[1]
    words = {"largest": split.labels[0], "second": split.labels[1], "by": split.by}
    figures = (
        structs.replace(top, name="largest_share"),
        structs.replace(second, name="second_share"),
    )
    if top.known() >= 0.6:
        return Finding("concentration", "heavy", "concern", 5, figures, words)
    if top.known() >= 0.4:
        return Finding("concentration", "notable", "neutral", 3, figures, words)
    return Finding("concentration", "spread", "strength", 2, figures, words)


def _regions(profile: CompanyProfile) -> Finding | None:
    splits = [s for s in profile.revenue_splits if s.by == "region"]
    if not splits:
        return None
    split = splits[0]
    home, china = _share(split, "the United States"), _china(split)
    if china is not None and china.known() >= 0.1:
        return Finding("regions", "china", "concern", 4, (china,))
    if home is not None and home.known() >= 0.6:
        return Finding("regions", "home", "neutral", 2, (structs.replace(home, name="home_share"),))
    label = split.labels[0]
    largest = structs.replace(split.shares[0], name="largest_region")
    return Finding("regions", "mixed", "neutral", 1, (largest,), {"label": label})


def _share(split: RevenueSplit, label: str) -> Figure | None:
    return dict(zip(split.labels, split.shares, strict=True)).get(label)


def _china(split: RevenueSplit) -> Figure | None:
    for label, share in zip(split.labels, split.shares, strict=True):
        if "China" in label:
            return structs.replace(share, name="china_share")
    return None


def _steadiness(periods: tuple[PeriodFigures, ...]) -> Finding | None:
    """Years in which revenue fell or the result was a loss, among those the table holds."""
    rates = [ratio("revenue_growth", b, a) for a, b in pairwise(periods)]
    if len(rates) < 2 or not all(rate.is_reported for rate in rates):
        return None
    losses = [p.figure("net_income") for p in periods if (p.figure("net_income").value or 0) < 0]
    counted = tuple(period.figure("revenue") for period in periods)
    years = _counted("years_counted", len(periods), counted)
    if losses:
        lost = _counted("loss_years", len(losses), tuple(losses))
        return Finding("steadiness", "losses", "concern", 6, (years, lost))
    falls = [rate for rate in rates if rate.known() < 0]
    if not falls:
        return Finding("steadiness", "never_fell", "strength", 3, (years,))
    worst = structs.replace(min(falls, key=Figure.known), name="worst_fall")
    fell = _counted("years_fallen", len(falls), tuple(falls))
    return Finding("steadiness", "fell", "neutral", 3, (years, fell, worst))


def _counted(name: str, count: int, counted: tuple[Figure, ...]) -> Figure:
    newest = sources_of(counted)[-1:]
    return Figure(name, count, "count", counted[-1].period_end, newest, "derived: number of years")


def _inventory(year: PeriodFigures, earlier: PeriodFigures | None) -> Finding | None:
    stock, sales = ratio("inventory_growth", year, earlier), ratio("revenue_growth", year, earlier)
    if stock.value is None or sales.value is None or stock.value <= sales.value + 0.1:
        return None
    return Finding("inventory", "ahead", "concern", 4, (stock, sales, year.figure("inventory")))


def _stock_pay(year: PeriodFigures) -> Finding | None:
    share = ratio("stock_pay_share", year)
    if share.value is None or share.value < 0.05:
        return None
    paid = year.figure("stock_based_compensation")
    if share.value >= 0.08:
        return Finding("stock_pay", "large", "concern", 3, (share, paid))
    return Finding("stock_pay", "notable", "neutral", 1, (share, paid))


def _pattern(finding: Finding | None) -> Finding | None:
    """The finding if it is a concern; one change at the top is news, not a risk."""
    return finding if finding is not None and finding.tone == "concern" else None


def _gaps(year: PeriodFigures) -> Finding | None:
    """Expected figures that the latest year does not report."""
    missing = [words for name, words in _EXPECTED.items() if not year.figure(name).is_reported]
    if not missing:
        return None
    named = ", ".join(missing[:-1]) + " and " + missing[-1] if len(missing) > 1 else missing[0]
    figures, words = (year.figure("revenue"),), {"missing": named}
    if len(missing) >= 4:
        return Finding("gaps", "many", "unknown", 5, figures, words)
    return Finding("gaps", "few", "neutral", 1, figures, words)
