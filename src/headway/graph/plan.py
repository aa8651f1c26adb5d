"""What a graph is going to do, decided without doing it: order, critical path, what starts next."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from ..errors import BadSetup

UNKNOWN_S = 1.0
"""What a step counts whose duration nobody knows."""


class CriticalPath(NamedTuple):
    """The longest chain of steps: no run can be shorter than its seconds."""

    steps: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Which step needs which, and how long each is expected to take.

    Args:
        needs: for every step, in the order of declaration, the steps it waits for.
        duration: seconds of each step; one that is missing counts as 1.

    Raises:
        BadSetup: a need is no step, a duration is not 0 or more, or the needs go in a circle.
    """

    needs: Mapping[str, tuple[str, ...]]
    duration: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        needs = {step: tuple(dict.fromkeys(named)) for step, named in self.needs.items()}
        duration = {step: self.duration.get(step, UNKNOWN_S) for step in needs}
        object.__setattr__(self, "needs", MappingProxyType(needs))
        object.__setattr__(self, "duration", MappingProxyType(duration))
        _refuse_unknown_needs(needs)
        _refuse_odd_durations(duration)
        if len(self.order) < len(needs):
            circle = _circle(needs, set(needs).difference(self.order))
            raise BadSetup(
                f"steps wait for each other in a circle: {' needs '.join(circle)}; cut one arrow"
            )

    @cached_property
    def dependants(self) -> Mapping[str, tuple[str, ...]]:
        """For every step, those that need it."""
        found: dict[str, list[str]] = {step: [] for step in self.needs}
        for step, needs in self.needs.items():
            for need in needs:
                found[need].append(step)
        return {step: tuple(steps) for step, steps in found.items()}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every step after all it needs."""
        missing = {step: len(needs) for step, needs in self.needs.items()}
        order = [step for step, count in missing.items() if count == 0]
        for step in order:  # grows while it is read
            for dependant in self.dependants[step]:
                missing[dependant] -= 1
                if missing[dependant] == 0:
                    order.append(dependant)
        return tuple(order)

    @cached_property
    def tails(self) -> Mapping[str, float]:
        """For every step, seconds from its start to the end of the longest chain it begins."""
        tails: dict[str, float] = {}
        for step in reversed(self.order):
            longest = max((tails[dependant] for dependant in self.dependants[step]), default=0.0)
            tails[step] = self.duration[step] + longest
        return tails

    @cached_property
    def by_urgency(self) -> tuple[str, ...]:
        """All steps, longest tail first, ties in the order of declaration."""
        return tuple(sorted(self.needs, key=lambda step: -self.tails[step]))

    def critical_path(self) -> CriticalPath:
        """The longest chain of steps and its seconds; no steps and 0 for an empty plan."""
        chain: list[str] = []
        following: Iterable[str] = self.needs
        while following:
            chain.append(max(following, key=self.tails.__getitem__))
            following = self.dependants[chain[-1]]
        return CriticalPath(tuple(chain), self.tails[chain[0]] if chain else 0.0)

    def downstream(self, step: str) -> tuple[str, ...]:
        """Every step that needs *step*, directly or through others, nearest first."""
        found: dict[str, None] = dict.fromkeys(self.dependants[step])
        waiting = list(found)
        for near in waiting:  # grows while it is read
            for dependant in self.dependants[near]:
                if dependant not in found:
                    found[dependant] = None
                    waiting.append(dependant)
        return tuple(found)


def next_ready(
    plan: Plan, *, settled: Set[str], running: Set[str], at_once: int | None
) -> tuple[str, ...]:
    """The steps to start now: their needs are settled, the longest remaining path goes first.

    Args:
        settled: steps that are over, however they ended.
        running: steps under way.
        at_once: how many may run together; None for no limit.

    Returns:
        At most ``at_once - len(running)`` names, most urgent first, ties as declared.

    Cost: one look at every step.
    """
    room = len(plan.needs) if at_once is None else at_once - len(running)
    ready: list[str] = []
    for step in plan.by_urgency:
        if len(ready) >= room:
            break
        if step in settled or step in running:
            continue
        if all(need in settled for need in plan.needs[step]):
            ready.append(step)
    return tuple(ready)


def timetable(plan: Plan, at_once: int | None = None) -> dict[str, tuple[float, float]]:
    """Start and end of each step in seconds, in start order, if the durations are right."""
    times: dict[str, tuple[float, float]] = {}
    settled: set[str] = set()
    running: set[str] = set()
    ends: list[tuple[float, int, str]] = []
    now = 0.0
    while len(settled) < len(plan.needs):
        for step in next_ready(plan, settled=settled, running=running, at_once=at_once):
            times[step] = (now, now + plan.duration[step])
            heapq.heappush(ends, (times[step][1], len(times), step))
            running.add(step)
        now, _, ended = heapq.heappop(ends)
        running.remove(ended)
        settled.add(ended)
    return times


def _refuse_unknown_needs(needs: Mapping[str, tuple[str, ...]]) -> None:
    for step, named in needs.items():
        for need in named:
            if need not in needs:
                raise BadSetup(
                    f"{step} needs {need!r}, which is no step; the steps are {', '.join(needs)}"
                )


def _refuse_odd_durations(duration: Mapping[str, float]) -> None:
    for step, seconds in duration.items():
        if not 0.0 <= seconds < float("inf"):
            raise BadSetup(f"{step} cannot take {seconds!r} seconds; give 0 or more, and finite")


def _circle(needs: Mapping[str, tuple[str, ...]], stuck: set[str]) -> list[str]:
    """One circle among *stuck*, each of which needs another of them; ends where it begins."""
    walk = [next(step for step in needs if step in stuck)]
    while walk[-1] not in walk[:-1]:
        walk.append(next(need for need in needs[walk[-1]] if need in stuck))
    return walk[walk.index(walk[-1]) :]
