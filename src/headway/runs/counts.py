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

    def __init__(self, kind: str) -> None:
        self.kind, self.asked, self.ran = kind, 0, 0
        self._first_asked: _Asker | None = None
        self._first_ran: _Asker | None = None
        self._sole_asker: str | None = None
        self._askers: dict[str | None, int] | None = None  # most questions are asked once

    def ask(self, event: CallEnded, agent: str | None, line: Count) -> None:
        """Count one call, and in the *line* of a later asker that it was one."""
        began = event.at - event.seconds
        self._note(agent)
        self.asked += 1
        self._first_asked, later = _first(self._first_asked, (began, line))
        if later is not None:
            later.asked_again += 1
        if event.source == "ran":
            self.ran += 1
            self._first_ran, later = _first(self._first_ran, (began, line))
            if later is not None:
                later.ran_again += 1

    def _note(self, agent: str | None) -> None:
        if not self.asked:
            self._sole_asker = agent
            return
        if self._askers is None:
            self._askers = {self._sole_asker: self.asked}
        self._askers[agent] = self._askers.get(agent, 0) + 1

    @property
    def askers(self) -> dict[str | None, int]:
        """How often each agent asked it, by its path."""
        return self._askers or {self._sole_asker: self.asked}


def _first(before: _Asker | None, now: _Asker) -> tuple[_Asker, Count | None]:
    """Who was first, and the line of the other: calls are heard of when they end."""
    if before is None:
        return now, None
    return (now, before[1]) if now[0] < before[0] else (before, now[1])
