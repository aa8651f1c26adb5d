"""What the page draws: lanes, bars, the critical path, what could have overlapped."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from ..events import CallEnded, CallStarted, Event, ModelAnswered, PolicyActed
from .agent_time import lanes_of
from .overlap import Chance
from .receipt import Receipt
from .spans import Span, everyone, tree
from .tally import Tally
from .text_table import short_name, shown
from .timeline_findings import Found, on_path, overlaps
from .timeline_lanes import Lane, Seat, seated
from .tool_calls import TimedTool, slowest_tools
from .tool_text import agent_words

MOST_BARS = 10_000
"""Of a longer run the longest calls are drawn; a page with more is no pleasure to scroll."""
FEWEST_LETTERS = 12
"""Of a key, as in the receipt."""
_Span = tuple[float, float]


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a policy did to a call, from when to when."""

    action: str
    start: float
    end: float
    count: int | None = None
    detail: str | None = None


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one exchange with a model used, as the provider said."""

    model: str
    provider: str
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    tokens_reasoning: int | None = None
    finish_reason: str | None = None


class Bar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call; times are seconds from the start of the run, other numbers are indices."""

    call: str
    name: int
    lane: int
    row: int
    kind: int
    source: str
    start: float
    seconds: float
    parent: int | None = None
    inside: int = 0
    key: str | None = None
    error: str | None = None
    age_s: float | None = None
    first_chunk_s: float | None = None
    model_before: float | None = None
    """Of a tool that its agent's model held up: for how long."""
    neither_before: float | None = None
    acts: tuple[Act, ...] = ()
    models: tuple[Exchange, ...] = ()


class Shade(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that followed each other and need not have, if they were independent."""

    text: str
    seconds: float
    bars: tuple[int, ...]
    lost: tuple[_Span, ...]
    """Time that a graph took beyond its critical path."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """All that is drawn of a run."""

    seconds: float
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    path: tuple[int, ...]
    shades: tuple[Shade, ...]
    left_out: int
    """The shortest calls of a very long run."""


def chart_of(tally: Tally, events: Iterable[Event], receipt: Receipt) -> Chart:
    """What to draw of the run that *tally* has counted and *receipt* describes."""
    began, whole_s = receipt.started_at or 0.0, receipt.wall_s or 0.0
    bounds = (began, began + whole_s)
    calls = [*tally.calls, *(_unfinished(call, bounds[1]) for call in tally.open.values())]
    drawn = heapq.nlargest(
        MOST_BARS, calls, key=lambda call: (call.error is not None, call.seconds)
    )
    kept = {id(call) for call in drawn}
    of_open = {call: who for call in tally.open if (who := tally.path_of_open(call))}
    outermost = tree([call for call in calls if id(call) in kept], bounds, tally.paths | of_open)
    spans = sorted(everyone(outermost), key=lambda span: (span.start, -span.end))
    ended = tree(tally.calls, bounds, tally.paths)  # as the receipt saw them
    number = {span.call.call: index for index, span in enumerate(spans)}
    lanes, seats = seated(outermost, whole_s)
    used = _uses(receipt)
    timed = slowest_tools(lanes_of([*everyone(ended)]), began, MOST_BARS)
    before = {tool.call: tool for tool in timed}
    names, kinds = _Numbered(), _Numbered()
    notes = _Notes(events, began)
    bars = tuple(
        _bar(span, began, number, seats[id(span)], names, kinds, notes, before) for span in spans
    )
    path = on_path(receipt.critical_path, tally.graphs, ended)
    found = overlaps(receipt.overlap, tally.graphs, ended)
    return Chart(
        seconds=round(whole_s, 6),
        names=names.texts,
        kinds=kinds.texts,
        lanes=tuple(
            Lane(agent=_shown(lane.agent), rows=lane.rows, use=used.get(lane.agent, ""))
            for lane in lanes
        ),
        bars=bars,
        path=_numbers(path, number),
        shades=tuple(_shade(each, began, number) for each in found),
        left_out=len(calls) - len(spans) + tally.calls_not_kept,
    )


def _unfinished(call: CallStarted, until: float) -> CallEnded:
    """A call that was never heard of again, as if it had lasted to the end of the run."""
    return CallEnded(
        at=until,
        run=call.run,
        call=call.call,
        operation=call.operation,
        kind=call.kind,
        source="unfinished",
        seconds=max(0.0, until - call.at),
        key=call.key,
        agent=call.agent,
        parent=call.parent,
    )


class _Numbered:
    """Texts that occur often, each kept once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(map(shown, self._numbers))


class _Notes:
    """What policies did, and what models used, by call."""

    def __init__(self, events: Iterable[Event], began: float) -> None:
        self.acts: dict[str, list[Act]] = {}
        self.models: dict[str, list[Exchange]] = {}
        for event in events:
            if isinstance(event, PolicyActed) and event.call is not None:
                self.acts.setdefault(event.call, []).append(_act(event, began))
            elif isinstance(event, ModelAnswered) and event.call is not None:
                self.models.setdefault(event.call, []).append(_exchange(event))


def _act(event: PolicyActed, began: float) -> Act:
    """A retry is told before its pause, everything else after it is over."""
    at, seconds = event.at - began, event.seconds or 0.0
    start, end = (at, at + seconds) if event.action == "retried" else (at - seconds, at)
    return Act(
        action=shown(event.action),
        start=round(start, 6),
        end=round(end, 6),
        count=event.count,
        detail=_shown(event.detail),
    )


def _exchange(event: ModelAnswered) -> Exchange:
    return Exchange(
        model=shown(event.model),
        provider=shown(event.provider),
        tokens_in=event.tokens_in,
        tokens_cached=event.tokens_cached,
        tokens_out=event.tokens_out,
        tokens_reasoning=event.tokens_reasoning,
        finish_reason=_shown(event.finish_reason),
    )


def _bar(
    span: Span,
    began: float,
    number: dict[str, int],
    seat: Seat,
    names: Callable[[str], int],
    kinds: Callable[[str], int],
    notes: _Notes,
    before: Mapping[str, TimedTool],
) -> Bar:
    call = span.call
    timed = before.get(call.call)
    return Bar(
        call=shown(call.call),
        name=names(call.operation),
        lane=seat.lane,
        row=seat.row,
        kind=kinds(call.kind),
        source=shown(call.source),
        start=round(span.start - began, 6),
        seconds=round(span.seconds, 6),
        parent=number.get(call.parent) if call.parent else None,
        inside=len(span.inside),
        key=shown(call.key[:FEWEST_LETTERS]) if call.key else None,
        error=_shown(call.error),
        age_s=call.age_s,
        first_chunk_s=call.first_chunk_s,
        model_before=_rounded(timed.model_before_s) if timed else None,
        neither_before=_rounded(timed.neither_before_s) if timed else None,
        acts=tuple(notes.acts.get(call.call, ())),
        models=tuple(notes.models.get(call.call, ())),
    )


def _rounded(seconds: float) -> float | None:
    return round(seconds, 6) or None


def _uses(receipt: Receipt) -> dict[str | None, str]:
    """Where the time of each agent went that asked a model or a tool."""
    at_work = [agent for agent in receipt.agents if agent.model_s or agent.tools_s]
    has_model = any(agent.model_s for agent in at_work)
    return {agent.agent: agent_words(agent, has_model=has_model) for agent in at_work}


def _shade(found: Found, began: float, number: dict[str, int]) -> Shade:
    return Shade(
        text=_in_words(found.chance),
        seconds=found.chance.saved_s_estimated,
        bars=_numbers(found.spans, number),
        lost=tuple((round(start - began, 6), round(end - began, 6)) for start, end in found.lost),
    )


def _in_words(chance: Chance) -> str:
    names = [short_name(name) for name in chance.operations]
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    where = f" in {shown(chance.inside)}" if chance.inside else ""
    return f"{chance.calls} calls in turn{where} ({some})"


def _numbers(spans: Sequence[Span], number: dict[str, int]) -> tuple[int, ...]:
    return tuple(number[span.call.call] for span in spans if span.call.call in number)


def _shown(text: str | None) -> str | None:
    return None if text is None else shown(text)
