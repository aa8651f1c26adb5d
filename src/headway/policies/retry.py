"""Retry: ask again after a failure that may pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from .. import clock, events
from ..call import Call, Place, Proceed
from ..clock import Duration
from ..errors import BadSetup, refuse_unless_whole
from .retry_budget import RetryBudget, budget_of
from .watch import note

Failures = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]


class Retry:
    """Asks again after a failure that may pass, waiting longer each time.

    The wait before attempt n+1 is random between half and all of ``first_wait * 2**(n-1)``, at most
    ``max_wait``. A failure that says when to come back (``Retry-After`` or ``retry-after-ms`` on
    its response, or a ``retry_after_s`` of its own) is waited for exactly; if that is beyond
    ``max_wait``, the failure is raised at once. A stream is retried only before its first chunk.

    Args:
        attempts: how often to ask in all.
        on: which failures may pass; there is no default, because repeating a write can do harm.
        first_wait: before the second attempt.
        max_wait: the longest single wait.
        within: give up when this much time has gone since the first attempt.
        budget: the share of calls that may be repeated, such as 0.2, or a ``RetryBudget`` that
            several policies spend together; None is no bound. With the budget spent, a failure is
            raised at once.
    """

    place = Place.RETRY

    def __init__(
        self,
        attempts: int = 3,
        *,
        on: Failures,
        first_wait: Duration = "200ms",
        max_wait: Duration = "30s",
        within: Duration | None = None,
        budget: RetryBudget | float | None = None,
    ) -> None:
        refuse_unless_whole("Retry(attempts=...)", attempts)
        self.attempts, self.on = attempts, on
        self._may_pass = _judge(on)
        self.first_wait_s = _seconds("first_wait", first_wait)
        self.max_wait_s = _seconds("max_wait", max_wait)
        self.within_s = None if within is None else _seconds("within", within)
        self.budget = budget_of(budget)
        self._chance = random.Random()  # not for secrets: spreads callers out in time

    async def around(self, call: Call, proceed: Proceed) -> Any:
        began = 0.0 if self.within_s is None else clock.monotonic()
        if self.budget is not None:
            self.budget.asked()
        try:
            return await proceed(call)
        except Exception as error:
            if self.attempts == 1 or not self._may_pass(error):
                raise
            return await self._again(call, proceed, error, began)

    async def _again(self, call: Call, proceed: Proceed, error: Exception, began: float) -> Any:
        for attempt in count(1):
            wait_s = self.wait_s(attempt, asked_s=retry_after_s(error))
            if wait_s is None or self._too_late(began, wait_s):
                break
            if self.budget is not None and not self.budget.may_repeat():
                _tell_of_spent(call, error, attempt)
                break
            if events.listeners:
                note(call, "retried", seconds=wait_s, count=attempt, detail=type(error).__name__)
            await clock.sleep(wait_s)
            try:
                return await proceed(call)
            except Exception as failed:
                error = failed
                if not self._may_pass(error):
                    raise
        error.add_note(
            f"{call.operation.name}: gave up after {attempt} of {self.attempts} attempts"
        )
        raise error

    def wait_s(self, attempt: int, *, asked_s: float | None) -> float | None:
        """How long to wait after attempt number *attempt* (from 1) failed; None is to give up.

        It knows nothing of ``within`` and ``budget``, and asks no clock.

        Args:
            asked_s: how long the failed side asked to wait, as ``retry_after_s`` reads it.
        """
        if attempt >= self.attempts:
            return None
        if asked_s is not None:
            return asked_s if asked_s <= self.max_wait_s else None
        doublings = min(attempt - 1, 64)  # far beyond any cap, and no float overflows
        longest: float = min(self.max_wait_s, self.first_wait_s * 2.0**doublings)
        return longest * (0.5 + 0.5 * self._chance.random())

    def _too_late(self, began: float, wait_s: float) -> bool:
        return self.within_s is not None and clock.monotonic() + wait_s - began > self.within_s


def _tell_of_spent(call: Call, error: Exception, attempt: int) -> None:
    if events.listeners:
        detail = f"{type(error).__name__}, the retry budget is spent"
        note(call, "not retried", count=attempt, detail=detail)
    error.add_note(
        f"{call.operation.name}: not asked again, for the retry budget is spent; "
        "too many calls fail"
    )


def _seconds(name: str, duration: Duration) -> float:
    try:
        return clock.seconds(duration)
    except ValueError as wrong:
        raise BadSetup(f"Retry({name}=...): {wrong}") from None


def are_failures(on: object) -> bool:
    """Whether *on* is an exception class, or some; one that also means cancellation is not."""
    kinds = on if isinstance(on, tuple) else (on,)
    return bool(kinds) and all(
        isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds
    )


def _judge(on: Failures) -> Callable[[Exception], bool]:
    if are_failures(on):
        return lambda error: isinstance(error, on)  # type: ignore[arg-type]
    if callable(on) and not isinstance(on, type):
        return on
    raise BadSetup(f"Retry(on={on!r}); name exception classes, or give a function of the exception")


def retry_after_s(error: Exception) -> float | None:
    """How long the failed side asked to wait, from the error or its HTTP response."""
    own = getattr(error, "retry_after_s", None)
    if isinstance(own, (int, float)):
        return max(0.0, float(own))
    headers = getattr(getattr(error, "response", None), "headers", None)
    return asked_wait_s(headers) if isinstance(headers, Mapping) else None


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """How long an answer's headers ask to wait: ``retry-after-ms``, or ``retry-after``."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("retry-after") or headers.get("Retry-After")
    return _number(text) if _number(text) is not None else _until(text)


_STATUSES_THAT_MAY_PASS = frozenset({408, 409, 429})


def may_pass(status: int, should_retry: str | None) -> bool:
    """Whether asking again may help after an HTTP answer; what ``x-should-retry`` said of it."""
    if status >= 400 and should_retry == "true":
        return True
    return status >= 500 or status in _STATUSES_THAT_MAY_PASS


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _until(text: object) -> float | None:
    try:
        from email.utils import parsedate_to_datetime  # rare, and dear to import

        moment = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - datetime.fromtimestamp(clock.now(), UTC).timestamp())
