"""What is counted of calls: how often asked and how answered, and who was first to ask what."""

from __future__ import annotations

from ..events import CallEnded

LineKey = tuple[str | None, str]
"""Agent and operation."""
_Asker = tuple[float, "Count"]
"""When a question was first asked, or first ran, and in whose line that is counted."""


class Count:
    """How often an agent asked an operation, and how it was answered."""

    __slots__ = (
        "asked",
        "asked_again",
        "failed",
        "hit",
        "joined",
        "kind",
        "max_age_s",
        "ran",
        "ran_again",
        "ran_max_s",
        "ran_s",
        "refreshed",
        "retried",
        "stale",
    )

    def __init__(self) -> None:
        self.kind: str | None = None
        self.asked = self.ran = self.hit = self.joined = self.stale = self.failed = 0
        self.retried = self.refreshed = self.asked_again = self.ran_again = 0
        self.ran_s = 0.0
        self.ran_max_s: float | None = None
        self.max_age_s: float | None = None


class Question:
    """How often one question was asked, and how often it ran; who was first is no duplicate."""

    __slots__ = ("_askers", "_first_asked", "_first_ran", "_sole_asker", "asked", "kind", "ran")

    def __init__(self, event: CallEnded, agent: str | None, line: Count) -> None:
        self.kind, self.asked = event.kind, 1
        self._sole_asker = agent
        self._askers: dict[str | None, int] | None = None  # most questions are asked once
        asker = (event.at - event.seconds, line)
        self._first_asked: _Asker = asker
        has_run = event.source == "ran"
        self.ran = 1 if has_run else 0
        self._first_ran: _Asker | None = asker if has_run else None

    def ask_again(self, event: CallEnded, agent: str | None, line: Count) -> None:
        """Count one more call, and in the *line* of the later asker that it was one."""
        asker = (event.at - event.seconds, line)
        if self._askers is None:
            self._askers = {self._sole_asker: self.asked}
        self._askers[agent] = self._askers.get(agent, 0) + 1
        self.asked += 1
        self._first_asked, later = _first(self._first_asked, asker)
        later.asked_again += 1
        if event.source == "ran":
            self.ran += 1
            if self._first_ran is None:
                self._first_ran = asker
            else:
                self._first_ran, later = _first(self._first_ran, asker)
                later.ran_again += 1

    @property
    def askers(self) -> dict[str | None, int]:
        """How often each agent asked it, by its path."""
        return self._askers or {self._sole_asker: self.asked}


def _first(before: _Asker, now: _Asker) -> tuple[_Asker, Count]:
    """Who was first, and the line of the other: calls are heard of when they end."""
    return (now, before[1]) if now[0] < before[0] else (before, now[1])
