"""The receipt of a run: what was asked, what ran, what was shared, where the time went.

Every figure is counted from events or has ``estimated`` in its name or beside it; what cannot be
known is None, never 0. Its JSON is ``msgspec.json.encode(receipt)``, where ``headway_receipt`` is
the version of the form.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import msgspec

from ..events import Event
from ..prices import Table
from .agent_time import AgentTime, lanes_of
from .critical_path import CriticalPath, critical_path
from .intervals import length, union
from .lines import (
    Duplicate,
    KindTotal,
    Line,
    asked_twice,
    duplicates_of,
    kinds_of,
    lines_of,
    ran_twice,
)
from .model_use import ModelUse, model_use
from .money import Prices, prices_or_note
from .overlap import Overlap, overlap
from .spans import Span, everyone, tree
from .tally import Tally
from .time_use import TimeUse, time_use
from .tool_batches import ToolBatches
from .tool_calls import NOTICE_S, level_of
from .tool_use import ToolUse, tool_use

MOST_SLOW_CALLS = 5
SECTION_KINDS = ("section", "report")
"""Kinds of operations whose answers a reader of the final report sees."""


class SlowCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that ran long with no other call inside it; ``level`` is notice or warning."""

    call: str
    operation: str
    agent: str | None
    seconds: float
    level: str


class PolicyActs(msgspec.Struct, frozen=True, kw_only=True):
    """What policies did to calls, each act counted once."""

    retries: int
    fallbacks: int
    waits: int
    waited_s: float
    timeouts: int
    refreshes: int
    refreshes_failed: int
    batches: int
    others: dict[str, int]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; from ``Receipt.from_events``, ``Run.receipt`` or ``RecordedRun.receipt``."""

    headway_receipt: int = 1
    run: str | None
    name: str | None
    started_at: float | None
    ended: bool
    error: str | None
    wall_s: float | None
    """Of a run that has not ended: up to the last event."""
    kinds: tuple[KindTotal, ...]
    lines: tuple[Line, ...]
    duplicates_asked: int
    """Calls whose question was asked before in this run."""
    duplicates_run: int
    """Runs of a question after its first run: the duplicates left."""
    calls_without_key: int
    """Calls, steps apart, whose question could not be compared: duplicates are unknown."""
    top_duplicates: tuple[Duplicate, ...]
    errors: dict[str, int]
    """By type, each counted at the call where it arose."""
    policies: PolicyActs
    store_failures: dict[str, int]
    steps: dict[str, int]
    """Steps of graphs by outcome."""
    time: TimeUse
    agents: tuple[AgentTime, ...]
    """Where the time of each agent went, in the order in which they began."""
    tools: ToolUse | None
    """None if no tool was asked."""
    tool_batches: ToolBatches | None
    """None if no tools were asked in batches."""
    critical_path: CriticalPath | None
    overlap: Overlap | None
    slowest: tuple[SlowCall, ...]
    models: ModelUse | None
    """Tokens and money; None if no model was asked."""
    workflow_duration: float | None
    """Seconds; ``wall_s`` of a run that has ended."""
    tool_calls_made: int
    """Calls of kind tool that were asked for."""
    cache_hits: int
    """Answers from a cache, stale ones included."""
    cache_misses: int | None
    """Calls that a cache had to let run; None if it is not known whether there was a cache."""
    time_to_first_output: float | None
    """Seconds from the start to what the caller named first output, else to the first section."""
    report_generation_time: float | None
    """Seconds in which a section or report was under way; None if no call was of such a kind."""
    calls_not_timed: int
    """Calls beyond the first 100,000: counted, but not in medians, paths and times by kind."""
    events_lost: int
    """Events that are not in the record on disk."""
    complete: bool
    """The run has ended, and nothing of it is missing here or on disk."""
    notes: tuple[str, ...]
    """What a reader must know to trust the figures."""

    @classmethod
    def from_events(
        cls,
        events: Iterable[Event],
        *,
        first_output_s: float | None = None,
        notes: Sequence[str] = (),
        table: Table | None = None,
        overheard: bool = False,
    ) -> Receipt:
        """The receipt of one run's *events*; *notes* say what is known to be missing of them.

        Args:
            table: prices of models; default: the built-in ones and those of ``headway.toml``.
            overheard: all of them were read from traffic, where calls follow each other because
                one needs the other's answer: no overlap is estimated.
        """
        tally = Tally()
        for event in events:
            tally.add(event)
        prices = None if table is None else Prices(table)
        return receipt_of(
            tally, first_output_s=first_output_s, notes=notes, prices=prices, overheard=overheard
        )

    def kind(self, name: str) -> KindTotal | None:
        """The total of one kind, such as ``"tool"``; None if no call was of that kind."""
        return next((total for total in self.kinds if total.kind == name), None)


def receipt_of(
    tally: Tally,
    *,
    first_output_s: float | None = None,
    events_lost: int = 0,
    notes: Sequence[str] = (),
    prices: Prices | None = None,
    overheard: bool = False,
) -> Receipt:
    """The receipt of what *tally* has counted so far."""
    started_at, wall_s, ended = _time_of(tally)
    models, price_notes = _models(tally, prices)
    began = started_at if started_at is not None else 0.0
    outermost = tree(tally.calls, (began, began + (wall_s or 0.0)), tally.paths)
    spans = list(everyone(outermost))
    lanes = lanes_of(spans)
    lines = lines_of(tally)
    notes = (*notes, *_notes(tally, ended), *price_notes)
    questions = tally.questions.values()
    return Receipt(
        run=tally.run,
        name=tally.started[0].name if tally.started else None,
        started_at=started_at,
        ended=ended,
        error=next((end.error for end in tally.ended if end.error), None),
        wall_s=wall_s,
        kinds=kinds_of(lines, questions, spans),
        lines=lines,
        duplicates_asked=sum(map(asked_twice, questions)),
        duplicates_run=sum(map(ran_twice, questions)),
        calls_without_key=tally.calls_without_key,
        top_duplicates=duplicates_of(tally),
        errors=dict(tally.errors.most_common()),
        policies=_acts(tally),
        store_failures=dict(tally.store_failures),
        steps=dict(tally.step_outcomes),
        time=time_use(spans, wall_s),
        agents=tuple(lane.use() for lane in lanes),
        tools=tool_use(tally, lanes, began),
        tool_batches=tally.batches.total(),
        critical_path=critical_path(tally.graphs, outermost),
        overlap=None if overheard else overlap(tally.graphs, outermost),
        slowest=_slowest(spans),
        models=models,
        workflow_duration=wall_s if ended else None,
        tool_calls_made=sum(line.asked for line in lines if line.kind == "tool"),
        cache_hits=sum(line.hit + line.stale for line in lines),
        cache_misses=_misses(tally, lines),
        time_to_first_output=_first_output_s(spans, began, first_output_s),
        report_generation_time=_report_s(spans),
        calls_not_timed=tally.calls_not_kept,
        events_lost=events_lost,
        complete=ended and not notes and not events_lost,
        notes=notes,
    )


def _models(tally: Tally, prices: Prices | None) -> tuple[ModelUse | None, list[str]]:
    """The table of prices is only read if there is something to be priced."""
    notes: list[str] = []
    if prices is None and tally.answers:
        prices, notes = prices_or_note()
    return model_use(tally, prices or Prices({})), notes


def _time_of(tally: Tally) -> tuple[float | None, float | None, bool]:
    """When the run began, how long it took, and whether all its processes came to an end."""
    if tally.first_at is None or tally.last_at is None:
        return None, None, False
    first_call_at = min((call.at - call.seconds for call in tally.calls), default=tally.first_at)
    began = min((start.at for start in tally.started), default=min(first_call_at, tally.first_at))
    ended = bool(tally.ended) and len(tally.ended) >= len(tally.started)
    if ended and len(tally.ended) == 1:
        return began, tally.ended[0].seconds, True
    return began, max(0.0, tally.last_at - began), ended


def _notes(tally: Tally, ended: bool) -> list[str]:
    notes = [] if ended else ["the run has not ended, or its end was not recorded"]
    if tally.calls_not_kept:
        notes.append(f"{tally.calls_not_kept} calls are counted but not timed one by one")
    if tally.answers_not_kept:
        notes.append(f"{tally.answers_not_kept} answers of models are not in tokens and money")
    if tally.questions_not_kept:
        notes.append(f"{tally.questions_not_kept} calls were not searched for duplicates")
    if any(graph.is_mixed for graph in tally.graphs):
        notes.append("graphs of one name ran at the same time: which step is whose is estimated")
    return notes


def _acts(tally: Tally) -> PolicyActs:
    named = {
        "retried": "retries",
        "fell back": "fallbacks",
        "waited": "waits",
        "timed out": "timeouts",
        "refreshed": "refreshes",
        "refresh failed": "refreshes_failed",
        "batched": "batches",
    }
    counts = {field: tally.actions[action] for action, field in named.items()}
    others = {action: number for action, number in tally.actions.items() if action not in named}
    return PolicyActs(**counts, waited_s=tally.action_s.get("waited", 0.0), others=others)


def _slowest(spans: Iterable[Span]) -> tuple[SlowCall, ...]:
    slow = (
        span.call
        for span in spans
        if span.call.source == "ran" and not span.inside and span.call.seconds > NOTICE_S
    )
    return tuple(
        SlowCall(
            call=call.call,
            operation=call.operation,
            agent=call.agent,
            seconds=call.seconds,
            level=level_of(call.seconds) or "",
        )
        for call in heapq.nlargest(MOST_SLOW_CALLS, slow, key=lambda call: call.seconds)
    )


def _misses(tally: Tally, lines: Iterable[Line]) -> int | None:
    if not tally.cached:
        return None
    return sum(line.ran for line in lines if tally.cached.get(line.operation))


def _first_output_s(spans: Iterable[Span], began: float, given: float | None) -> float | None:
    if given is not None:
        return given
    ends = (
        span.end for span in spans if span.call.kind in SECTION_KINDS and span.call.error is None
    )
    first = min(ends, default=None)
    return None if first is None else first - began


def _report_s(spans: Iterable[Span]) -> float | None:
    sections = [span.interval for span in spans if span.call.kind in SECTION_KINDS]
    return length(union(sections)) if sections else None
