"""How long things took in earlier runs on this machine; what was never seen is not guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ..events import CallEnded, RunEnded, StepSettled
from .median import median
from .recorded import ListedRun, lines_after_header, list_runs

MOST_BYTES = 64_000_000
"""Older runs are left unread beyond this: an estimate must not cost more than it is worth."""

_Timed = CallEnded | RunEnded | StepSettled
_timed: msgspec.json.Decoder[_Timed] = msgspec.json.Decoder(_Timed)
# The tag comes first in every line, so most lines are passed over without being parsed.
_BEGINNINGS = tuple(b'{"type":"%s"' % tag for tag in (b"CallEnded", b"RunEnded", b"StepSettled"))


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over earlier runs; ``runs`` says over how many, so that a reader can judge them."""

    runs: int
    seconds: dict[str, float]
    """By operation (calls that ran and did not fail) and by step of a graph (steps done)."""
    wall_s: float | None
    """A whole run, if any came to its end without an error."""


def earlier_durations(
    folder: Path | str = ".headway",
    name: str | None = None,
    *,
    graph: str | None = None,
    last: int = 20,
) -> dict[str, float]:
    """Median seconds by operation and step over the *last* runs called *name*; may be empty."""
    return earlier(folder, name, graph=graph, last=last).seconds


def earlier(
    folder: Path | str = ".headway",
    name: str | None = None,
    *,
    graph: str | None = None,
    last: int = 20,
    leaving_out: str | None = None,
) -> Earlier:
    """Medians over the *last* runs in *folder*.

    Args:
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
    runs = 0
    for run in _affordable(wanted, last):
        runs += 1
        spared: Counter[str] = Counter()
        for event in _timed_events(run):
            if isinstance(event, RunEnded):
                walls += [event.seconds] if event.error is None else []
            elif (timed := _named_seconds(event, graph, spared)) is not None:
                samples.setdefault(timed[0], []).append(timed[1])
    seconds = {
        what: middle for what, many in samples.items() if (middle := median(many)) is not None
    }
    return Earlier(runs=runs, seconds=seconds, wall_s=median(walls))


def _affordable(runs: Iterable[ListedRun], last: int) -> Iterator[ListedRun]:
    size = 0
    for number, run in enumerate(runs):
        size += sum(path.stat().st_size for path in run.paths if path.exists())
        if number >= last or (number and size > MOST_BYTES):
            return
        yield run


def _timed_events(run: ListedRun) -> Iterator[_Timed]:
    for path in run.paths:
        try:
            for line in lines_after_header(path):
                if line.startswith(_BEGINNINGS):
                    try:
                        yield _timed.decode(line)
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
