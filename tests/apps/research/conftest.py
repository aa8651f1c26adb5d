"""The whole research of a company, computed once for each of the tests that look at it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest

from headway.apps.research.analyse_filings import analyse_filings
from headway.apps.research.analyse_fundamentals import analyse_fundamentals
from headway.apps.research.analyse_risk import analyse_risk
from headway.apps.research.company_data import (
    company_filings,
    company_financials,
    company_profile,
)
from headway.apps.research.findings import Findings
from headway.apps.research.lookup import known_symbols
from headway.apps.research.prose import Section
from headway.apps.research.sections import (
    write_fundamentals,
    write_news,
    write_risk,
    write_summary,
    write_synthesis,
)


class Research(NamedTuple):
    """What the analysts found and the writer wrote."""

    fundamentals: Findings
    filings: Findings
    risk: Findings
    sections: tuple[Section, ...]

    def section(self, key: str) -> Section:
        return next(section for section in self.sections if section.key == key)


@cache
def research(symbol: str) -> Research:
    data = company_profile(symbol), company_financials(symbol), company_filings(symbol)
    one, two, three = analyse_fundamentals(*data), analyse_filings(*data), analyse_risk(*data)
    sections = (
        write_summary(one, two, three),
        write_fundamentals(one),
        write_news(two),
        write_risk(three),
        write_synthesis(one, two, three),
    )
    return Research(one, two, three, sections)


@pytest.fixture(params=known_symbols())
def symbol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def researched(symbol: str) -> Research:
    return research(symbol)


@pytest.fixture
def research_of():
    return research
