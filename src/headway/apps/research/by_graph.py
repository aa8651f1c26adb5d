"""A research through Headway: parameters name what a step needs, and each starts when it can."""

from __future__ import annotations

from headway import Graph

from .company_records import CompanyFilings, CompanyFinancials, CompanyProfile
from .data_tools import DataTools
from .findings import Findings
from .pace import Pace
from .prose import Section
from .team import Team


def research_graph(tools: DataTools, pace: Pace) -> Graph:
    """The graph of a research; its input is ``symbol``, its sections are steps of their own."""
    graph, team, about = Graph("research"), Team(tools, pace), pace.expected().get

    @graph.step(about=about("profile"), agent="coordinator")
    async def profile(symbol: str) -> CompanyProfile:
        return await tools.profile(symbol)

    @graph.step(about=about("financials"), agent="coordinator")
    async def financials(symbol: str) -> CompanyFinancials:
        return await tools.financials(symbol)

    @graph.step(about=about("filings"), agent="coordinator")
    async def filings(symbol: str) -> CompanyFilings:
        return await tools.filings(symbol)

    # The analysts fetch the data themselves; they wait for it here so that it is fetched first.
    @graph.step(about=about("fundamentals_findings"), agent="fundamentals")
    async def fundamentals_findings(
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        return await team.analyse_fundamentals(symbol)

    @graph.step(about=about("filings_findings"), agent="filings")
    async def filings_findings(
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        return await team.analyse_filings(symbol)

    @graph.step(about=about("risk_findings"), agent="risk")
    async def risk_findings(
        symbol: str,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
    ) -> Findings:
        return await team.analyse_risk(symbol)

    @graph.step(about=about("summary"), agent="writer")
    async def summary(
        fundamentals_findings: Findings, filings_findings: Findings, risk_findings: Findings
    ) -> Section:
        return await team.write_summary(fundamentals_findings, filings_findings, risk_findings)

    @graph.step(about=about("fundamentals"), agent="writer")
    async def fundamentals(fundamentals_findings: Findings) -> Section:
        return await team.write_fundamentals(fundamentals_findings)

    @graph.step(about=about("news"), agent="writer")
    async def news(filings_findings: Findings) -> Section:
        return await team.write_news(filings_findings)

    @graph.step(about=about("risk"), agent="writer")
    async def risk(risk_findings: Findings) -> Section:
        return await team.write_risk(risk_findings)

    @graph.step(about=about("synthesis"), agent="writer")
    async def synthesis(
        fundamentals_findings: Findings, filings_findings: Findings, risk_findings: Findings
    ) -> Section:
        return await team.write_synthesis(fundamentals_findings, filings_findings, risk_findings)

    return graph
