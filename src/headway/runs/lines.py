"""The rows of a receipt: by agent and operation, by kind, and the questions asked repeatedly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from .counts import Count, LineKey, Question
from .intervals import Interval, length, union
from .median import median
from .spans import Span
from .tally import Tally

MOST_DUPLICATES = 10


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's use of an operation: asked == ran + hit + joined + stale + unfinished + other."""

    agent: str | None
    operation: str
    kind: str
    asked: int
    ran: int
    hit: int
    joined: int
    stale: int
    unfinished: int
    """Begun, and never heard of again."""
    other: int
    """Answered in a way that this version does not know."""
    failed: int
    """Ended in an error, however answered; counted there too."""
    retried: int
    refreshed: int
    """Runs in the background that renewed a stale answer; not among ``ran``."""
    seconds: float
    """Sum over the calls that ran."""
    p50_s: float | None
    max_s: float | None
    max_age_s: float | None
    """Age of the oldest answer given from a cache."""
    saved_s_estimated: float | None
    """Answers that needed no run of their own, times the median run of this operation."""


class KindTotal(msgspec.Struct, frozen=True, kw_only=True):
    """All calls of one kind; counts as in ``Line``."""

    kind: str
    asked: int
    ran: int
    hit: int
    joined: int
    stale: int
    unfinished: int
    other: int
    failed: int
    retried: int
    refreshed: int
    duplicates_asked: int
    duplicates_run: int
    seconds: float
    """Sum over the calls that ran; calls inside calls of the same kind count in both."""
    busy_s: float
    """Time in which at least one was under way."""
    own_s: float
    """Time in which at least one was at work itself, with no call inside it under way."""
    saved_s_estimated: float | None
    saved_unknown: int
    """Answers not in ``saved_s_estimated``: their operation never ran in this run."""


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """How often an agent asked a question; ``agent`` is its path."""

    agent: str | None
    asked: int


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """A question asked more than once; ``key`` is the beginning of its digest."""

    operation: str
    kind: str
    key: str
    asked: int
    ran: int
    askers: tuple[Asker, ...]
    """Those who asked it most often first."""


def lines_of(tally: Tally) -> tuple[Line, ...]:
    """The rows of a receipt: by agent, the longest first."""
    runs_s: dict[LineKey, list[float]] = {}
    good_s: dict[str, list[float]] = {}
    for call in tally.calls:
        if call.source == "ran":
            runs_s.setdefault((call.agent, call.operation), []).append(call.seconds)
            if call.error is None:
                good_s.setdefault(call.operation, []).append(call.seconds)
    usual_s = {operation: median(many) for operation, many in good_s.items()}
    unfinished: dict[LineKey, int] = {}
    kinds: dict[LineKey, str] = {}
    for start in tally.open.values():
        which = (start.agent, start.operation)
        unfinished[which], kinds[which] = unfinished.get(which, 0) + 1, start.kind
    known = {operation: count.kind for (_, operation), count in tally.lines.items() if count.kind}
    rows = [
        _line(
            which,
            tally.lines.get(which) or Count(),
            kinds.get(which) or known.get(which[1], "call"),
            unfinished.get(which, 0),
            median(runs_s.get(which, ())),
            usual_s.get(which[1]),
        )
        for which in dict.fromkeys([*tally.lines, *unfinished])
    ]
    return tuple(sorted(rows, key=_reading_order))


def _reading_order(line: Line) -> tuple[bool, str, float, str]:
    return (line.agent is None, line.agent or "", -line.seconds, line.operation)


def _line(
    which: LineKey,
    count: Count,
    kind: str,
    unfinished: int,
    p50_s: float | None,
    usual_s: float | None,
) -> Line:
    spared = count.hit + count.joined + count.stale
    return Line(
        agent=which[0],
        operation=which[1],
        kind=count.kind or kind,
        asked=count.asked + unfinished,
        ran=count.ran,
        hit=count.hit,
        joined=count.joined,
        stale=count.stale,
        unfinished=unfinished,
        other=count.asked - count.ran - spared,
        failed=count.failed,
        retried=count.retried,
        refreshed=count.refreshed,
        seconds=count.ran_s,
        p50_s=p50_s,
        max_s=count.ran_max_s,
        max_age_s=count.max_age_s,
        saved_s_estimated=_saved_s(spared, usual_s),
    )


def _saved_s(spared: int, usual_s: float | None) -> float | None:
    if not spared:
        return 0.0
    return None if usual_s is None else spared * usual_s


def kinds_of(
    lines: Iterable[Line], questions: Iterable[Question], spans: Iterable[Span]
) -> tuple[KindTotal, ...]:
    """The totals by kind, the busiest first."""
    by_kind: dict[str, list[Line]] = {}
    for line in lines:
        by_kind.setdefault(line.kind, []).append(line)
    asked_again: dict[str, tuple[int, int]] = {}
    for question in questions:
        before = asked_again.get(question.kind, (0, 0))
        asked_again[question.kind] = (
            before[0] + asked_twice(question),
            before[1] + ran_twice(question),
        )
    busy: dict[str, list[Interval]] = {}
    own: dict[str, list[Interval]] = {}
    for span in spans:
        busy.setdefault(span.call.kind, []).append(span.interval)
        own.setdefault(span.call.kind, []).extend(span.own())
    totals = [
        _kind(
            kind,
            rows,
            asked_again.get(kind, (0, 0)),
            length(union(busy.get(kind, ()))),
            length(union(own.get(kind, ()))),
        )
        for kind, rows in by_kind.items()
    ]
    return tuple(sorted(totals, key=lambda total: (-total.busy_s, total.kind)))


def _kind(
    kind: str, rows: Sequence[Line], again: tuple[int, int], busy_s: float, own_s: float
) -> KindTotal:
    saved_s = sum(row.saved_s_estimated or 0.0 for row in rows)
    unpriced = [row for row in rows if row.saved_s_estimated is None]
    return KindTotal(
        kind=kind,
        asked=sum(row.asked for row in rows),
        ran=sum(row.ran for row in rows),
        hit=sum(row.hit for row in rows),
        joined=sum(row.joined for row in rows),
        stale=sum(row.stale for row in rows),
        unfinished=sum(row.unfinished for row in rows),
        other=sum(row.other for row in rows),
        failed=sum(row.failed for row in rows),
        retried=sum(row.retried for row in rows),
        refreshed=sum(row.refreshed for row in rows),
        duplicates_asked=again[0],
        duplicates_run=again[1],
        seconds=sum(row.seconds for row in rows),
        busy_s=busy_s,
        own_s=own_s,
        saved_s_estimated=None if unpriced and not saved_s else saved_s,
        saved_unknown=sum(row.hit + row.joined + row.stale for row in unpriced),
    )


def asked_twice(question: Question) -> int:
    """How often *question* was asked after the first time."""
    return max(0, question.asked - 1)


def ran_twice(question: Question) -> int:
    """How often *question* ran after the first time: the duplicates left."""
    return max(0, question.ran - 1)


def duplicates_of(tally: Tally) -> tuple[Duplicate, ...]:
    """The questions asked most often beyond once, those that also ran again first."""
    repeated = [
        Duplicate(
            operation=operation,
            kind=question.kind,
            key=key[:12],
            asked=question.asked,
            ran=question.ran,
            askers=_askers(question),
        )
        for (operation, key), question in tally.questions.items()
        if question.asked > 1
    ]
    repeated.sort(key=lambda found: (-found.ran, -found.asked, found.operation, found.key))
    return tuple(repeated[:MOST_DUPLICATES])


def _askers(question: Question) -> tuple[Asker, ...]:
    most_first = sorted(question.askers.items(), key=lambda asker: (-asker[1], asker[0] or ""))
    return tuple(Asker(agent=agent, asked=asked) for agent, asked in most_first)
