"""How long calls of a tool have taken in earlier batches, so that the longest chain goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from weakref import WeakKeyDictionary

from ..call import Operation

UNKNOWN_S = 1.0
"""What a call counts of whose tool nothing is known."""

REMEMBERED_CALLS = 9

_measured: WeakKeyDictionary[Operation, deque[float]] = WeakKeyDictionary()


def expected_s(operation: Operation) -> float:
    """The median of the last calls of *operation* that ran, in seconds; 1 if there was none."""
    taken = _measured.get(operation)
    return median(taken) if taken else UNKNOWN_S


def remember(operation: Operation, seconds: Iterable[float]) -> None:
    """Note how long calls of *operation* took that did their work."""
    _measured.setdefault(operation, deque(maxlen=REMEMBERED_CALLS)).extend(seconds)
