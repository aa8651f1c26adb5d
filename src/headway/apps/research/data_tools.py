"""The data tools of a research as operations, which count their own work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway import Cache, CacheStatistics, Policy, operation

from .company_data import company_filings, company_financials, company_profile
from .pace import Pace

T = TypeVar("T")

TOOLS = ("profile", "financials", "filings")


class DataTools:
    """Profile, financials and filings of a company; each asks its source anew unless it has a cache.

    The counts are taken inside the tools, so they can be held against a receipt.
    """

    def __init__(self, pace: Pace, *, share_for: str | None = None) -> None:
        self._pace = pace
        self._caches: list[Cache] = []
        self._share_for = share_for
        self.asked: Counter[tuple[str, str]] = Counter()
        self.ran: Counter[tuple[str, str]] = Counter()
        self.profile = self._tool("profile", company_profile)
        self.financials = self._tool("financials", company_financials)
        self.filings = self._tool("filings", company_filings)

    def _tool(self, name: str, look_up: Callable[[str], T]) -> Callable[[str], Awaitable[T]]:
        @operation(*self._policies(), name=name, kind="tool")
        async def fetch(symbol: str) -> T:
            self.ran[name, symbol] += 1
            await self._pace.spend(name)
            return look_up(symbol)

        async def ask(symbol: str) -> T:
            self.asked[name, symbol] += 1
            return await fetch(symbol)

        return ask

    def _policies(self) -> tuple[Policy, ...]:
        if self._share_for is None:
            return ()
        self._caches.append(Cache(self._share_for))
        return (self._caches[-1],)

    @property
    def duplicates_run(self) -> int:
        """How often a tool ran for a question that it had already been run for."""
        return sum(times - 1 for times in self.ran.values())

    def statistics(self) -> list[CacheStatistics]:
        """What the caches of the tools did; empty without caches."""
        return [cache.statistics() for cache in self._caches]
