"""Whether an entry may be served, where the ledger alone cannot tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..entry import Entry
from ..ledger import Ledger, Verdict

MOST_TAGS: Final = 10_000


class TagNumbers:
    """Numbers of tags as the server told them, so that each is asked for once; bounded.

    What it told when the ledger stood at a count is good as long as the ledger has heard all since.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._numbers: dict[str, tuple[int, int]] = {}

    def verdict(self, entry: Entry, tags: Sequence[str]) -> Verdict:
        """Whether *entry*, with *tags* (that of its key among them), may be served."""
        verdict = self._ledger.verdict(entry.mark, tags)
        if verdict is not Verdict.UNKNOWN:
            return verdict
        numbers = [self._number(tag) for tag in tags]
        if any(number is not None and number > entry.mark for number in numbers):
            return Verdict.VOID
        return Verdict.UNKNOWN if None in numbers else Verdict.GOOD

    def unknown(self, tags: Iterable[str]) -> list[str]:
        """Those of *tags* whose number must be asked for."""
        return [tag for tag in tags if self._number(tag) is None]

    def note(self, count: int, numbers: Mapping[str, bytes | None]) -> None:
        """Take note of what the server told after the ledger stood at *count*."""
        if len(self._numbers) + len(numbers) > MOST_TAGS:
            self._numbers = {}
        for tag, written in numbers.items():
            self._numbers[tag] = count, _number(written)

    def _number(self, tag: str) -> int | None:
        count, number = self._numbers.get(tag, (-1, 0))
        return number if count >= self._ledger.complete_from else None


def _number(written: bytes | None) -> int:
    return int(written) if written is not None and written.isdigit() else 0
