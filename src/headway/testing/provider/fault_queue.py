"""The faults still to come."""

from __future__ import annotations

from threading import Lock

from .fault import NO_FAULT, Fault
from .question import Matcher, Question, matches


class FaultQueue:
    """Faults in the order they were asked for, each for a number of requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[tuple[Fault, Matcher | None]] = []

    def add(self, fault: Fault, times: int, when: Matcher | None) -> None:
        """Put *fault* behind the others, for *times* requests."""
        with self._lock:
            self._waiting += [(fault, when)] * times

    def take(self, question: Question | None) -> Fault:
        """The first fault meant for *question*; it is used up."""
        with self._lock:
            for at, (fault, when) in enumerate(self._waiting):
                if when is None or (question is not None and matches(when, question)):
                    del self._waiting[at]
                    return fault
        return NO_FAULT

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._waiting.clear()
