"""What calls are counted as: how many, and how long they took."""

from __future__ import annotations

from .counters import Labels
from .histogram import Histogram


class Timing:
    """How long calls of one operation took that were answered from one source."""

    __slots__ = ("first_chunk", "seconds")

    def __init__(self, _labels: Labels = ()) -> None:
        self.seconds = Histogram()
        self.first_chunk: Histogram | None = None
        """Made with the first stream: most operations have none."""

    def record_first_chunk(self, seconds: float) -> None:
        """Count the time that a stream took to begin."""
        if self.first_chunk is None:
            self.first_chunk = Histogram()
        self.first_chunk.record(seconds)


class CallTally:
    """How many calls of one operation, kind, source and error; and where their time is counted."""

    __slots__ = ("count", "timing")

    def __init__(self, timing: Timing) -> None:
        self.count = 0
        self.timing = timing
