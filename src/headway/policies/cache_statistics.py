"""What a cache has done, in numbers."""

from __future__ import annotations

import msgspec

from ..stores import StoreStatistics


class CacheStatistics(msgspec.Struct, frozen=True):
    """What a cache has answered since it was made, and what its store holds.

    ``hits``, ``misses``, ``joined`` and ``stale`` together are all the questions. ``joined`` counts
    who waited for another caller's work, in this process or in another.
    """

    hits: int
    misses: int
    joined: int
    stale: int
    refreshed: int
    refreshes_failed: int
    store_failures: int
    store: StoreStatistics
    hits_by_tier: dict[str, int] = {}
    """``hits`` by the tier of the store that had them."""
    errors_served: int = 0
    """Of ``hits``, how many were kept errors."""
    unchanged: int = 0
    """Refreshes whose operation said that nothing has changed."""
    refreshed_early: int = 0
    """Refreshes begun while the answer was still fresh."""

    @property
    def hit_rate(self) -> float | None:
        """Share of questions answered without waiting; None before the first question."""
        asked = self.hits + self.misses + self.joined + self.stale
        return (self.hits + self.stale) / asked if asked else None
