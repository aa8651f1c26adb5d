"""The only place that knows time: wall clock, stopwatch, sleep, timers, and durations as text."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

Duration = float | int | str
"""Seconds, or text such as ``"250ms"``, ``"15m"``, ``"1h30m"``, ``"2d"``."""


class Timer(Protocol):
    """A callback that waits for its time."""

    def cancel(self) -> None:
        """Forget the callback; harmless after it has run."""


class Clock(Protocol):
    """What a clock must offer to stand in for the real one (``headway.testing.FakeClock`` does)."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a stopwatch that never steps back."""

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call *callback* on the running event loop after *seconds*."""


def _call_later(seconds: float, callback: Callable[[], object]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, callback)


# Module attributes, looked up as ``clock.now()`` on every use: one dictionary look-up and a C call,
# half the price of a clock object on the path of a cache hit.
now: Callable[[], float] = time.time
monotonic: Callable[[], float] = time.perf_counter
sleep = asyncio.sleep
call_later: Callable[[float, Callable[[], object]], Timer] = _call_later


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Run the block on *clock* instead of the machine's time; for tests."""
    names = globals()
    before = {name: names[name] for name in ("now", "monotonic", "sleep", "call_later")}
    names.update({name: getattr(clock, name) for name in before})
    try:
        yield
    finally:
        names.update(before)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def seconds(duration: Duration) -> float:
    """The duration in seconds: ``seconds("1h30m") == 5400.0``.

    Raises:
        ValueError: the text is no duration, or the number is negative or not finite.
    """
    if isinstance(duration, str):
        text = duration.replace(" ", "").lower()
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(
                f'{duration!r} is no duration; write seconds or text like "250ms", "15m", "1h30m"'
            )
        value = sum(float(number) * _UNITS[unit] for number, unit in parts)
    elif isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ValueError(f"{duration!r} is no duration; use a number of seconds or text like '15m'")
    else:
        value = float(duration)
    if not 0.0 <= value < float("inf"):
        raise ValueError(
            f"{duration!r} is no duration; it must be zero or more seconds, and finite"
        )
    return value
