"""Where the time of each agent went: into models, into tools, to agents of its own, or neither.

A slow model and a slow tool look alike from outside: a tool that seems to take 20 s may have been
asked for 18 s late. The lane of an agent lasts from its first call to the end of its last; that of
an agent that others ask, as long as the calls in which it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .cover import Cover
from .intervals import Interval
from .spans import Span
from .time_use import MODEL, TOOL, claims_of


class AgentTime(msgspec.Struct, frozen=True, kw_only=True):
    """One agent: lane == model + tools - model_and_tools + other_agents + neither."""

    agent: str | None
    """Its path: ``analyst/reader`` was asked inside a call of ``analyst``."""
    lane_s: float
    """How long it was there: from its first call to its last, or in all calls that asked it."""
    model_s: float
    """Time in which one of its model calls was under way, less its own tools inside it."""
    tools_s: float
    """The same for tools, less its own models inside them."""
    model_and_tools_s: float
    other_agents_s: float
    """Time in which another agent worked inside its calls, and none of its models and tools did."""
    neither_s: float
    """The rest: its own code, what it waited for, and time in which it did nothing."""


class Lane:
    """The calls of one agent, and what its time was used for."""

    def __init__(self, agent: str | None, spans: Sequence[Span]) -> None:
        self.agent, self.spans = agent, spans  # each before those inside it
        self.start = min(span.start for span in spans)
        claims = claims_of(spans, self._own)
        self.model, self.tools = Cover(claims[MODEL]), Cover(claims[TOOL])
        self.others = Cover(
            inner.interval for span in spans for inner in span.inside if inner.agent != agent
        )
        self.model_or_tools = Cover([*claims[MODEL], *claims[TOOL]])
        self.known = Cover([*self.model_or_tools.parts, *self.others.parts])
        self.time = Cover([*self.known.parts, *(span.interval for span in spans), *self._asked()])

    def _asked(self) -> list[Interval]:
        """When it was there though no call of its own may have been under way."""
        asked = [span.around.interval for span in self.spans if span.around is not None]
        of_itself = [span for span in self.spans if span.around is None]
        if of_itself:
            ends = (span.end for span in of_itself)
            asked.append((min(span.start for span in of_itself), max(ends)))
        return asked

    def _own(self, span: Span) -> list[Span]:
        return [inner for inner in span.inside if inner.agent == self.agent]

    def use(self) -> AgentTime:
        """How the lane's time was used."""
        model_s, tools_s = self.model.seconds, self.tools.seconds
        either_s, known_s = self.model_or_tools.seconds, self.known.seconds
        return AgentTime(
            agent=self.agent,
            lane_s=self.time.seconds,
            model_s=model_s,
            tools_s=tools_s,
            model_and_tools_s=max(0.0, model_s + tools_s - either_s),
            other_agents_s=max(0.0, known_s - either_s),
            neither_s=max(0.0, self.time.seconds - known_s),
        )


def lanes_of(spans: Sequence[Span]) -> list[Lane]:
    """The lanes of a run's *spans*, in the order in which agents began."""
    by_agent: dict[str | None, list[Span]] = {}
    for span in spans:
        by_agent.setdefault(span.agent, []).append(span)
    lanes = [Lane(agent, some) for agent, some in by_agent.items()]
    return sorted(lanes, key=lambda lane: (lane.start, lane.agent or ""))
