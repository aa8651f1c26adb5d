"""The statistics of a whole from those of its two tiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from ..entry import StoreStatistics

UNSENT: Final = "not sent: no room"
"""Among the errors: writes that were dropped while the second tier was down."""


def of_both(
    memory: StoreStatistics,
    second: StoreStatistics,
    *,
    second_name: str,
    found: int,
    missed: int,
    errors: Mapping[str, int],
    unsent: int,
) -> StoreStatistics:
    """The whole, with its *tiers* by name.

    An entry is mostly in both: what ended in both counts once. What memory alone evicted is not
    gone. *found* and *missed* are questions that the second tier answered, and did not; *errors*
    were met on the way to it; *unsent* writes found no room while it was down.
    """
    return StoreStatistics(
        entries=max(memory.entries, second.entries),
        size_bytes=memory.size_bytes + second.size_bytes,
        hits=memory.hits + found,
        misses=missed,
        evicted=second.evicted,
        expired=max(memory.expired, second.expired),
        refused=max(memory.refused, second.refused),
        void=max(memory.void, second.void),
        errors={**errors, **({UNSENT: unsent} if unsent else {})},
        oldest_s=_older(memory.oldest_s, second.oldest_s),
        tiers={"memory": memory, second_name: second},
    )


def as_served(memory: StoreStatistics, *, passed_over: int, peeked: int) -> StoreStatistics:
    """Memory's own, without hits that were not served and misses that were looked at again."""
    return replace(
        memory,
        hits=max(0, memory.hits - passed_over),
        misses=max(0, memory.misses - peeked),
    )


def _older(one: float | None, other: float | None) -> float | None:
    ages = [age for age in (one, other) if age is not None]
    return max(ages, default=None)
