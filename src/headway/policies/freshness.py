"""How long an answer is good: decided from the answer and the clock alone, nothing is done here."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from .. import clock
from ..clock import Duration
from ..errors import BadSetup
from ..stores import Entry

log = logging.getLogger("headway.policies")

Ttl: TypeAlias = Duration | Callable[[Any], Duration | None]
"""How long an answer is good; or a function of the answer that says so, None or 0 for not at all.
"""

MOST_JITTER: Final = 0.5


class Times(NamedTuple):
    """Until when an answer is fresh, and until when it may be served stale."""

    fresh_until: float
    stale_until: float


class Freshness:
    """The rules of one cache: what an answer is worth in time, and when to ask anew.

    Raises:
        BadSetup: a time or a fraction that makes no sense; the message names it.
    """

    def __init__(
        self,
        ttl: Ttl,
        *,
        stale_for: Duration = 0,
        jitter: float = 0.0,
        refresh_at: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.ttl_of = ttl if callable(ttl) else None
        self.ttl_s = None if callable(ttl) else positive_seconds("ttl", ttl)
        self.stale_for_s = seconds_of("stale_for", stale_for)
        if not _is_number(jitter) or not 0 <= jitter <= MOST_JITTER:
            raise BadSetup(
                f"Cache(jitter={jitter!r}); it is the share of ttl that chance may take away: "
                f"0 to {MOST_JITTER}"
            )
        if refresh_at is not None and not (_is_number(refresh_at) and 0 < refresh_at < 1):
            raise BadSetup(
                f"Cache(refresh_at={refresh_at!r}); it is the share of ttl after which a hit "
                "begins a refresh: more than 0 and less than 1, such as 0.8"
            )
        self.jitter, self.refresh_at, self._chance = jitter, refresh_at, chance
        self._has_warned = False

    def times_of(self, answer: object, now: float) -> Times | None:
        """The times of an *answer* made *now*; None if it is not to be kept."""
        ttl_s = self.ttl_s if self.ttl_of is None else self._told_by(self.ttl_of, answer)
        if not ttl_s:
            return None
        fresh_until = now + ttl_s * (1 - self.jitter * self._chance())
        return Times(fresh_until, fresh_until + self.stale_for_s)

    def is_early(self, entry: Entry, now: float) -> bool:
        """Whether a hit on a fresh *entry* should begin a refresh already."""
        assert self.refresh_at is not None, "asked without refresh_at"
        lifetime_s = entry.fresh_until - entry.made_at
        return now >= entry.made_at + self.refresh_at * lifetime_s

    def _told_by(self, ttl_of: Callable[[Any], Duration | None], answer: object) -> float:
        try:
            told = ttl_of(answer)
            return 0.0 if told is None else clock.seconds(told)
        except Exception:  # its caller gets the answer all the same
            level = logging.DEBUG if self._has_warned else logging.WARNING
            self._has_warned = True
            log.log(level, "ttl= failed; the answer is not kept", exc_info=True)
            return 0.0


def seconds_of(name: str, duration: Duration) -> float:
    """*duration* in seconds, or ``BadSetup`` that names the option of ``Cache``."""
    try:
        return clock.seconds(duration)
    except ValueError as wrong:
        raise BadSetup(f"Cache({name}=...): {wrong}") from None


def positive_seconds(name: str, duration: Duration) -> float:
    """*duration* in seconds, or ``BadSetup``; zero is refused too."""
    seconds = seconds_of(name, duration)
    if seconds <= 0:
        raise BadSetup(
            f"Cache({name}={duration!r}) would keep nothing; use more than 0, or leave it out"
        )
    return seconds


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
