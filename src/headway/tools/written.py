"""Which tool made which result void: remembered within bounds, for the counters of a session."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST: Final = 10_000
"""Tags and questions beyond these are forgotten, the oldest first."""


class Written:
    """The last write of each tag, and when each question was last run."""

    def __init__(self) -> None:
        self.count = 0
        self._writes: dict[str, tuple[int, str]] = {}
        self._ran: dict[Hashable, int] = {}

    def note(self, tags: Collection[str], tool: str) -> None:
        """*tool* wrote what bears *tags*."""
        self.count += 1
        for tag in tags:
            _put(self._writes, tag, (self.count, tool))

    def ran(self, key: Hashable, tags: Collection[str], began: int) -> str | None:
        """Note that *key* was run, begun at the count *began*.

        Returns:
            The tool whose write made the result before void; None if none did.
        """
        before = self._ran.get(key)
        _put(self._ran, key, began)
        if before is None or not self._writes:
            return None
        number, tool = max((self._writes.get(tag, _NEVER) for tag in tags), default=_NEVER)
        return tool if before < number <= began else None


_NEVER = (0, "")


def _put(table: dict[K, V], key: K, value: V) -> None:
    table.pop(key, None)
    table[key] = value
    while len(table) > MOST:
        table.pop(next(iter(table)), None)
