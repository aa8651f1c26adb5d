"""The filings analyst: what the company told the SEC, how often, and what stands out."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from .figures import Figure, Source
from .filing_words import EXHIBITS, item_topic
from .findings import Finding, Findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .company_records import (
        CompanyFilings,
        CompanyFinancials,
        CompanyProfile,
        Filing,
    )

_YEAR = timedelta(days=365)
# The day by which a large accelerated filer owes its annual report.
_DEADLINE_DAYS = 60
_RECENT_SHOWN = 5
_TOPICS_SHOWN = 4
_SECURITIES_FORMS = ("424B2", "FWP", "S-3ASR")


def analyse_filings(
    profile: CompanyProfile, financials: CompanyFinancials, filings: CompanyFilings
) -> Findings:
    """What the filings say: the annual report, the pace of current reports, and their subjects."""
    found: list[Finding | None] = [_coverage(filings), _annual_report(financials, filings)]
    if filings.coverage == "index" and filings.filings:
        last_year = within_a_year(filings)
        found += [
            _activity(filings, last_year),
            _topics(filings, last_year),
            officer_changes(filings),
            _financing(filings, last_year),
            _deals(filings, last_year),
            corrections(filings),
            _recent(filings),
        ]
    return Findings(
        analyst="filings",
        symbol=profile.symbol,
        company=profile.short_name,
        findings=tuple(finding for finding in found if finding is not None),
    )


def within_a_year(filings: CompanyFilings, years_back: int = 0) -> tuple[Filing, ...]:
    """The filings of the year up to the newest one, or of a year before that."""
    if not filings.filings:
        return ()
    end = date.fromisoformat(filings.filings[0].filed) - years_back * _YEAR
    days = ((date.fromisoformat(f.filed), f) for f in filings.filings)
    return tuple(filing for day, filing in days if end - _YEAR < day <= end)


def officer_changes(filings: CompanyFilings) -> Finding | None:
    """Changes among directors or officers within a year: three or more are a pattern."""
    reports = _with_items(within_a_year(filings), ("5.02",))
    if not reports:
        return None
    count = _count("officer_changes", reports, filings)
    if len(reports) >= 3:
        return Finding("officers", "many", "concern", 3, (count,), filings=reports[:1])
    return Finding("officers", "few", "neutral", 2, (count,), filings=reports[:1])


def corrections(filings: CompanyFilings) -> Finding | None:
    """Amended annual reports and cybersecurity incidents of the last two years."""
    recent = within_a_year(filings) + within_a_year(filings, years_back=1)
    amended = tuple(filing for filing in recent if filing.form == "10-K/A")
    incidents = _with_items(recent, ("1.05",))
    if incidents:
        return Finding("corrections", "incident", "concern", 6, filings=incidents[:1])
    if amended:
        return Finding("corrections", "amended", "concern", 4, filings=amended[:1])
    return None


def _coverage(filings: CompanyFilings) -> Finding:
    if not filings.filings:
        return Finding("coverage", "none", "unknown", 4)
    if filings.coverage == "annual report only":
        return Finding("coverage", "single", "unknown", 4, filings=filings.filings[:1])
    count = _count("filings_in_all", filings.filings, filings)
    ends = (filings.filings[0], filings.filings[-1])
    return Finding("coverage", "index", "neutral", 0, (count,), filings=ends)


def _annual_report(financials: CompanyFinancials, filings: CompanyFilings) -> Finding | None:
    reports = [f for f in filings.filings if f.form == "10-K" and f.period_end is not None]
    if not reports:
        return None
    newest = reports[0]
    lag = _lag(newest)
    if newest.period_end and newest.period_end > financials.periods[-1].period_end:
        last = financials.periods[-1].figure("revenue")
        return Finding("annual_report", "ahead", "concern", 6, (lag, last), filings=(newest,))
    if lag.known() <= _DEADLINE_DAYS:
        return Finding("annual_report", "prompt", "neutral", 3, (lag,), filings=(newest,))
    return Finding("annual_report", "slow", "concern", 3, (lag,), filings=(newest,))


def _lag(report: Filing) -> Figure:
    """Days from the end of the period to the filing."""
    end = date.fromisoformat(report.period_end or report.filed)
    days = (date.fromisoformat(report.filed) - end).days
    formula = "derived: filing date - period end"
    return Figure("lag_days", days, "count", report.period_end, (report.source(),), formula)


def _activity(filings: CompanyFilings, last_year: tuple[Filing, ...]) -> Finding:
    """Current reports of the last year against the year before."""
    now = _of_form(last_year, "8-K")
    before = _of_form(within_a_year(filings, years_back=1), "8-K")
    figures = (_count("reports_now", now, filings), _count("reports_before", before, filings))
    newest = filings.filings[:1]
    if len(now) >= 1.4 * len(before) and len(now) - len(before) >= 4:
        return Finding("activity", "busier", "neutral", 4, figures, filings=newest)
    if len(before) >= 1.4 * len(now) and len(before) - len(now) >= 4:
        return Finding("activity", "quieter", "neutral", 3, figures, filings=newest)
    return Finding("activity", "even", "neutral", 1, figures, filings=newest)


def _topics(filings: CompanyFilings, last_year: tuple[Filing, ...]) -> Finding | None:
    """What the last year's current reports were about, the commonest first."""
    items = Counter(i for f in _of_form(last_year, "8-K") for i in f.items if i != EXHIBITS)
    if not items:
        return None
    ranked = sorted(items.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOPICS_SHOWN]
    figures = tuple(
        Figure(item_topic(item), count, "count", None, (_index(filings),)) for item, count in ranked
    )
    return Finding("topics", "listed", "neutral", 1, figures)


def _financing(filings: CompanyFilings, last_year: tuple[Filing, ...]) -> Finding | None:
    issued = tuple(f for f in last_year if f.form in ("424B2", "FWP"))
    if issued:
        count = _count("issue_documents", issued, filings)
        return Finding("financing", "issued", "neutral", 4, (count,), filings=issued[:1])
    obligations = _with_items(last_year, ("2.03",))
    if obligations:
        return Finding("financing", "obligation", "neutral", 4, filings=obligations[:1])
    shelf = _of_form(last_year, "S-3ASR")
    return Finding("financing", "shelf", "neutral", 2, filings=shelf[:1]) if shelf else None


def _deals(filings: CompanyFilings, last_year: tuple[Filing, ...]) -> Finding | None:
    """Agreements entered or ended and assets bought or sold."""
    deals = _with_items(last_year, ("1.01", "1.02", "2.01"))
    if not deals:
        return None
    return Finding(
        "deals", "some", "neutral", 5, (_count("deal_reports", deals, filings),), filings=deals[:1]
    )


def _recent(filings: CompanyFilings) -> Finding:
    return Finding("recent", "listed", "neutral", 0, filings=filings.filings[:_RECENT_SHOWN])


def _of_form(filings: Iterable[Filing], form: str) -> tuple[Filing, ...]:
    return tuple(filing for filing in filings if filing.form == form)


def _with_items(filings: Iterable[Filing], items: tuple[str, ...]) -> tuple[Filing, ...]:
    return tuple(filing for filing in filings if any(item in filing.items for item in items))


def _count(name: str, counted: tuple[Filing, ...], filings: CompanyFilings) -> Figure:
    return Figure(
        name, len(counted), "count", None, (_index(filings),), "derived: number of filings"
    )


def _index(filings: CompanyFilings) -> Source:
    name = f"Filings of {filings.short_name} since {filings.filings[-1].filed[:4]}"
    return Source(name, None, None, None, "count")
