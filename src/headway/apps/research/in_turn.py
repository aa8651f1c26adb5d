"""A research as such applications are often written: all in turn, the report at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway import operation, scope

from .by_graph import AGENTS
from .prose import Section
from .team import Team

T = TypeVar("T")


async def research_in_turn(symbol: str, team: Team) -> list[Section]:
    """The sections in reading order, once the last one is finished."""
    with scope(agent="coordinator"):
        data = (await team.profile(symbol), await team.financials(symbol))
        filed = await team.filings(symbol)
    fundamentals = await _step(
        "fundamentals_findings", lambda: team.fundamentals_findings(symbol, *data, filed)
    )
    filings = await _step("filings_findings", lambda: team.filings_findings(symbol, *data, filed))
    risk = await _step("risk_findings", lambda: team.risk_findings(symbol, *data, filed))
    return [
        await _step("summary", lambda: team.summary(fundamentals, filings, risk)),
        await _step("fundamentals", lambda: team.fundamentals(fundamentals)),
        await _step("news", lambda: team.news(filings)),
        await _step("risk", lambda: team.risk(risk)),
        await _step("synthesis", lambda: team.synthesis(fundamentals, filings, risk)),
    ]


async def _step(part: str, work: Callable[[], Awaitable[T]]) -> T:
    """The work under the name it has in the graph, so that the two receipts can be compared."""

    @operation(name=f"research.{part}", kind="step")
    async def step() -> T:
        return await work()

    with scope(agent=AGENTS[part]):
        return await step()
