"""Numbers of the moment that only the caller knows: connections, memory, upstreams that are up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ..errors import BadSetup
from .counters import label
from .readings import OWN_GAUGES, shown
from .snapshot import Family, Sample, Snapshot

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


class Gauge(msgspec.Struct, frozen=True):
    """A number of the moment; those of several workers are added.

    Attributes:
        name: As Prometheus takes it, with the unit at the end: ``headway_memory_bytes``.
        value: Finite.
    """

    name: str
    value: int | float
    help: str = ""
    labels: Mapping[str, str] = {}


def gauge_families(gauges: Iterable[Gauge]) -> Iterator[Family]:
    """Each gauge as a family.

    Raises:
        BadSetup: a name or a value cannot be shown.
    """
    return iter([_family(gauge) for gauge in gauges])


def _family(gauge: Gauge) -> Family:
    if not _NAME.fullmatch(gauge.name):
        raise BadSetup(f"gauge {gauge.name!r}: a name has letters, digits and _ alone")
    for name in gauge.labels:
        if not _LABEL.fullmatch(name):
            raise BadSetup(f"gauge {gauge.name}: label {name!r} has letters, digits and _ alone")
    if not _is_finite(gauge.value):
        raise BadSetup(f"gauge {gauge.name}: {gauge.value!r} cannot be shown; leave it out")
    labels = {name: shown(label(value)) for name, value in sorted(gauge.labels.items())}
    return Family(gauge.name, gauge.help, (Sample(labels, +gauge.value),))  # of True it makes 1


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # more digits than a float has room for
        return False


def refuse_taken(gauges: Iterable[Family], snapshot: Snapshot) -> None:
    """Raise ``BadSetup`` if a gauge has the name of something else that is in *snapshot*."""
    taken = {*OWN_GAUGES, *(family.name for family in snapshot.counters)}
    for timing in snapshot.timings:
        taken.update(timing.name + suffix for suffix in ("", "_bucket", "_sum", "_count", "_max"))
    for gauge in gauges:
        if gauge.name in taken:
            raise BadSetup(f"gauge {gauge.name!r}: the name is taken; choose another one")
