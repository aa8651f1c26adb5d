"""What a store keeps, and what every store can do."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec

Key: TypeAlias = Hashable
Kept: TypeAlias = Any
"""A kept value: whatever the operation returned."""


class Entry:
    """A kept value with its times (seconds since the epoch), tags and version.

    Fresh until ``fresh_until``; may be served stale, marked as such, until ``stale_until``; then
    gone. ``mark`` is the store's count of invalidations when the work behind the value began: an
    invalidation made later, even while the work ran, makes the entry void. ``size_bytes`` is what
    keeping it takes, key included; 0 leaves it to the store to find out. ``is_private`` keeps it
    in this process: no shared store takes it.
    """

    __slots__ = (
        "fresh_until",
        "is_private",
        "made_at",
        "mark",
        "size_bytes",
        "stale_until",
        "tags",
        "value",
        "version",
    )

    def __init__(
        self,
        value: Kept,
        *,
        made_at: float,
        fresh_until: float,
        stale_until: float | None = None,
        tags: tuple[str, ...] = (),
        version: str = "",
        mark: int = 0,
        size_bytes: int = 0,
        is_private: bool = False,
    ) -> None:
        self.value = value
        self.made_at = made_at
        self.fresh_until = fresh_until
        self.stale_until = fresh_until if stale_until is None else stale_until
        self.tags = tags
        self.version = version
        self.mark = mark
        self.size_bytes = size_bytes
        self.is_private = is_private

    def with_mark(self, mark: int) -> Entry:
        """A copy, as made by work that began at *mark*; the value is the same object."""
        return Entry(
            self.value,
            made_at=self.made_at,
            fresh_until=self.fresh_until,
            stale_until=self.stale_until,
            tags=self.tags,
            version=self.version,
            mark=mark,
            size_bytes=self.size_bytes,
            is_private=self.is_private,
        )


class StoreStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds and has done since it was made."""

    entries: int
    size_bytes: int
    hits: int
    misses: int
    evicted: int
    expired: int
    refused: int
    """Values not kept because they alone exceed the byte bound."""
    void: int = 0
    """Entries cleared, or found void by one of their tags, held or on arrival."""
    errors: dict[str, int] = {}
    """Failures by the name of the error: what could not be read, kept, or reached."""
    oldest_s: float | None = None
    """Age of the oldest entry, where the store can tell without a search."""
    tiers: dict[str, StoreStatistics] = {}
    """Of each tier by name, if there are several; the fields above are of the whole."""


NEVER: Final = float("inf")

NO_MARK: Final = -1
"""The mark of work that began before the store's count was known: it may be void already."""


class Store(Protocol):
    """A place for entries. A reader never sees an entry that is gone, void or replaced.

    ``peek`` answers without awaiting and may say None for what only ``get`` can reach. A store
    without memory of its own, which can take no private entry, says ``takes_private = False``.
    """

    name: str
    is_local: bool
    """True if ``peek`` finds all there is, so that ``get`` need not be asked."""
    is_shared: bool
    """True if entries reach other processes, or later ones: it also is a ``SharedStore``."""

    def peek(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, if it can be had without awaiting."""

    async def get(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale."""

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        """The entries under *keys*, in their order; one way to the store for all of them."""

    async def set(self, key: Key, entry: Entry) -> None:
        """Keep *entry* under *key*, unless it became void since ``entry.mark``."""

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Keep each entry under its key, as ``set`` does."""

    async def delete(self, key: Key) -> None:
        """Forget *key*; harmless if it is not there."""

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every entry void that carries one of *tags*; O(1) in the number of entries."""

    async def clear(self) -> None:
        """Make every entry void."""

    def mark(self) -> int:
        """The count of invalidations so far; taken before work begins, given to its entry.

        ``NO_MARK`` while a shared store's count is not known: no shared store keeps such an entry.
        """

    def statistics(self) -> StoreStatistics:
        """What is kept, and what was found, missed, evicted."""
