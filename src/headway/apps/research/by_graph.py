"""A research through Headway: parameters name what a step needs, and each starts when it can."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway import Graph

from .pace import Pace
from .team import Coordinator

AGENTS: Mapping[str, str] = MappingProxyType(
    {
        "profile": "coordinator",
        "financials": "coordinator",
        "filings": "coordinator",
        "fundamentals_findings": "fundamentals",
        "filings_findings": "filings",
        "risk_findings": "risk",
        "summary": "writer",
        "fundamentals": "writer",
        "news": "writer",
        "risk": "writer",
        "synthesis": "writer",
    }
)
"""The steps of a research, and whose each is."""


def research_graph(team: Coordinator, pace: Pace) -> Graph:
    """The graph of a research; its input is ``symbol``, its sections are steps of their own.

    Args:
        team: has a method of the same name for each step.
    """
    graph, expected = Graph("research"), pace.expected()
    for step, agent in AGENTS.items():
        declare = graph.step(name=step, about=expected.get(step), agent=agent)
        declare(getattr(team, step))
    return graph
