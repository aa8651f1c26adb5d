"""Which tools take long, while a run goes on: told when they end, and while they still run.

Pure: it is given events and the time, and gives back what there is to tell.
"""

from __future__ import annotations

import heapq
from itertools import count

import msgspec

from ..events import CallEnded, CallStarted, Event
from .agent_paths import AgentPaths
from .text_table import shown
from .time_use import TOOL
from .tool_calls import NOTICE_S, WARNING_S, level_of

MOST_IDLE = 1_000
_Question = tuple[str, str]


class Told(msgspec.Struct, frozen=True):
    """A line about a tool that takes long; ``level`` is notice or warning."""

    level: str
    text: str


class _UnderWay:
    """A call of a tool that has begun."""

    __slots__ = ("agent", "call", "since", "tell_at_s")

    def __init__(self, call: CallStarted, agent: str | None, since: float, tell_s: float) -> None:
        self.call, self.agent, self.since, self.tell_at_s = call, agent, since, tell_s


class SlowTools:
    """Follows the calls of tools; times are of any stopwatch, in seconds.

    A call that runs on is told after *warning_s*, and then each time it has lasted twice as long.
    Of those that ask the same at the same time the first is told of: the others wait for it.
    """

    def __init__(self, notice_s: float = NOTICE_S, warning_s: float = WARNING_S) -> None:
        self._notice_s, self._warning_s = notice_s, warning_s
        self.forget()

    def forget(self) -> None:
        """Know of nothing under way: something was missed."""
        self._agents = AgentPaths()
        self._under_way: dict[str, _UnderWay] = {}
        self._asking: dict[_Question, list[str]] = {}
        self._due: list[tuple[float, int, str]] = []
        self._order = count()

    def hear(self, event: Event, now: float) -> Told | None:
        """What *event* gives to tell, if anything."""
        if isinstance(event, CallStarted):
            self._started(event, now)
        elif isinstance(event, CallEnded):
            return self._ended(event)
        return None

    def _started(self, event: CallStarted, now: float) -> None:
        agent = self._agents.started(event)
        if event.kind != TOOL:
            return
        self._under_way[event.call] = _UnderWay(event, agent, now, self._warning_s)
        self._wait(event.call, now + self._warning_s)
        if event.key is not None:
            self._asking.setdefault((event.operation, event.key), []).append(event.call)

    def _wait(self, call: str, until: float) -> None:
        if len(self._due) > MOST_IDLE + 2 * len(self._under_way):  # most have ended long ago
            self._due = [due for due in self._due if due[2] in self._under_way]
            heapq.heapify(self._due)
        heapq.heappush(self._due, (until, next(self._order), call))

    def _ended(self, event: CallEnded) -> Told | None:
        agent = self._agents.ended(event)
        begun = self._under_way.pop(event.call, None)
        if begun is not None and begun.call.key is not None:
            question = (begun.call.operation, begun.call.key)
            self._asking[question].remove(event.call)
            if not self._asking[question]:
                del self._asking[question]
        if event.kind != TOOL or event.source != "ran":
            return None
        level = level_of(event.seconds, self._notice_s, self._warning_s)
        if level is None:
            return None
        failed = f", {shown(event.error)}" if event.error else ""
        return Told(level, _line(event, f"took {_seconds(event.seconds)} s", agent, failed))

    def due(self, now: float) -> list[Told]:
        """What there is to tell of calls that still run."""
        told = []
        while self._due and self._due[0][0] <= now:
            _, _, call = heapq.heappop(self._due)
            if (begun := self._under_way.get(call)) is None:
                continue
            if not self._is_waiting(begun):
                told.append(_running(begun))
            while begun.since + begun.tell_at_s <= now:
                begun.tell_at_s *= 2
            self._wait(call, begun.since + begun.tell_at_s)
        return told

    def _is_waiting(self, begun: _UnderWay) -> bool:
        key = begun.call.key
        return key is not None and self._asking[begun.call.operation, key][0] != begun.call.call


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"


def _running(begun: _UnderWay) -> Told:
    lasts = f"has been running for {begun.tell_at_s:g} s"
    return Told("warning", _line(begun.call, lasts, begun.agent))


def _line(call: CallStarted | CallEnded, what: str, agent: str | None, more: str = "") -> str:
    who = f" (agent {shown(agent)})" if agent else ""
    return f"tool {shown(call.operation)} {what}{who}, call {shown(call.call)}{more}"
