"""The calls of a run as a tree of stretches of time: who was inside whom, who worked when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..events import CallEnded
from .intervals import Interval, clipped, subtract


class Span:
    """One call with its time, cut to the run's own time, and the calls made inside it."""

    __slots__ = ("agent", "around", "call", "end", "inside", "start")

    def __init__(self, call: CallEnded, bounds: Interval, agent: str | None) -> None:
        self.call = call
        self.agent = agent  # its path: an agent inside another is told from others of its name
        self.start, self.end = clipped((call.at - call.seconds, call.at), bounds)
        self.around: Span | None = None
        self.inside: list[Span] = []

    @property
    def interval(self) -> Interval:
        return (self.start, self.end)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def own(self) -> list[Interval]:
        """When it was at work itself: no call inside it was under way."""
        return subtract(self.interval, (span.interval for span in self.inside))


def tree(
    calls: Sequence[CallEnded], bounds: Interval, paths: Mapping[str, str] | None = None
) -> list[Span]:
    """The outermost calls: those whose parent is none of *calls*.

    Args:
        paths: by call, the path of its agent where its name does not say it all.
    """
    known = paths or {}
    spans = {call.call: Span(call, bounds, known.get(call.call, call.agent)) for call in calls}
    outermost: list[Span] = []
    for span in spans.values():
        parent = spans.get(span.call.parent) if span.call.parent else None
        if parent is None or parent is span:
            outermost.append(span)
        else:
            span.around = parent
            parent.inside.append(span)
    return outermost


def everyone(outermost: Iterable[Span]) -> Iterator[Span]:
    """All spans of a tree, each before those inside it."""
    waiting = list(outermost)
    while waiting:
        span = waiting.pop()
        yield span
        waiting.extend(span.inside)
