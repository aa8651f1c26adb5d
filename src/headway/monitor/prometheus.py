"""A snapshot as text for Prometheus, exposition format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator

from .histogram import PROMETHEUS_BOUNDS, Distribution
from .snapshot import Family, Sample, Snapshot, TimingFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What the text is to be served as."""

_LE = (*map(repr, PROMETHEUS_BOUNDS), "+Inf")


def prometheus_text(snapshot: Snapshot) -> str:
    """The counters, gauges and histograms of *snapshot*; its slow calls are in the JSON alone."""
    lines: list[str] = []
    for family in snapshot.counters:
        lines += _plain(family, "counter")
    for family in (*snapshot.gauges, *_of_itself(snapshot)):
        lines += _plain(family, "gauge")
    for timing in snapshot.timings:
        lines += _histogram(timing)
        lines += _plain(_longest(timing), "gauge")
    return "".join(f"{line}\n" for line in lines)


def _of_itself(snapshot: Snapshot) -> tuple[Family, ...]:
    began = Sample({}, snapshot.since)
    return (
        Family("headway_since_timestamp_seconds", "When counting began.", (began,)),
        Family("headway_workers", "Workers in these numbers.", (Sample({}, snapshot.workers),)),
    )


def _plain(family: Family, type_: str) -> Iterator[str]:
    if family.samples:
        yield from _head(family.name, family.help, type_)
    for sample in family.samples:
        yield f"{family.name}{_braced(_pairs(sample.labels))} {sample.value!r}"


def _histogram(family: TimingFamily) -> Iterator[str]:
    if family.samples:
        yield from _head(family.name, family.help, "histogram")
    for sample in family.samples:
        yield from _distribution(family.name, _pairs(sample.labels), sample.seconds)


def _distribution(name: str, labels: str, seconds: Distribution) -> Iterator[str]:
    before = f"{labels}," if labels else ""
    for bound, count in zip(_LE, (*seconds.up_to(PROMETHEUS_BOUNDS), seconds.count)):
        yield f'{name}_bucket{{{before}le="{bound}"}} {count}'
    yield f"{name}_sum{_braced(labels)} {seconds.sum!r}"
    yield f"{name}_count{_braced(labels)} {seconds.count}"


def _longest(family: TimingFamily) -> Family:
    """A histogram has no place for its exact maximum."""
    samples = (Sample(sample.labels, sample.seconds.max) for sample in family.samples)
    return Family(f"{family.name}_max", f"{family.help} The longest.", tuple(samples))


def _head(name: str, help_: str, type_: str) -> tuple[str, str]:
    text = help_.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}", f"# TYPE {name} {type_}"


def _pairs(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
