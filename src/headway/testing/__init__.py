"""For your tests and ours: a clock that moves when told."""

from .clock import FakeClock

__all__ = ["FakeClock"]
