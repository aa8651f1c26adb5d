"""How the gateway fares: each worker's word, and what they say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from ..monitor import Snapshot, merge
from ..monitor.snapshot import Family, Sample

Phase = Literal["starting", "serving", "draining"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker fares.

    Attributes:
        state: What ``Gateway.state`` says.
        snapshot: What ``Monitor.snapshot`` says.
    """

    worker: str
    pid: int
    resident_bytes: int
    cpu_s: float
    state: dict[str, object]
    snapshot: Snapshot


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """How all workers fare.

    Attributes:
        heard: Those who answered.
        silent: The names of those who are down, or did not answer in time.
        last_heard: The last figures of the silent, and of workers that are no more, so that a
            counter never falls; nothing else of them is known.
    """

    heard: tuple[Report, ...]
    silent: tuple[str, ...] = ()
    last_heard: tuple[Snapshot, ...] = ()

    def snapshot(self) -> Snapshot:
        """All figures, added up; ``workers`` are those that were heard."""
        whole = merge([*(report.snapshot for report in self.heard), *self.last_heard])
        gauges = (*whole.gauges, self._ups())
        return msgspec.structs.replace(whole, workers=len(self.heard), gauges=gauges)

    def _ups(self) -> Family:
        ups = {report.worker: 1 for report in self.heard} | dict.fromkeys(self.silent, 0)
        samples = (Sample({"worker": name}, up) for name, up in sorted(ups.items()))
        return Family("headway_worker_up", "Whether a worker answered in time.", tuple(samples))


class Reload(msgspec.Struct, frozen=True):
    """The last reload: when (seconds since the epoch), and what was wrong, if anything."""

    at: float
    problem: str | None = None


def only_what_rises(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of what was counted and timed, without what is only true for a moment."""
    return msgspec.structs.replace(merge(snapshots), gauges=())


def why_not_ready(phase: Phase, reports: Reports) -> str | None:
    """Why no new request should be sent here; None if they are welcome."""
    if phase != "serving":
        return phase
    accepting = [report.state for report in reports.heard if not report.state.get("draining")]
    if not accepting:
        return "no worker is up"
    if all(map(_is_every_upstream_down, accepting)):
        return "every upstream is passed over"
    return None


def _is_every_upstream_down(state: Mapping[str, object]) -> bool:
    upstreams = state.get("upstreams")
    if not isinstance(upstreams, Mapping) or not upstreams:
        return False
    return not any(upstream["up"] for upstream in upstreams.values())
