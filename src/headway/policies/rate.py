"""A rate of starts: so many in a time, on average, and a burst after a quiet time."""

from __future__ import annotations

from .. import clock
from ..errors import BadSetup, refuse_unless_whole


class Rate:
    """A bucket of *burst* starts that fills at *per_second*."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._tokens, self._at = burst, clock.monotonic()

    @classmethod
    def of(
        cls, per_second: float | None, per_minute: float | None, burst: int | None
    ) -> Rate | None:
        for name, value in (("per_second", per_second), ("per_minute", per_minute)):
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise BadSetup(f"Limit({name}={value!r}) is no rate; use a number")
        if per_second is not None and per_minute is not None:
            raise BadSetup(
                "Limit(per_second=..., per_minute=...): give one of the two, or stack two limits"
            )
        rate = (
            per_second
            if per_second is not None
            else None
            if per_minute is None
            else per_minute / 60
        )
        if rate is None:
            if burst is not None:
                raise BadSetup(
                    f"Limit(burst={burst}) belongs to a rate; give per_second or per_minute too"
                )
            return None
        if not 0 < rate < float("inf"):
            raise BadSetup(f"Limit: a rate of {rate:g} a second lets nothing pass; use more than 0")
        if burst is not None:
            refuse_unless_whole("Limit(burst=...)", burst)
        return cls(rate, float(burst) if burst is not None else max(1.0, rate))

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now

    def take(self, now: float) -> bool:
        self._fill(now)
        if self._tokens < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True

    def until_next_s(self, now: float) -> float:
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_second)
