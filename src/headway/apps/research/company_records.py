"""What the data tools answer with: typed, frozen, each figure with the filing it comes from."""

from __future__ import annotations

from typing import Literal

import msgspec

from .company_table import METRIC_UNITS
from .figures import Figure, Source
from .lookup import UnknownMetric

Period = Literal["annual", "quarterly"]


class RevenueSplit(msgspec.Struct, frozen=True):
    """Revenue of one year along one axis (product, region ...), largest part first."""

    by: str
    period_end: str
    labels: tuple[str, ...]
    parts: tuple[Figure, ...]
    shares: tuple[Figure, ...]


class CompanyProfile(msgspec.Struct, frozen=True):
    """Who the company is; what its cover page does not state is None."""

    symbol: str
    name: str
    short_name: str
    cik: int
    sector: str
    industry: str
    exchange: str | None
    headquarters: str | None
    auditor: str | None
    employees: Figure
    shares_outstanding: Figure
    revenue_splits: tuple[RevenueSplit, ...]


class PeriodFigures(msgspec.Struct, frozen=True):
    """All figures of one year or quarter; those not reported have the value None."""

    period_start: str
    period_end: str
    source: Source
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """The figure of this name. Raises UnknownMetric."""
        for candidate in self.figures:
            if candidate.name == name:
                return candidate
        raise UnknownMetric(name, METRIC_UNITS)


class CompanyFinancials(msgspec.Struct, frozen=True):
    """Figures by period, oldest first.

    `latest_quarter` and `quarter_a_year_earlier` are there whatever period was asked, where the
    table holds quarters of the company that are newer than its last year.
    """

    symbol: str
    short_name: str
    period: Period
    periods: tuple[PeriodFigures, ...]
    latest_quarter: PeriodFigures | None
    quarter_a_year_earlier: PeriodFigures | None


class Filing(msgspec.Struct, frozen=True):
    """One filing with the SEC; `about` says in words what its form and items mean."""

    form: str
    filed: str
    period_end: str | None
    accession: str | None
    items: tuple[str, ...]
    about: str

    def source(self) -> Source:
        """The filing as the source of what is said about it."""
        return Source(self.form, self.period_end, self.filed, self.accession, "index")


class CompanyFilings(msgspec.Struct, frozen=True):
    """Filings, newest first; `total` counts all that match, `filings` holds up to the limit.

    `coverage` is `index` where the table holds every filing of the kept forms since 2021, and
    `annual report only` where it holds that one filing.
    """

    symbol: str
    short_name: str
    filings: tuple[Filing, ...]
    total: int
    coverage: Literal["index", "annual report only"]


class ComparedCompany(msgspec.Struct, frozen=True):
    """One company's latest year in a comparison."""

    symbol: str
    short_name: str
    period_end: str
    figures: tuple[Figure, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Companies side by side on the same metrics; their years may end on different days."""

    metrics: tuple[str, ...]
    companies: tuple[ComparedCompany, ...]
