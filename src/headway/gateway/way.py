"""What stands on the way of a request: the policies of its route, and servers in their order."""

from __future__ import annotations

from math import inf
from typing import Final

from ..policies import Limit, Retry
from ..policies.freshness import Freshness
from ..policies.retry_budget import RetryBudget
from .asking import Asking
from .plan import Limits, Rules, Timeouts
from .server import Server

MOST_LIMITED: Final = 10_000


class Policies:
    """The policies of one route, with their state."""

    def __init__(
        self,
        rules: Rules,
        limits: dict[tuple[Limits, str], Limit],
        budgets: dict[Rules, RetryBudget],
    ) -> None:
        self.rules = rules
        self.keeps = rules.ttl_s is not None
        self.freshness = (
            None if rules.ttl_s is None else Freshness(rules.ttl_s, jitter=rules.jitter)
        )
        self.retry = Retry(
            rules.attempts, on=Exception, first_wait=rules.first_wait_s, max_wait=rules.max_wait_s
        )
        share = inf if rules.retry_share is None else rules.retry_share
        self.budget = None
        if rules.attempts > 1:
            self.budget = budgets.setdefault(rules, RetryBudget(share))
        self.is_limited = rules.limits.at_once is not None or rules.limits.per_minute is not None
        self._limits = limits

    def limit_of(self, asking: Asking) -> Limit | None:
        """The limit of the key that asks; None if there is none."""
        if not self.is_limited:
            return None
        who = (self.rules.limits, asking.key_name or asking.tenant)
        limit = self._limits.get(who)
        if limit is None:
            limit = self._limits[who] = _limit(self.rules.limits)
            if len(self._limits) > MOST_LIMITED:
                self._forget_an_idle_limit()
        return limit

    def _forget_an_idle_limit(self) -> None:
        for who, limit in self._limits.items():
            if not limit.inside and not limit.waiting:
                del self._limits[who]
                return


def _limit(limits: Limits) -> Limit:
    return Limit(
        at_once=limits.at_once,
        per_minute=limits.per_minute,
        burst=limits.burst if limits.per_minute is not None else None,
        max_waiting=limits.max_waiting,
    )


class Destination:
    """One server of a way, and the model to ask there (None: the one that was asked for)."""

    __slots__ = ("model", "server", "timeouts")

    def __init__(self, server: Server, model: str | None, timeouts: Timeouts) -> None:
        self.server, self.model, self.timeouts = server, model, timeouts


class Way:
    """Policies, and destinations in the order in which they are tried."""

    __slots__ = ("destinations", "policies")

    def __init__(self, policies: Policies, destinations: tuple[Destination, ...]) -> None:
        self.policies, self.destinations = policies, destinations
