"""A research as such applications are usually written: everything in turn, the report at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway import operation, scope

from .data_tools import DataTools
from .pace import Pace
from .prose import Section
from .team import Team

T = TypeVar("T")


async def research_in_turn(symbol: str, tools: DataTools, pace: Pace) -> list[Section]:
    """The sections in reading order, once the last one is finished."""
    team = Team(tools, pace)
    with scope(agent="coordinator"):
        await tools.profile(symbol)
        await tools.financials(symbol)
        await tools.filings(symbol)
    fundamentals = await _step(
        "fundamentals_findings", "fundamentals", lambda: team.analyse_fundamentals(symbol)
    )
    filings = await _step("filings_findings", "filings", lambda: team.analyse_filings(symbol))
    risk = await _step("risk_findings", "risk", lambda: team.analyse_risk(symbol))
    return [
        await _step("summary", "writer", lambda: team.write_summary(fundamentals, filings, risk)),
        await _step("fundamentals", "writer", lambda: team.write_fundamentals(fundamentals)),
        await _step("news", "writer", lambda: team.write_news(filings)),
        await _step("risk", "writer", lambda: team.write_risk(risk)),
        await _step(
            "synthesis", "writer", lambda: team.write_synthesis(fundamentals, filings, risk)
        ),
    ]


async def _step(part: str, agent: str, work: Callable[[], Awaitable[T]]) -> T:
    """The work under the name it has in the graph, so that the two receipts can be compared."""

    @operation(name=f"research.{part}", kind="step")
    async def step() -> T:
        return await work()

    with scope(agent=agent):
        return await step()
