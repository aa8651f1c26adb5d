"""Whether an entry may be served, where the ledger alone cannot tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..entry import Entry
from ..ledger import Ledger, Verdict

MOST_TAGS: Final = 10_000
_MOST_DIGITS: Final = 18
_ABOVE_ALL: Final = 10**_MOST_DIGITS


class TagNumbers:
    """Numbers of tags as the server told them, so that each is asked for once; bounded.

    What it told when the ledger stood at a count is good as long as the ledger has heard all since.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._numbers: dict[str, tuple[int, int]] = {}

    def judge(self, found: Mapping[str, Entry]) -> tuple[list[str], list[str]]:
        """Of the entries *found*, by name, those that are void, and those in doubt."""
        void, doubtful = [], []
        for name, entry in found.items():
            verdict = self._verdict(entry, (*entry.tags, "=" + name))
            if verdict is Verdict.VOID:
                void.append(name)
            elif verdict is Verdict.UNKNOWN:
                doubtful.append(name)
        return void, doubtful

    def _verdict(self, entry: Entry, tags: Sequence[str]) -> Verdict:
        verdict = self._ledger.verdict(entry.mark, tags)
        if verdict is not Verdict.UNKNOWN:
            return verdict
        numbers = [self._number(tag) for tag in tags]
        if any(number is not None and number > entry.mark for number in numbers):
            return Verdict.VOID
        return Verdict.UNKNOWN if None in numbers else Verdict.GOOD

    def unknown(self, found: Mapping[str, Entry], doubtful: Iterable[str]) -> list[str]:
        """Tags of those in doubt whose number must be asked for."""
        tags = {tag for name in doubtful for tag in (*found[name].tags, "=" + name)}
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
    """Of a tag nobody invalidated 0; what is no number is above all, for it cannot be trusted."""
    if written is None:
        return 0
    is_number = written.isdigit() and len(written) <= _MOST_DIGITS
    return int(written) if is_number else _ABOVE_ALL
