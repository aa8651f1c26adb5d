"""The batches of tool calls of a run, taken together."""

from __future__ import annotations

import msgspec

from ..events import BatchEnded


class ToolBatches(msgspec.Struct, frozen=True, kw_only=True):
    """What batches were asked, and what running their calls side by side gained."""

    batches: int
    calls: int
    shared: int
    """Calls that were answered by the run of another in their batch."""
    failed: int
    """Calls without a value: errors, time-outs, calls that were never begun."""
    stopped: int
    """Batches cut short by a time-out or by their caller."""
    size_mean: float
    concurrency_peak: int
    concurrency_mean: float | None
    """Of calls under way, while a batch was; None if batches took no time."""
    speed_up: float | None
    """Seconds of all their calls in turn, per second they took; None if they took no time."""


class BatchSum:
    """Batches added up as they end."""

    def __init__(self) -> None:
        self._batches = self._calls = self._shared = self._failed = self._stopped = self._peak = 0
        self._s = self._in_turn_s = self._under_way_s = 0.0

    def add(self, batch: BatchEnded) -> None:
        """Count *batch*."""
        self._batches += 1
        self._calls += batch.size
        self._shared += batch.shared
        self._failed += batch.failed
        self._stopped += batch.stopped is not None
        self._peak = max(self._peak, batch.peak)
        self._s += batch.seconds
        self._in_turn_s += batch.speed_up * batch.seconds
        self._under_way_s += batch.mean_concurrency * batch.seconds

    def total(self) -> ToolBatches | None:
        """All of them in one; None if there was no batch."""
        if not self._batches:
            return None
        return ToolBatches(
            batches=self._batches,
            calls=self._calls,
            shared=self._shared,
            failed=self._failed,
            stopped=self._stopped,
            size_mean=self._calls / self._batches,
            concurrency_peak=self._peak,
            concurrency_mean=self._under_way_s / self._s if self._s else None,
            speed_up=self._in_turn_s / self._s if self._s else None,
        )
