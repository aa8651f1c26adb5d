"""Rows of counters by label set, capped: no name from outside can make memory grow.

Label values come from requests (models, agents) and from programs (operations, errors). Beyond the
cap a new set is folded into one called ``other``: nothing is lost from a total, only its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import refuse_unless_whole

Label = str | int | None
"""A label's value; None is shown as empty, which is how Prometheus says that it has none."""
Labels = tuple[Label, ...]

OTHER = "other"
MOST_LABEL_SETS = 1000
LONGEST_LABEL = 100
_LARGEST_NUMBER = 999_999

Row = TypeVar("Row")


def label(value: object) -> Label:
    """*value* as it is counted: printable, at most 100 characters, None rather than empty."""
    if value is None or (type(value) is int and 0 <= value <= _LARGEST_NUMBER):
        return value
    if isinstance(value, int):
        return OTHER  # it may have more digits than Python is willing to write
    text = value if isinstance(value, str) else str(value)
    if len(text) > LONGEST_LABEL:
        text = text[: LONGEST_LABEL - 1] + "…"
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text or None


class LabelSets(Generic[Row]):
    """A row for each set of labels, made when it is first asked for; *most* rows at all.

    Args:
        names: What the labels are called.
        make: Makes the row of a set of labels.
        most: So many rows at most; a tenth of them is kept for sets that were folded.
        wild: Names of the labels that are replaced first, for their values come from outside: so
            what was folded is still told apart by the others. None stays None. Default: all.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        make: Callable[[Labels], Row],
        *,
        most: int = MOST_LABEL_SETS,
        wild: tuple[str, ...] = (),
    ) -> None:
        refuse_unless_whole("label sets at most", most, least=10)
        self.names = names
        self.rows: dict[Labels, Row] = {}
        """By labels as they are counted. To look here first is cheaper than ``row``."""
        self.folded = 0
        """How often a row of ``other`` was given instead of an own one."""
        self._make, self._most = make, most
        self._open_until = most - max(2, most // 10)
        self._wild = tuple(name in (wild or names) for name in names)

    def row(self, labels: tuple[object, ...]) -> Row:
        """The row of *labels*, or the one that they are folded into."""
        clean = tuple(map(label, labels))
        found = self.rows.get(clean)
        if found is not None:
            return found
        if len(self.rows) < self._open_until:
            return self._admitted(clean)
        self.folded += 1
        folded = tuple(
            OTHER if wild and value is not None else value for value, wild in zip(clean, self._wild)
        )
        if folded not in self.rows and len(self.rows) >= self._most - 1:
            folded = (OTHER,) * len(clean)
        found = self.rows.get(folded)
        return self._admitted(folded) if found is None else found

    def _admitted(self, clean: Labels) -> Row:
        row = self.rows[clean] = self._make(clean)
        return row


class Count:
    """One number that only rises."""

    __slots__ = ("value",)

    def __init__(self, _labels: Labels = ()) -> None:
        self.value = 0


class Counters(LabelSets[Count]):
    """Plain counters by label set."""

    def __init__(
        self, *names: str, most: int = MOST_LABEL_SETS, wild: tuple[str, ...] = ()
    ) -> None:
        super().__init__(names, Count, most=most, wild=wild)

    def add(self, *labels: object) -> None:
        """Count one of *labels*."""
        found = self.rows.get(labels)  # type: ignore[arg-type]  # a value that is no label is never found
        (self.row(labels) if found is None else found).value += 1
