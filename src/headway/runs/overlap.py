"""What ran one after another and need not have: the time that was there to be saved.

In a graph it is what the steps took beyond their critical path: exact for these durations.
Elsewhere it is the sum less the longest of calls of one level that followed each other, if they
were independent, which only their author knows: an estimate. Tools that said what they touch, and
lie in one another's way, are not independent. The total looks at all levels at
once, so that what is saved inside a call is not counted again in the level around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from graphlib import CycleError

import msgspec

from .critical_path import longest_chain
from .intervals import heaviest_chain
from .shortest import least_s
from .spans import Span, everyone
from .tally import PlannedGraph
from .tool_turns import LEAST_S, declared

MOST_CHANCES = 5
MOST_NAMES = 8


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that followed each other although nothing is known that made them."""

    inside: str | None
    """The operation or graph around them; None for the outermost calls."""
    agent: str | None
    calls: int
    operations: tuple[str, ...]
    """Different ones, in order of time, the first few."""
    saved_s_estimated: float


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to be saved by running side by side what followed each other, if independent."""

    saved_s_estimated: float
    chances: tuple[Chance, ...]
    """The largest, each taken alone: they do not add up."""


def overlap(graphs: Sequence[PlannedGraph], outermost: Sequence[Span]) -> Overlap | None:
    """The chances of a run; None if it made no call and no step."""
    if not outermost and not any(graph.settled for graph in graphs):
        return None
    steps = {f"{graph.plan.graph}.{step}" for graph in graphs for step in graph.plan.needs}
    chances = [chance for graph in graphs if (chance := _in_graph(graph)) is not None]
    levels = [(None, outermost), *((span, span.inside) for span in everyone(outermost))]
    for around, spans in levels:
        if (chance := _in_level(around, _free(spans, steps))) is not None:
            chances.append(chance)
    chances.sort(key=lambda chance: -chance.saved_s_estimated)
    return Overlap(
        saved_s_estimated=_saved_s(graphs, outermost, steps),
        chances=tuple(chances[:MOST_CHANCES]),
    )


def _free(spans: Sequence[Span], steps: Set[str]) -> list[Span]:
    """Calls worth a thought; *steps* are their graph's affair, which knows what they need."""
    return [span for span in spans if span.seconds >= LEAST_S and span.call.operation not in steps]


def _in_graph(graph: PlannedGraph) -> Chance | None:
    saved_s = _graph_saved_s(graph, {})
    if saved_s < LEAST_S:
        return None
    return Chance(
        inside=graph.plan.graph,
        agent=None,
        calls=len(graph.settled),
        operations=tuple(graph.settled)[:MOST_NAMES],
        saved_s_estimated=saved_s,
    )


def _graph_saved_s(graph: PlannedGraph, saved_inside_s: Mapping[str, float]) -> float:
    """What the steps took beyond the longest chain of them, each less what is saved inside it."""
    timed = {name: step for name, step in graph.settled.items() if step.seconds}
    if not timed:
        return 0.0
    left_s = {
        name: (step.seconds or 0.0) - saved_inside_s.get(f"{graph.plan.graph}.{name}", 0.0)
        for name, step in timed.items()
    }
    try:
        chain = longest_chain(graph.plan.needs, left_s)
    except CycleError:
        return 0.0
    began = min(step.at - (step.seconds or 0.0) for step in timed.values())
    took_s = max(step.at for step in timed.values()) - began
    return max(0.0, took_s - sum(left_s.get(name, 0.0) for name in chain))


def _in_level(around: Span | None, spans: Sequence[Span]) -> Chance | None:
    chain = [spans[index] for index in heaviest_chain([span.interval for span in spans])]
    saved_s = chain_saved_s(chain)
    if len(chain) < 2 or saved_s < LEAST_S:
        return None
    agents = {span.call.agent for span in chain}
    return Chance(
        inside=around.call.operation if around else None,
        agent=agents.pop() if len(agents) == 1 else None,
        calls=len(chain),
        operations=tuple(dict.fromkeys(span.call.operation for span in chain))[:MOST_NAMES],
        saved_s_estimated=saved_s,
    )


def chain_saved_s(chain: Sequence[Span]) -> float:
    """What calls that followed each other would save side by side, if independent."""
    seconds = [span.seconds for span in chain]
    return sum(seconds) - least_s([declared(span.call) for span in chain], seconds)


def _saved_s(graphs: Sequence[PlannedGraph], outermost: Sequence[Span], steps: Set[str]) -> float:
    """What the run would save if every level below the outermost had saved already."""
    saved_s: dict[int, float] = {}
    in_steps_s: dict[str, float] = {}
    for span in reversed(list(everyone(outermost))):
        saved = min(_level_saved_s(_free(span.inside, steps), saved_s), span.seconds)
        saved_s[id(span)] = saved
        if span.call.operation in steps:
            in_steps_s[span.call.operation] = saved
    by_graphs = sum(_graph_saved_s(graph, in_steps_s) for graph in graphs)
    return by_graphs + _level_saved_s(_free(outermost, steps), saved_s)


def _level_saved_s(spans: Sequence[Span], saved_s: Mapping[int, float]) -> float:
    chain = [spans[index] for index in heaviest_chain([span.interval for span in spans])]
    longest_left = max((span.seconds - saved_s[id(span)] for span in spans), default=0.0)
    effects = [declared(span.call) for span in chain]
    left_s = least_s(effects, [span.seconds - saved_s[id(span)] for span in chain])
    return max(0.0, sum(span.seconds for span in chain) - max(longest_left, left_s))
