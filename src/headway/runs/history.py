"""How long earlier runs here took and what they cost; what was never seen is not guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ..events import CallEnded, ModelAnswered, RunEnded, StepSettled
from .median import median
from .model_counts import Account, ModelCounts
from .money import prices_or_note
from .recorded import ListedRun, lines_after_header, list_runs

MOST_BYTES = 64_000_000
"""Older runs are left unread beyond this: an estimate must not cost more than it is worth."""

_Told = CallEnded | ModelAnswered | RunEnded | StepSettled
_told: msgspec.json.Decoder[_Told] = msgspec.json.Decoder(_Told)
# The tag comes first in every line, so most lines are passed over without being parsed.
_TAGS = (b"CallEnded", b"ModelAnswered", b"RunEnded", b"StepSettled")
_BEGINNINGS = tuple(b'{"type":"%s"' % tag for tag in _TAGS)


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over earlier runs; ``runs`` says over how many, so that a reader can judge them."""

    runs: int
    seconds: dict[str, float]
    """By operation (calls that ran and did not fail) and by step of a graph (steps done)."""
    wall_s: float | None
    """A whole run, if any came to its end without an error."""
    tokens_in: float | None
    """Of models, over the runs that asked some, ended without an error and said what they used."""
    tokens_out: float | None
    cost_usd: float | None
    """Of the same runs, those of which the whole cost is known."""
    cost_runs: int
    """Over how many runs ``cost_usd`` is."""


def earlier_durations(
    folder: Path | str | None = None,
    name: str | None = None,
    *,
    graph: str | None = None,
    last: int = 20,
) -> dict[str, float]:
    """Median seconds by operation and step over the *last* runs called *name*; may be empty."""
    return earlier(folder, name, graph=graph, last=last).seconds


def earlier(
    folder: Path | str | None = None,
    name: str | None = None,
    *,
    graph: str | None = None,
    last: int = 20,
    leaving_out: str | None = None,
) -> Earlier:
    """Medians over the *last* runs in *folder*.

    Args:
        folder: default: the setting ``folder``, where ``record`` writes.
        name: only runs called so; None takes all.
        graph: only steps of this graph; None takes the steps of all.
        leaving_out: the id of a run not to count, such as the one that asks.
    """
    wanted = (
        run
        for run in list_runs(folder)
        if (name is None or run.name == name) and run.run != leaving_out
    )
    samples: dict[str, list[float]] = {}
    walls: list[float] = []
    used: list[ModelCounts] = []
    runs, prices = 0, prices_or_note()[0]
    for run in _affordable(wanted, last):
        runs += 1
        spared: Counter[str] = Counter()
        account, ends = Account(), list[RunEnded]()
        for event in _told_events(run):
            if isinstance(event, RunEnded):
                ends.append(event)
            elif isinstance(event, ModelAnswered):
                account.add(event, prices.cost_of(event), None)
            elif (timed := _named_seconds(event, graph, spared)) is not None:
                samples.setdefault(timed[0], []).append(timed[1])
        walls += [end.seconds for end in ends if end.error is None]
        if account.calls and ends and not any(end.error for end in ends):
            used.append(account.counts())
    seconds = {
        what: middle for what, many in samples.items() if (middle := median(many)) is not None
    }
    return _medians(runs, seconds, walls, used)


def _medians(
    runs: int, seconds: dict[str, float], walls: list[float], used: list[ModelCounts]
) -> Earlier:
    counted = [counts for counts in used if not counts.usage_unknown]
    costs = [counts.spent_usd for counts in used if not counts.spent_unknown]
    return Earlier(
        runs=runs,
        seconds=seconds,
        wall_s=median(walls),
        tokens_in=median(counts.tokens_in or 0 for counts in counted),
        tokens_out=median(counts.tokens_out or 0 for counts in counted),
        cost_usd=median(cost or 0.0 for cost in costs),
        cost_runs=len(costs),
    )


def _affordable(runs: Iterable[ListedRun], last: int) -> Iterator[ListedRun]:
    size = 0
    for number, run in enumerate(runs):
        size += sum(path.stat().st_size for path in run.paths if path.exists())
        if number >= last or (number and size > MOST_BYTES):
            return
        yield run


def _told_events(run: ListedRun) -> Iterator[_Told]:
    for path in run.paths:
        try:
            for line in lines_after_header(path):
                if line.startswith(_BEGINNINGS):
                    try:
                        yield _told.decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError):
                        continue
        except OSError:
            continue


def _named_seconds(
    event: CallEnded | StepSettled, graph: str | None, spared: Counter[str]
) -> tuple[str, float] | None:
    """What ran and how long; *spared* counts calls that another's answer spared from running."""
    if isinstance(event, CallEnded):
        if event.source != "ran":
            spared[event.operation] += 1
        is_sample = event.source == "ran" and event.error is None
        return (event.operation, event.seconds) if is_sample else None
    operation = f"{event.graph}.{event.step}"
    if spared[operation]:  # the step is done, but its time is that of a look-up
        spared[operation] -= 1
        return None
    if event.outcome != "done" or event.seconds is None or graph not in (None, event.graph):
        return None
    return (event.step, event.seconds)
