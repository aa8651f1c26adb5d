"""The critical path: the calls that, one after another, made the run as long as it was.

With a graph it is exact: the longest chain of actual durations along what the steps need. Without
one it is estimated: the calls of one level that follow each other and are longest together. If each
call began the moment the last one it needed had ended, that chain is as long as the true one,
whichever that was. A call's time contains the calls made inside it, so a path never counts both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import msgspec

from .intervals import heaviest_chain
from .spans import Span
from .tally import PlannedGraph

MOST_LINKS = 40


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the path; equal neighbours are one link with their number."""

    name: str
    agent: str | None = None
    calls: int = 1
    seconds: float


class CriticalPath(msgspec.Struct, frozen=True, kw_only=True):
    """The longest chain of work that had to follow each other, or seems to have had to."""

    seconds: float
    estimated: bool
    graph: str | None
    """The graph whose needs it follows; None if there was none, and then it is estimated."""
    links: tuple[Link, ...]
    links_left_out: int = 0
    """The shortest links of a very long path."""


def critical_path(graphs: Sequence[PlannedGraph], outermost: Sequence[Span]) -> CriticalPath | None:
    """The path of the run's longest graph, else an estimate from the calls; None without either."""
    paths = [path for graph in graphs if (path := path_of_graph(graph)) is not None]
    if paths:
        return max(paths, key=lambda path: path.seconds)
    return path_of_calls(outermost)


def path_of_graph(graph: PlannedGraph) -> CriticalPath | None:
    """The longest chain of *graph*'s actual durations; None before a step is done."""
    actual = {name: step.seconds or 0.0 for name, step in graph.settled.items()}
    if not actual:
        return None
    try:
        chain = longest_chain(graph.plan.needs, actual)
    except CycleError:
        return None
    return CriticalPath(
        seconds=sum(actual.get(name, 0.0) for name in chain),
        estimated=graph.is_mixed or not graph.is_settled,
        graph=graph.plan.graph,
        links=tuple(Link(name=name, seconds=actual[name]) for name in chain if actual.get(name)),
    )


def longest_chain(needs: Mapping[str, Sequence[str]], seconds: Mapping[str, float]) -> list[str]:
    """The steps of the chain along *needs* whose seconds sum up highest, in order.

    Raises:
        CycleError: the needs go round in a circle.
    """
    steps = {name: [need for need in wanted if need in needs] for name, wanted in needs.items()}
    until: dict[str, float] = {}
    via: dict[str, str | None] = {}
    for name in TopologicalSorter(steps).static_order():
        via[name] = max(steps[name], key=lambda need: until[need], default=None)
        before = via[name]
        until[name] = seconds.get(name, 0.0) + (until[before] if before is not None else 0.0)
    chain: list[str] = []
    name_now = max(until, key=lambda name: until[name], default=None)
    while name_now is not None:
        chain.append(name_now)
        name_now = via[name_now]
    return chain[::-1]


def path_of_calls(outermost: Sequence[Span]) -> CriticalPath | None:
    """An estimate from when calls began and ended; None without calls."""
    if not outermost:
        return None
    chain = _chain(outermost)
    span_s = max(span.end for span in outermost) - min(span.start for span in outermost)
    links = [Link(name=s.call.operation, agent=s.call.agent, seconds=s.seconds) for s in chain]
    while len(chain) == 1 and chain[0].inside:
        around = chain[0]
        chain = _chain(around.inside)
        links = [*_inside(around, chain), *links[1:]]
    return _shortened(
        CriticalPath(
            seconds=min(sum(link.seconds for link in links), span_s),
            estimated=True,
            graph=None,
            links=tuple(_merged(links)),
        )
    )


def _chain(spans: Sequence[Span]) -> list[Span]:
    return [spans[index] for index in heaviest_chain([span.interval for span in spans])]


def _inside(around: Span, chain: Sequence[Span]) -> list[Link]:
    """A path of one call says little: the calls inside it, and what it spent on its own."""
    links = [
        Link(name=span.call.operation, agent=span.call.agent, seconds=span.seconds)
        for span in chain
    ]
    own_s = around.seconds - sum(link.seconds for link in links)
    if own_s > 0:
        links.append(
            Link(name=f"{around.call.operation} itself", agent=around.call.agent, seconds=own_s)
        )
    return links


def _merged(links: Sequence[Link]) -> list[Link]:
    merged: list[Link] = []
    for link in links:
        last = merged[-1] if merged else None
        if last is not None and (last.name, last.agent) == (link.name, link.agent):
            merged[-1] = Link(
                name=link.name,
                agent=link.agent,
                calls=last.calls + link.calls,
                seconds=last.seconds + link.seconds,
            )
        else:
            merged.append(link)
    return merged


def _shortened(path: CriticalPath) -> CriticalPath:
    if len(path.links) <= MOST_LINKS:
        return path
    least = sorted((link.seconds for link in path.links), reverse=True)[MOST_LINKS - 1]
    kept = tuple(link for link in path.links if link.seconds >= least)[:MOST_LINKS]
    return msgspec.structs.replace(path, links=kept, links_left_out=len(path.links) - len(kept))
