"""The data tools of a research as operations, which count their own work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from headway import Cache, CacheStatistics, Policy, Store, operation

from .company_data import (
    company_filings,
    company_financials,
    company_profile,
    compare_companies,
)
from .company_records import (
    CompanyFilings,
    CompanyFinancials,
    CompanyProfile,
    Comparison,
    Period,
)
from .company_table import table_digest
from .model_view import ModelView, model_view
from .pace import Pace
from .price_path import PricePath, price_path

P = ParamSpec("P")
T = TypeVar("T")

ANSWERS = 1
"""Raised when a tool begins to answer otherwise on the same data, so that no kept answer stays."""

TOOLS = ("profile", "financials", "filings", "compare", "model_view", "price_path")


def answers_version() -> str:
    """What kept answers are good for: these data, and these tools."""
    return f"{ANSWERS}, {table_digest()}"


class DataTools:
    """What can be asked about companies; each tool asks its source anew unless it has a cache.

    All raise UnknownTicker. The counts are taken inside the tools, so they can be held against a
    receipt; a question is the tool and its arguments.

    Args:
        share_for: how long answers are kept; None keeps none.
        store: where; None keeps them in memory, for these tools alone.
    """

    def __init__(
        self, pace: Pace, *, share_for: str | None = None, store: Store | None = None
    ) -> None:
        self._pace = pace
        self._caches: list[Cache] = []
        self._share_for, self._store = share_for, store
        self.asked: Counter[tuple[str, tuple[object, ...]]] = Counter()
        self.ran: Counter[tuple[str, tuple[object, ...]]] = Counter()
        self._profile = self._tool("profile", company_profile)
        self._financials = self._tool("financials", company_financials)
        self._filings = self._tool("filings", company_filings)
        self._compare = self._tool("compare", compare_companies)
        self._model_view = self._tool("model_view", model_view)
        self._price_path = self._tool("price_path", price_path)

    async def profile(self, symbol: str) -> CompanyProfile:
        """Who the company is, how large, and what its revenue comes from."""
        return await self._profile(symbol)

    async def financials(self, symbol: str, period: Period = "annual") -> CompanyFinancials:
        """All years or quarters, oldest first."""
        return await self._financials(symbol, period)

    async def filings(self, symbol: str) -> CompanyFilings:
        """All filings, newest first."""
        return await self._filings(symbol)

    async def compare(
        self, symbols: tuple[str, ...], metrics: tuple[str, ...] | None = None
    ) -> Comparison:
        """The latest years of companies side by side. Raises UnknownMetric, ValueError."""
        return await self._compare(symbols, metrics)

    async def model_view(self, symbol: str) -> ModelView:
        """What a fixed rule says of the latest year."""
        return await self._model_view(symbol)

    async def price_path(self, symbol: str, days: int = 252) -> PricePath:
        """A made-up path of closing values, marked as synthetic. Raises ValueError."""
        return await self._price_path(symbol, days)

    def _tool(self, name: str, look_up: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        # Named and with its data's digest, because other processes, and later ones, share the
        # store. A step of the graph has the name research.profile already.
        called, version = f"research.tools.{name}", answers_version()

        @operation(*self._policies(), name=called, version=version, kind="tool")
        async def fetch(*args: P.args, **kwargs: P.kwargs) -> T:
            self.ran[name, args] += 1
            await self._pace.spend(name)
            return look_up(*args, **kwargs)

        async def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            self.asked[name, args] += 1
            return await fetch(*args, **kwargs)

        return ask

    def _policies(self) -> tuple[Policy, ...]:
        if self._share_for is None:
            return ()
        self._caches.append(Cache(self._share_for, tags=_tags, store=self._store))
        return (self._caches[-1],)

    @property
    def duplicates_run(self) -> int:
        """How often a tool ran for a question that it had already been run for."""
        return sum(times - 1 for times in self.ran.values())

    def statistics(self) -> list[CacheStatistics]:
        """What the caches of the tools did; empty without caches."""
        return [cache.statistics() for cache in self._caches]


def _tags(asked: str | tuple[str, ...], *_: object, **__: object) -> tuple[str, ...]:
    """Those of the companies asked about, and one of all research."""
    symbols = (asked,) if isinstance(asked, str) else asked
    return ("research", *(f"company:{symbol.strip().upper()}" for symbol in symbols))
