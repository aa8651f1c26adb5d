"""The analysts and writers of a research: what each asks for, and what it hands over.

Every method is a step of the graph; its parameters name the steps it needs.
"""

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


class Coordinator:
    """Fetches the data before the analysts ask for it."""

    def __init__(self, tools: DataTools) -> None:
        self._tools = tools

    async def profile(self, symbol: str) -> CompanyProfile:
        """Who the company is."""
        return await self._tools.profile(symbol)

    async def financials(self, symbol: str) -> CompanyFinancials:
        """Its years."""
        return await self._tools.financials(symbol)

    async def filings(self, symbol: str) -> CompanyFilings:
        """What it filed."""
        return await self._tools.filings(symbol)


class Team(Coordinator):
    """Three analysts, each of whom fetches the data itself, as agents do; and those who write.

    The analysts have the data as parameters only so that they wait until it is fetched.
    """

    def __init__(self, tools: DataTools, pace: Pace, *, synthetic_price: bool = False) -> None:
        super().__init__(tools)
        self._pace, self._synthetic_price = pace, synthetic_price

    async def fundamentals_findings(
        self,
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        """How the company grows, earns and spends."""
        return await self._analysis("fundamentals_findings", analyse_fundamentals, symbol)

    async def filings_findings(
        self,
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        """What the company has told its regulator lately."""
        return await self._analysis("filings_findings", analyse_filings, symbol)

    async def risk_findings(
        self,
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        """What could go wrong."""
        return await self._analysis("risk_findings", analyse_risk, symbol)

    async def _analysis(self, part: str, analyse: Analysis, symbol: str) -> Findings:
        # In turn, as an agent's tool loop asks; where the answers are shared this costs nothing.
        profile = await self._tools.profile(symbol)
        financials = await self._tools.financials(symbol)
        filings = await self._tools.filings(symbol)
        await self._pace.spend(part)
        return analyse(profile, financials, filings)

    async def summary(
        self,
        fundamentals_findings: Findings,
        filings_findings: Findings,
        risk_findings: Findings,
    ) -> Section:
        """The report in a minute."""
        await self._pace.spend("summary")
        return write_summary(fundamentals_findings, filings_findings, risk_findings)

    async def fundamentals(self, fundamentals_findings: Findings) -> Section:
        """The section on growth, margins, profit and cash."""
        await self._pace.spend("fundamentals")
        return write_fundamentals(fundamentals_findings)

    async def news(self, filings_findings: Findings) -> Section:
        """The section on what was filed."""
        await self._pace.spend("news")
        return write_news(filings_findings)

    async def risk(self, risk_findings: Findings) -> Section:
        """The section on debt, liquidity, concentration and gaps."""
        await self._pace.spend("risk")
        if not self._synthetic_price:
            return write_risk(risk_findings)
        return write_risk(risk_findings, await self._tools.price_path(risk_findings.symbol))

    async def synthesis(
        self,
        fundamentals_findings: Findings,
        filings_findings: Findings,
        risk_findings: Findings,
    ) -> Section:
        """What it adds up to."""
        await self._pace.spend("synthesis")
        return write_synthesis(fundamentals_findings, filings_findings, risk_findings)
