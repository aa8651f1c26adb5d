"""A team whose analysts and writers are a model: the same steps as the team by rule."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import msgspec

from ..analyse_filings import analyse_filings
from ..analyse_fundamentals import analyse_fundamentals
from ..analyse_risk import analyse_risk
from ..company_records import CompanyFilings, CompanyFinancials, CompanyProfile
from ..data_tools import DataTools
from ..findings import Analyst
from ..model_view import view_of
from ..prose import Section
from ..sections import SECTION_TITLES
from ..team import Coordinator
from .analyst import BOUNDS, Answering, Bounds, investigate
from .named_data import NamedData, of_filings, of_financials, of_findings, of_profile, of_view
from .prompts import analyst_prompt, section_prompt
from .talk import Ask, Delta, ModelFailed
from .toolbox import Toolbox
from .weave import Weaver

YEARS, FILINGS = 2, 10
"""How much of the data every writer is given."""


class Model(Answering, Protocol):
    """A model that can also be asked for its words as they come."""

    def write(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The pieces of the answer. Raises ModelFailed."""


class Reader(Protocol):
    """Who sees a section while it is being written."""

    def words(self, key: str, text: str) -> None:
        """More of the section has come."""

    def broken_off(self, key: str) -> None:
        """No more of it will come."""


class Notes(msgspec.Struct, frozen=True):
    """What an analyst hands over: notes with names of figures, and the data it has seen."""

    analyst: Analyst
    text: str
    data: NamedData


class ModelTeam(Coordinator):
    """Three analysts that ask tools, and writers; each section goes to the reader word by word."""

    def __init__(
        self, tools: DataTools, model: Model, reader: Reader, bounds: Bounds = BOUNDS
    ) -> None:
        super().__init__(tools)
        self._model, self._reader, self._bounds = model, reader, bounds

    async def fundamentals_findings(
        self, profile: CompanyProfile, filings: CompanyFilings
    ) -> Notes:
        """How the company grows, earns and spends."""
        return await self._notes("fundamentals", profile, filings)

    async def filings_findings(self, profile: CompanyProfile, filings: CompanyFilings) -> Notes:
        """What the company has told its regulator lately."""
        return await self._notes("filings", profile, filings)

    async def risk_findings(self, profile: CompanyProfile, filings: CompanyFilings) -> Notes:
        """What could go wrong."""
        return await self._notes("risk", profile, filings)

    async def _notes(
        self, analyst: Analyst, profile: CompanyProfile, filings: CompanyFilings
    ) -> Notes:
        toolbox = Toolbox(self._tools, profile.symbol)
        prompt = analyst_prompt(analyst, profile, filings)
        text = await investigate(self._model, prompt, toolbox, self._bounds)
        return Notes(analyst, text, toolbox.data)

    async def summary(
        self,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
        fundamentals_findings: Notes,
        filings_findings: Notes,
        risk_findings: Notes,
    ) -> Section:
        """The report in a minute."""
        notes = (fundamentals_findings, filings_findings, risk_findings)
        return await self._section("summary", (profile, financials, filings), *notes)

    async def fundamentals(
        self,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
        fundamentals_findings: Notes,
    ) -> Section:
        """The section on growth, margins, profit and cash."""
        data = (profile, financials, filings)
        return await self._section("fundamentals", data, fundamentals_findings)

    async def news(
        self,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
        filings_findings: Notes,
    ) -> Section:
        """The section on what was filed."""
        return await self._section("news", (profile, financials, filings), filings_findings)

    async def risk(
        self,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
        risk_findings: Notes,
    ) -> Section:
        """The section on debt, liquidity, concentration and gaps."""
        return await self._section("risk", (profile, financials, filings), risk_findings)

    async def synthesis(
        self,
        profile: CompanyProfile,
        financials: CompanyFinancials,
        filings: CompanyFilings,
        fundamentals_findings: Notes,
        filings_findings: Notes,
        risk_findings: Notes,
    ) -> Section:
        """What it adds up to."""
        notes = (fundamentals_findings, filings_findings, risk_findings)
        return await self._section("synthesis", (profile, financials, filings), *notes)

    async def _section(
        self,
        key: str,
        company: tuple[CompanyProfile, CompanyFinancials, CompanyFilings],
        *notes: Notes,
    ) -> Section:
        data, more = data_of(*company), NamedData()
        for each in notes:
            more = more.with_more(each.data)
        told = [f"{each.analyst} analyst:\n{each.text}" for each in notes]
        ask = Ask(section_prompt(key, company[0], data, more, told), streams=True)
        weaver = Weaver(data.with_more(more))
        try:
            await self._write(key, ask, weaver)
        except BaseException:
            self._reader.broken_off(key)
            raise
        return weaver.section(key, SECTION_TITLES[key])

    async def _write(self, key: str, ask: Ask, weaver: Weaver) -> None:
        is_cut_off = False
        async with aclosing(self._model.write(ask)) as deltas:
            async for delta in deltas:
                is_cut_off = is_cut_off or delta.is_cut_off
                if ready := weaver.feed(delta.text):
                    self._reader.words(key, ready)
        if rest := weaver.finish(is_cut_off=is_cut_off):
            self._reader.words(key, rest)
        if weaver.is_empty:
            raise ModelFailed("the model wrote nothing")


def data_of(
    profile: CompanyProfile, financials: CompanyFinancials, filings: CompanyFilings
) -> NamedData:
    """What every writer is given: the last years, the newest filings, and what follows by rule."""
    data = of_profile(profile).with_more(of_financials(financials, YEARS))
    data = data.with_more(of_view(view_of(financials)))
    data = data.with_more(of_filings(filings, FILINGS, None))
    analyses = (analyse_fundamentals, analyse_filings, analyse_risk)
    findings = [analyse(profile, financials, filings) for analyse in analyses]
    return data.with_more(of_findings(findings, data.figures))
