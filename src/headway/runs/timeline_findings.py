"""Which calls a receipt speaks of: those on its critical path, those that could have overlapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from .critical_path import CriticalPath, path_of_graph
from .intervals import Interval, heaviest_chain, subtract
from .overlap import Chance, Overlap, chain_saved_s
from .spans import Span, everyone
from .tally import PlannedGraph
from .tool_turns import LEAST_S


class Found(msgspec.Struct, frozen=True):
    """A chance to overlap: the calls that followed each other, or the time a graph lost."""

    chance: Chance
    spans: tuple[Span, ...]
    lost: tuple[Interval, ...]


def on_path(
    path: CriticalPath | None, graphs: Sequence[PlannedGraph], outermost: Sequence[Span]
) -> list[Span]:
    """The calls on the receipt's *path*, in its order; steps that made no call are left out."""
    if path is None:
        return []
    if path.graph is None:
        return _estimated_path(outermost)
    graph = next((graph for graph in graphs if path_of_graph(graph) == path), None)
    return [] if graph is None else _steps(graph, [link.name for link in path.links], outermost)


def _estimated_path(outermost: Sequence[Span]) -> list[Span]:
    chain = _in_turn(outermost)
    while len(chain) == 1 and chain[0].inside:
        chain = _in_turn(chain[0].inside)
    return chain


def _in_turn(spans: Sequence[Span]) -> list[Span]:
    return [spans[index] for index in heaviest_chain([span.interval for span in spans])]


def _steps(graph: PlannedGraph, names: Iterable[str], outermost: Sequence[Span]) -> list[Span]:
    """The call of each step: of those with its name, the one that ended when it was settled."""
    calls: dict[str, list[Span]] = {}
    for span in everyone(outermost):
        calls.setdefault(span.call.operation, []).append(span)
    found = []
    for name in names:
        if of_step := calls.get(f"{graph.plan.graph}.{name}"):
            at = graph.settled[name].at
            found.append(min(of_step, key=lambda span: abs(span.call.at - at)))
    return found


def overlaps(
    overlap: Overlap | None, graphs: Sequence[PlannedGraph], outermost: Sequence[Span]
) -> list[Found]:
    """Where the receipt's chances lie, the largest first."""
    if overlap is None or not overlap.chances:
        return []
    steps = {f"{graph.plan.graph}.{step}" for graph in graphs for step in graph.plan.needs}
    chains = [chain for level in _levels(outermost) if len(chain := _free_chain(level, steps)) > 1]
    lost = {graph.plan.graph: _lost(graph) for graph in graphs}
    return [
        Found(chance, tuple(_chain_of(chance, chains)), tuple(lost.get(chance.inside or "", ())))
        for chance in overlap.chances
    ]


def _levels(outermost: Sequence[Span]) -> list[Sequence[Span]]:
    return [outermost, *(span.inside for span in everyone(outermost))]


def _free_chain(level: Sequence[Span], steps: set[str]) -> list[Span]:
    return _in_turn(
        [span for span in level if span.seconds >= LEAST_S and span.call.operation not in steps]
    )


def _chain_of(chance: Chance, chains: Sequence[list[Span]]) -> list[Span]:
    """The calls of *chance*: as many of the same operations, that would save the same."""
    for chain in chains:
        saved_s = chain_saved_s(chain)
        names = tuple(dict.fromkeys(span.call.operation for span in chain))
        if (
            saved_s == chance.saved_s_estimated
            and len(chain) == chance.calls
            and names[: len(chance.operations)] == chance.operations
        ):
            return chain
    return []


def _lost(graph: PlannedGraph) -> list[Interval]:
    """The time of *graph* in which nothing on its critical path was under way."""
    path = path_of_graph(graph)
    timed = {name: step for name, step in graph.settled.items() if step.seconds}
    if path is None or not timed:
        return []
    times = {name: (step.at - (step.seconds or 0.0), step.at) for name, step in timed.items()}
    whole = (min(start for start, _ in times.values()), max(end for _, end in times.values()))
    busy = [times[link.name] for link in path.links if link.name in times]
    return [gap for gap in subtract(whole, busy) if gap[1] - gap[0] >= LEAST_S]
