"""Good until a time of day: answers that change when a market closes, or a day begins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo

from .. import clock
from ..errors import BadSetup

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def until(at: str, *, zone: str, days: str = "mon-sun") -> Callable[[object], float]:
    """A ``ttl`` that ends at the next *at* o'clock: ``Cache(until("16:00", zone="Asia/Tokyo"))``.

    Args:
        at: the time of day, ``"16:00"`` or ``"16:00:30"``, on the clocks of *zone*. An hour that
            the clocks skip is taken an hour later; of one that comes twice, the first counts.
        zone: such as ``"America/New_York"``; summer time is known.
        days: which days count: ``"mon-fri"``, ``"mon,wed"``. Holidays are not known: on one, an
            answer ends as on any other day, and is asked anew.

    Raises:
        BadSetup: no such time, zone or day.
    """
    return _Until(_time(at), _zone(zone), _days(days), f"until({at!r}, zone={zone!r})")


class _Until:
    """Seconds until a time of day, whatever the answer is."""

    def __init__(self, at: time, zone: tzinfo, days: frozenset[int], told: str) -> None:
        self._at, self._zone, self._days, self._told = at, zone, days, told

    def __call__(self, answer: object) -> float:
        now = clock.now()
        today = datetime.fromtimestamp(now, self._zone).date()
        return next(end - now for end in map(self._end_of, _days_from(today)) if end > now)

    def _end_of(self, day: date) -> float:
        if day.weekday() not in self._days:
            return 0.0
        return datetime.combine(day, self._at, tzinfo=self._zone).timestamp()

    def __repr__(self) -> str:
        return self._told


def _days_from(today: date) -> list[date]:
    return [today + timedelta(days=number) for number in range(9)]


def _time(at: str) -> time:
    try:
        told = time.fromisoformat(at)
    except (TypeError, ValueError):
        told = None
    if told is None or told.tzinfo is not None:
        raise BadSetup(f'until({at!r}): write a time of day such as "16:00"')
    return told


def _zone(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # dear, and few need it

    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, TypeError, ValueError, OSError):
        raise BadSetup(
            f"until(zone={zone!r}): no such zone here; write one such as "
            '"America/New_York" (a machine without zones needs: pip install tzdata)'
        ) from None


def _days(days: str) -> frozenset[int]:
    try:
        return frozenset().union(*(_stretch(part) for part in days.lower().split(",")))
    except (AttributeError, ValueError):
        raise BadSetup(f'until(days={days!r}): write days such as "mon-fri" or "mon,wed"') from None


def _stretch(part: str) -> list[int]:
    first, _, last = part.strip().partition("-")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return [day % 7 for day in range(begin, end + (7 if end < begin else 0) + 1)]
