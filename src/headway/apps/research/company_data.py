"""The data tools: profile, financials, filings and comparison of companies, figures with filings.

Pure functions over the package's own table; nothing here waits, fetches or looks at a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .company_records import (
    CompanyFilings,
    CompanyFinancials,
    CompanyProfile,
    ComparedCompany,
    Comparison,
    Filing,
    Period,
    PeriodFigures,
    RevenueSplit,
)
from .company_table import METRIC_UNITS, company_table
from .figures import Figure, Source
from .filing_words import describe_filing
from .lookup import UnknownMetric, find_company, normal_symbol
from .ratios import RATIOS, are_a_year_apart, quotient, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .company_table import Columns, CompanyRecord, Filed, Split

DEFAULT_COMPARISON = (
    "revenue",
    "revenue_growth",
    "gross_margin",
    "operating_margin",
    "net_margin",
    "free_cash_flow_margin",
    "debt_to_equity",
)


def company_profile(symbol: str) -> CompanyProfile:
    """Who the company is, how large, and what its revenue comes from. Raises UnknownTicker."""
    record = find_company(symbol)
    cover = _cover_page(record)
    return CompanyProfile(
        symbol=normal_symbol(symbol),
        name=record.name,
        short_name=record.short_name,
        cik=record.cik,
        sector=record.sector,
        industry=record.industry,
        exchange=record.exchange,
        headquarters=record.headquarters,
        auditor=record.auditor,
        employees=Figure("employees", record.employees, "count", record.employees_as_of, cover),
        shares_outstanding=Figure(
            "shares_outstanding", record.shares_outstanding, "share", record.shares_as_of, cover
        ),
        revenue_splits=_revenue_splits(record),
    )


def company_financials(
    symbol: str, period: Period = "annual", limit: int | None = None
) -> CompanyFinancials:
    """Figures of the last `limit` years or quarters (all if None), oldest first.

    Companies without quarterly data answer with no periods. Raises UnknownTicker, ValueError.
    """
    if period not in ("annual", "quarterly"):
        raise ValueError(f"period is {period!r}: use 'annual' or 'quarterly'")
    record = find_company(symbol)
    columns = record.annual if period == "annual" else record.quarterly
    newest = _after_last_year(record)
    return CompanyFinancials(
        symbol=normal_symbol(symbol),
        short_name=record.short_name,
        period=period,
        periods=_last(_rows(record, columns), limit),
        latest_quarter=newest,
        quarter_a_year_earlier=_year_before(_rows(record, record.quarterly), newest),
    )


def company_filings(
    symbol: str, form: str | None = None, limit: int | None = None
) -> CompanyFilings:
    """Filings newest first, of one form (such as `8-K`) if given. Raises UnknownTicker."""
    record = find_company(symbol)
    wanted = form.strip().upper() if form is not None else None
    newest_first = sorted(record.filings, key=lambda filed: filed.filed, reverse=True)
    found = tuple(_filing(filed) for filed in newest_first if wanted in (None, filed.form))
    return CompanyFilings(
        symbol=normal_symbol(symbol),
        short_name=record.short_name,
        filings=found[: _checked(limit)],
        total=len(found),
        coverage="index" if len(record.filings) > 1 else "annual report only",
    )


def compare_companies(symbols: Sequence[str], metrics: Sequence[str] | None = None) -> Comparison:
    """Each company's latest year on the same metrics (figures or ratios), in the order asked.

    Raises UnknownTicker, UnknownMetric, and ValueError for no companies.
    """
    if not symbols:
        raise ValueError("no companies to compare: give at least one ticker")
    wanted = tuple(metrics) if metrics is not None else DEFAULT_COMPARISON
    for metric in wanted:
        if metric not in METRIC_UNITS and metric not in RATIOS:
            raise UnknownMetric(metric, (*METRIC_UNITS, *RATIOS))
    once = dict.fromkeys(normal_symbol(symbol) for symbol in symbols)
    return Comparison(wanted, tuple(_compared(symbol, wanted) for symbol in once))


def _compared(symbol: str, metrics: tuple[str, ...]) -> ComparedCompany:
    financials = company_financials(symbol, limit=2)
    latest = financials.periods[-1]
    earlier = financials.periods[-2] if len(financials.periods) > 1 else None
    figures = tuple(
        latest.figure(metric) if metric in METRIC_UNITS else ratio(metric, latest, earlier)
        for metric in metrics
    )
    return ComparedCompany(symbol, financials.short_name, latest.period_end, figures)


def _rows(record: CompanyRecord, columns: Columns) -> tuple[PeriodFigures, ...]:
    return tuple(_row(record, columns, place) for place in range(len(columns.period_end)))


def _row(record: CompanyRecord, columns: Columns, place: int) -> PeriodFigures:
    end, source = columns.period_end[place], record.sources[columns.source[place]]
    figures = tuple(
        Figure(
            name=name,
            value=columns.values[name][place] if name in columns.values else None,
            unit=unit,
            period_end=end,
            sources=(source,),
            origin=_origin(columns, name, place),
        )
        for name, unit in METRIC_UNITS.items()
    )
    return PeriodFigures(columns.period_start[place], end, source, figures)


def _origin(columns: Columns, name: str, place: int) -> str | None:
    tag = columns.tags[name][place] if name in columns.tags else None
    if tag is not None:
        return company_table().tags[tag]
    return "derived: year - first three quarters" if columns.year_less_quarters[place] else None


def _filing(filed: Filed) -> Filing:
    about = describe_filing(filed.form, filed.items)
    return Filing(filed.form, filed.filed, filed.period_end, filed.accession, filed.items, about)


def _revenue_splits(record: CompanyRecord) -> tuple[RevenueSplit, ...]:
    rows = {row.period_end: row for row in _rows(record, record.annual)}
    return tuple(
        _revenue_split(split, rows[split.source.period_end].figure("revenue"))
        for split in record.segments
        if split.source.period_end in rows
    )


def _revenue_split(split: Split, total: Figure) -> RevenueSplit:
    end = total.period_end or ""
    parts = tuple(
        Figure(label, amount, "usd", end, (split.source,))
        for label, amount in zip(split.labels, split.revenue, strict=True)
    )
    shares = tuple(quotient(f"share of {part.name}", part, total, "fraction") for part in parts)
    return RevenueSplit(split.by, end, split.labels, parts, shares)


def _cover_page(record: CompanyRecord) -> tuple[Source, ...]:
    """The annual report whose cover page the table holds."""
    filed = record.cover_page_filed
    known = [source for source in record.sources if source.form == "10-K" and source.filed == filed]
    if filed is None or known:
        return tuple(known[:1])
    return (Source("10-K", None, filed, None, "filing"),)


def _after_last_year(record: CompanyRecord) -> PeriodFigures | None:
    """The newest quarter, if it ended after the newest year."""
    if not record.quarterly.period_end:
        return None
    newest = _row(record, record.quarterly, len(record.quarterly.period_end) - 1)
    return newest if newest.period_end > record.annual.period_end[-1] else None


def _year_before(
    quarters: tuple[PeriodFigures, ...], newest: PeriodFigures | None
) -> PeriodFigures | None:
    if newest is None:
        return None
    same = [q for q in quarters if are_a_year_apart(q.period_end, newest.period_end)]
    return same[0] if same else None


def _last(rows: tuple[PeriodFigures, ...], limit: int | None) -> tuple[PeriodFigures, ...]:
    return rows if _checked(limit) is None else rows[-(limit or 0) :]


def _checked(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}: use 1 or more, or leave it out for all")
    return limit
