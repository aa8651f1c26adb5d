"""RetryBudget: how much of the traffic may be repetition."""

from __future__ import annotations

import os
import threading
from itertools import count
from weakref import WeakSet

from .. import clock
from ..errors import BadSetup

_SECONDS_TO_BEGIN_WITH = 10.0


class RetryBudget:
    """Bounds repetitions by a share of the calls, so that an outage is not made worse by retries.

    Every call earns *share* of a repetition, time alone earns *least_per_second*, and every
    repetition spends one whole. One object given to several ``Retry`` is one budget, on all their
    threads. It begins with ten seconds' worth of *least_per_second*.

    Args:
        share: of a repetition, earned by each call; 0.2 is one repetition for five calls, and
            infinity is no bound.
        least_per_second: earned by each second, so that rare calls may be repeated too.
        most_saved: no more repetitions than these are saved up, or than one call earns.
    """

    def __init__(
        self, share: float = 0.2, *, least_per_second: float = 1.0, most_saved: float = 100.0
    ) -> None:
        self.share = _amount("share", share, endless=True)
        self.least_per_second = _amount("least_per_second", least_per_second)
        self.most_saved = _amount("most_saved", most_saved)
        if self.most_saved < 1:
            raise BadSetup(
                f"RetryBudget(most_saved={most_saved!r}) never holds a whole repetition; "
                "use 1 or more"
            )
        self._asked = count()
        self._asked_before = 0
        self._at = clock.monotonic()
        self._most = max(self.most_saved, self.share)
        self._credit = min(self._most, self.least_per_second * _SECONDS_TO_BEGIN_WITH)
        self._lock = threading.Lock()
        _budgets.add(self)

    def __repr__(self) -> str:
        return f"RetryBudget({self.share:g}, least_per_second={self.least_per_second:g})"

    def asked(self) -> None:
        """Say that a call is made for the first time; costs a tenth of a microsecond."""
        next(self._asked)  # one step of C, so threads need no lock; it is reckoned when one spends

    def may_repeat(self) -> bool:
        """Spend one repetition: True if there was one."""
        if self.share == float("inf"):
            return True
        with self._lock:
            self._earn()
            if self._credit < 1.0 - 1e-9:
                return False
            self._credit -= 1.0
            return True

    def _earn(self) -> None:
        asked, now = next(self._asked), clock.monotonic()
        earned = (asked - self._asked_before) * self.share
        earned += max(0.0, now - self._at) * self.least_per_second
        self._credit = min(self._most, self._credit + earned)
        self._asked_before, self._at = asked + 1, now  # to look at the count is to count one


def budget_of(budget: RetryBudget | float | None) -> RetryBudget | None:
    """The budget that is meant: a number is the share of one of its own."""
    if budget is None or isinstance(budget, RetryBudget):
        return budget
    if isinstance(budget, bool) or not isinstance(budget, (int, float)):
        raise BadSetup(
            f"Retry(budget={budget!r}) is none; give a share such as 0.2, or a RetryBudget"
        )
    return RetryBudget(budget)


def _amount(name: str, value: float, *, endless: bool = False) -> float:
    said: object = value
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    if not is_number or not value >= 0 or (value == float("inf") and not endless):
        raise BadSetup(f"RetryBudget({name}={value!r}) will not do; use a number, 0 or more")
    return float(value)


# A thread that held the lock when the process forked does not live on in the child to let it go.
_budgets: WeakSet[RetryBudget] = WeakSet()


def _after_fork() -> None:
    for budget in _budgets:
        budget._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
