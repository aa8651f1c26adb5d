"""Where a run's time went: into models, into tools, or neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from .intervals import Interval, concurrency, length, subtract, union
from .spans import Span

MODEL, TOOL = "model", "tool"
_OTHER = {MODEL: TOOL, TOOL: MODEL}


class TimeUse(msgspec.Struct, frozen=True, kw_only=True):
    """How the run's time was used: wall == model + tools - model_and_tools + own.

    A tool that asks a model is model time for so long, and the other way round; what else runs
    inside a tool, such as an HTTP request, is the tool's time.
    """

    in_calls_s: float
    """Time in which at least one call was under way."""
    outside_calls_s: float | None
    """The rest of the run."""
    model_s: float
    """Time in which at least one call of kind model was under way, less the tools inside it."""
    tools_s: float
    """The same for kind tool, less the models inside it."""
    model_and_tools_s: float
    """Time that is in both: one agent's model and another's tool."""
    own_s: float | None
    """Time with neither: the application's own work, other kinds of calls, and idle time."""
    concurrency_mean: float | None
    """Calls at work at once, on average while any was; to have joined another is no work."""
    concurrency_peak: int


def time_use(spans: Sequence[Span], wall_s: float | None) -> TimeUse:
    """The use of *wall_s* seconds by *spans*, each of which comes before those inside it."""
    in_calls_s = length(union(span.interval for span in spans))
    at_work = [part for span in spans if span.call.source == "ran" for part in span.own()]
    mean, peak = concurrency(at_work)
    claims = claims_of(spans)
    model_s, tools_s = length(union(claims[MODEL])), length(union(claims[TOOL]))
    either_s = length(union([*claims[MODEL], *claims[TOOL]]))
    return TimeUse(
        in_calls_s=in_calls_s,
        outside_calls_s=None if wall_s is None else max(0.0, wall_s - in_calls_s),
        model_s=model_s,
        tools_s=tools_s,
        model_and_tools_s=max(0.0, model_s + tools_s - either_s),
        own_s=None if wall_s is None else max(0.0, wall_s - either_s),
        concurrency_mean=mean,
        concurrency_peak=peak,
    )


def claims_of(
    spans: Sequence[Span], inside: Callable[[Span], Sequence[Span]] = lambda span: span.inside
) -> dict[str, list[Interval]]:
    """By kind: the time of each call less that of the nearest calls of the other kind inside it.

    Args:
        spans: each before those inside it.
        inside: which of the calls inside a call count.
    """
    claims: dict[str, list[Interval]] = {MODEL: [], TOOL: []}
    nearest: dict[int, dict[str, list[Interval]]] = {}
    for span in reversed(spans):
        children = inside(span)
        near = {kind: _nearest(children, kind, nearest) if children else [] for kind in claims}
        nearest[id(span)] = near
        if (other := _OTHER.get(span.call.kind)) is not None:
            claims[span.call.kind] += subtract(span.interval, near[other])
    return claims


def _nearest(
    children: Sequence[Span], kind: str, nearest: dict[int, dict[str, list[Interval]]]
) -> list[Interval]:
    found: list[Interval] = []
    for child in children:
        found += [child.interval] if child.call.kind == kind else nearest[id(child)][kind]
    return found
