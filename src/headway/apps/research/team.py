"""The analysts and writers of a research: what each asks for, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .analyse_filings import analyse_filings
from .analyse_fundamentals import analyse_fundamentals
from .analyse_risk import analyse_risk
from .company_records import CompanyFilings, CompanyFinancials, CompanyProfile
from .data_tools import DataTools
from .findings import Findings
from .pace import Pace
from .prose import Section
from .sections import (
    write_fundamentals,
    write_news,
    write_risk,
    write_summary,
    write_synthesis,
)

Analysis: TypeAlias = Callable[[CompanyProfile, CompanyFinancials, CompanyFilings], Findings]


class Team:
    """Three analysts, each of whom fetches the data itself, as agents do; and those who write."""

    def __init__(self, tools: DataTools, pace: Pace) -> None:
        self._tools, self._pace = tools, pace

    async def analyse_fundamentals(self, symbol: str) -> Findings:
        """How the company grows, earns and spends."""
        return await self._analysis("fundamentals_findings", analyse_fundamentals, symbol)

    async def analyse_filings(self, symbol: str) -> Findings:
        """What the company has told its regulator lately."""
        return await self._analysis("filings_findings", analyse_filings, symbol)

    async def analyse_risk(self, symbol: str) -> Findings:
        """What could go wrong."""
        return await self._analysis("risk_findings", analyse_risk, symbol)

    async def _analysis(self, part: str, analyse: Analysis, symbol: str) -> Findings:
        # In turn, as an agent's tool loop asks; where the answers are shared this costs nothing.
        profile = await self._tools.profile(symbol)
        financials = await self._tools.financials(symbol)
        filings = await self._tools.filings(symbol)
        await self._pace.spend(part)
        return analyse(profile, financials, filings)

    async def write_fundamentals(self, fundamentals: Findings) -> Section:
        """The section on growth, margins, profit and cash."""
        await self._pace.spend("fundamentals")
        return write_fundamentals(fundamentals)

    async def write_news(self, filings: Findings) -> Section:
        """The section on what was filed."""
        await self._pace.spend("news")
        return write_news(filings)

    async def write_risk(self, risk: Findings) -> Section:
        """The section on debt, liquidity, concentration and gaps."""
        await self._pace.spend("risk")
        return write_risk(risk)

    async def write_summary(
        self, fundamentals: Findings, filings: Findings, risk: Findings
    ) -> Section:
        """The report in a minute."""
        await self._pace.spend("summary")
        return write_summary(fundamentals, filings, risk)

    async def write_synthesis(
        self, fundamentals: Findings, filings: Findings, risk: Findings
    ) -> Section:
        """What it adds up to."""
        await self._pace.spend("synthesis")
        return write_synthesis(fundamentals, filings, risk)
