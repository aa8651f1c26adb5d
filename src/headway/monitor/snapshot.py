"""What a monitor has counted, frozen: the same as JSON and back, and added up over workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from .histogram import Distribution
from .slow_calls import SlowCall, slowest

_LARGEST_WHOLE = 2**63 - 1


class Sample(msgspec.Struct, frozen=True):
    """A number and what it is the number of; the names of labels are in order of the alphabet."""

    labels: dict[str, str]
    value: int | float


class Family(msgspec.Struct, frozen=True):
    """Samples of one name, each with labels of its own."""

    name: str
    help: str
    samples: tuple[Sample, ...]


class TimingSample(msgspec.Struct, frozen=True):
    """How long it took, and what; labels as in a sample."""

    labels: dict[str, str]
    seconds: Distribution


class TimingFamily(msgspec.Struct, frozen=True):
    """Distributions of one name, each with labels of its own."""

    name: str
    help: str
    samples: tuple[TimingSample, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of one moment; ``msgspec.json.encode`` makes it JSON.

    Attributes:
        since: When counting began, in seconds since the epoch; of several workers the first.
        at: When it was taken; of several workers the last.
        workers: How many workers' numbers are in it.
        counters: Numbers that only rise.
        gauges: Numbers that rise and fall.
        timings: Seconds.
        slow: The slowest calls of the last ten minutes, slowest first.
        version: Of this form.
    """

    since: float
    at: float
    workers: int
    counters: tuple[Family, ...]
    gauges: tuple[Family, ...]
    timings: tuple[TimingFamily, ...]
    slow: tuple[SlowCall, ...]
    version: int = 1

    def total(self, name: str, /, **labels: str) -> int | float:
        """The sum of the counter or gauge *name* over the samples that have *labels*; 0 if none."""
        families = (*self.counters, *self.gauges)
        return sum(
            sample.value
            for family in families
            if family.name == name
            for sample in family.samples
            if _has(sample.labels, labels)
        )

    def seconds(self, name: str, /, **labels: str) -> Distribution:
        """The distribution *name* over all samples that have *labels*."""
        found = Distribution()
        for family in self.timings:
            if family.name == name:
                for sample in family.samples:
                    if _has(sample.labels, labels):
                        found += sample.seconds
        return found


NOTHING = Snapshot(since=0.0, at=0.0, workers=0, counters=(), gauges=(), timings=(), slow=())
"""No worker, no number: added to others it changes nothing."""


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of several workers, in whichever order and grouping.

    Counters, gauges and buckets are added, of a maximum the larger counts. A sum of dollars or
    seconds may differ in its last digit with the grouping, as sums of floats do.
    """
    parts = [snapshot for snapshot in snapshots if snapshot.workers]
    if not parts:
        return NOTHING
    return Snapshot(
        since=min(part.since for part in parts),
        at=max(part.at for part in parts),
        workers=sum(part.workers for part in parts),
        counters=families(family for part in parts for family in part.counters),
        gauges=families(family for part in parts for family in part.gauges),
        timings=timing_families(family for part in parts for family in part.timings),
        slow=slowest(call for part in parts for call in part.slow),
    )


def families(parts: Iterable[Family]) -> tuple[Family, ...]:
    """One family for each name, sorted by name; samples of equal labels added, sorted by these."""
    named = (
        (part.name, part.help, [(sample.labels, sample.value) for sample in part.samples])
        for part in parts
    )
    return tuple(
        Family(name, help_, tuple(Sample(labels, _held(value)) for labels, value in samples))
        for name, help_, samples in _added(named)
    )


def _held(value: int | float) -> int | float:
    """*value*, as a float where JSON has no whole number so large."""
    return value if value <= _LARGEST_WHOLE else float(value)


def timing_families(parts: Iterable[TimingFamily]) -> tuple[TimingFamily, ...]:
    """The same for distributions."""
    named = (
        (part.name, part.help, [(sample.labels, sample.seconds) for sample in part.samples])
        for part in parts
    )
    return tuple(
        TimingFamily(name, help_, tuple(TimingSample(labels, value) for labels, value in samples))
        for name, help_, samples in _added(named)
    )


_Number = TypeVar("_Number", int | float, Distribution)
_Named = tuple[str, str, list[tuple[dict[str, str], _Number]]]


def _added(parts: Iterable[_Named[_Number]]) -> Iterator[_Named[_Number]]:
    """Name, help and samples of each family, sorted and with no labels twice."""
    sums: dict[str, dict[tuple[tuple[str, str], ...], _Number]] = {}
    helps: dict[str, str] = {}
    for name, help_, samples in parts:
        helps[name] = max(help_, helps.get(name, ""))
        here = sums.setdefault(name, {})
        for labels, value in samples:
            key = tuple(labels.items())
            here[key] = here[key] + value if key in here else value
    for name in sorted(sums):
        here = sums[name]
        yield name, helps[name], [(dict(key), here[key]) for key in sorted(here)]


def _has(labels: dict[str, str], asked: dict[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in asked.items())
