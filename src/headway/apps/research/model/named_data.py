"""Figures and filings under the names by which a model refers to them.

A name says what the figure is, of which company and how long ago: `revenue`, `revenue_1y_ago`,
`amd_revenue`. Equal data has equal names, whoever asks for it and in whatever order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ..company_records import (
    CompanyFilings,
    CompanyFinancials,
    CompanyProfile,
    Comparison,
    Filing,
    PeriodFigures,
)
from ..figures import Figure, Source
from ..findings import Findings
from ..model_view import ModelView
from ..ratios import RATIOS, ratio

Shown = tuple[str, str | None, str]
"""A figure as a person reads it, the end of its period, the ids of its sources."""


class NamedData(msgspec.Struct, frozen=True):
    """Figures that are reported, and filings, by name."""

    figures: dict[str, Figure] = {}
    filings: dict[str, Filing] = {}

    def with_more(self, more: NamedData) -> NamedData:
        """Both; what has a name already keeps it."""
        both = NamedData(dict(self.figures), dict(self.filings))
        for name, figure in more.figures.items():
            both.figures.setdefault(name, figure)
        for name, filing in more.filings.items():
            both.filings.setdefault(name, filing)
        return both

    def sources(self) -> dict[str, Source]:
        """The filings that it rests on, by id."""
        listed = [source for figure in self.figures.values() for source in figure.sources]
        listed += [filing.source() for filing in self.filings.values()]
        return {source_id(source): source for source in listed}

    def shown(self) -> dict[str, Shown]:
        """The figures as a model is told of them."""
        return {
            name: (str(figure), figure.period_end, ids_of(figure.sources))
            for name, figure in self.figures.items()
        }


def source_id(source: Source) -> str:
    """What stands for a filing: its accession number, else its form and day."""
    return source.accession or " ".join(
        part for part in (source.form, source.period_end or source.filed) if part
    )


def ids_of(sources: Iterable[Source]) -> str:
    """The ids of some filings, each once."""
    return " + ".join(dict.fromkeys(source_id(source) for source in sources))


def prefix_of(symbol: str, about: str) -> str:
    """What names of a company's data begin with; nothing for the company `about` itself."""
    return "" if symbol == about else f"{slug(symbol)}_"


def slug(text: str) -> str:
    """`data-centre computing` as `data_centre_computing`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def of_profile(profile: CompanyProfile, prefix: str = "") -> NamedData:
    """Staff, shares, and the parts that revenue comes from."""
    figures = {"employees": profile.employees, "shares_outstanding": profile.shares_outstanding}
    for split in profile.revenue_splits:
        for label, share in zip(split.labels, split.shares, strict=True):
            figures.setdefault(f"share_of_{slug(label)}", share)
    return _reported(figures.items(), prefix)


def of_financials(financials: CompanyFinancials, last: int, prefix: str = "") -> NamedData:
    """Figures and ratios of the last years or quarters, newest first."""
    ago, lead = ("y_ago", "") if financials.period == "annual" else ("q_ago", "quarter_")
    named: list[tuple[str, Figure]] = []
    for back, (now, before) in enumerate(_newest_first(financials.periods)[:last]):
        suffix = f"_{back}{ago}" if back else ""
        figures = [*now.figures]
        if financials.period == "annual":
            figures += [ratio(name, now, before) for name in RATIOS]
        named += [(f"{lead}{figure.name}{suffix}", figure) for figure in figures]
    return _reported(named, prefix)


def of_filings(filings: CompanyFilings, last: int, form: str | None, prefix: str = "") -> NamedData:
    """The newest filings; each is numbered among all, so that a form asked for changes no name."""
    numbered = enumerate(filings.filings, start=1)
    wanted = [(n, filing) for n, filing in numbered if form in (None, filing.form)]
    return NamedData({}, {f"{prefix}filing_{n}": filing for n, filing in wanted[:last]})


def of_comparison(comparison: Comparison, about: str) -> NamedData:
    """Each company's figures under its own prefix."""
    named = (
        (f"{prefix_of(company.symbol, about)}{figure.name}", figure)
        for company in comparison.companies
        for figure in company.figures
    )
    return _reported(named)


def of_view(view: ModelView, prefix: str = "") -> NamedData:
    """The counts of the rule, and the figures it looked at."""
    tested = ((criterion.name, criterion.figure) for criterion in view.criteria)
    counts = ((figure.name, figure) for figure in (view.passed, view.assessed))
    return _reported([*counts, *tested], prefix)


def of_findings(findings: Iterable[Findings], known: Mapping[str, Figure]) -> NamedData:
    """What analysts by rule have computed beyond the known figures, named by topic."""
    named: list[tuple[str, Figure]] = []
    for finding in (each for analyst in findings for each in analyst.findings):
        for figure in finding.figures:
            if known.get(figure.name) != figure:
                named.append((f"{finding.topic}_{slug(figure.name)}", figure))
    return _reported(named)


def _reported(named: Iterable[tuple[str, Figure]], prefix: str = "") -> NamedData:
    return NamedData({f"{prefix}{name}": figure for name, figure in named if figure.is_reported})


def _newest_first(
    periods: tuple[PeriodFigures, ...],
) -> list[tuple[PeriodFigures, PeriodFigures | None]]:
    return list(_with_the_one_before(periods))[::-1]


def _with_the_one_before(
    periods: tuple[PeriodFigures, ...],
) -> Iterator[tuple[PeriodFigures, PeriodFigures | None]]:
    before: PeriodFigures | None = None
    for period in periods:
        yield period, before
        before = period
