"""What a batch of calls is going to do, decided without doing it: order, shared runs, who is next.

Calls are known by their place in the batch, from 0. A call waits only for earlier ones, so that no
plan can go in a circle.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from .effects import Effects
from .resources import canonical_resource


class Ask(NamedTuple):
    """What the plan needs to know of one call.

    ``key`` is equal for equal questions, None for one that is not to be shared; ``refers_to`` are
    the calls whose values it needs.
    """

    effects: Effects
    key: Hashable = None
    refers_to: tuple[int, ...] = ()


class Plan(NamedTuple):
    """For every call, those it waits for, and the earlier call whose run it shares, if any."""

    needs: list[tuple[int, ...]]
    same_as: list[int | None]


def planned(asks: Sequence[Ask]) -> Plan:
    """The order that gives what one call after another would give, and no more order than that.

    A call waits for those it refers to, and for earlier ones it conflicts with. One with the key of
    an earlier one shares its run, unless a different call that writes, and conflicts with it,
    stands between them.

    Cost: as many steps as resources are named, and the depth of each.
    """
    if all(ask.effects.is_read for ask in asks):
        return _without_writes(asks)
    latest: dict[Hashable, int] = {}
    seen = _Seen()
    needs: list[tuple[int, ...]] = []
    same_as: list[int | None] = []
    for place, ask in enumerate(asks):
        waits_for = seen.before(ask.effects)
        first = None if ask.key is None else latest.get(ask.key)
        if first is not None and not any(
            other > first and not asks[other].effects.is_read for other in waits_for
        ):
            same_as.append(first)
            needs.append((first,))
            continue
        same_as.append(None)
        waits_for.update(_runs(ask.refers_to, same_as))
        needs.append(tuple(sorted(waits_for)))
        seen.add(place, ask.effects)
        if ask.key is not None:
            latest[ask.key] = place
    return Plan(needs, same_as)


def _without_writes(asks: Sequence[Ask]) -> Plan:
    """The plan where only references make an order."""
    first_of: dict[Hashable, int] = {}
    needs: list[tuple[int, ...]] = []
    same_as: list[int | None] = []
    for place, ask in enumerate(asks):
        first = place if ask.key is None else first_of.setdefault(ask.key, place)
        if first != place:
            same_as.append(first)
            needs.append((first,))
        else:
            same_as.append(None)
            refers_to = ask.refers_to
            needs.append(tuple(sorted(set(_runs(refers_to, same_as)))) if refers_to else ())
    return Plan(needs, same_as)


def _runs(places: tuple[int, ...], same_as: list[int | None]) -> list[int]:
    """The calls that really run for those at *places*."""
    firsts = [(place, same_as[place]) for place in places]
    return [place if first is None else first for place, first in firsts]


class _Node:
    """What touches a resource, or, at the node of a prefix, all that begins with it."""

    __slots__ = ("below", "reads", "writes")

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.below: dict[str, _Node] = {}


_SEGMENT = re.compile(r"[^:/]*[:/]|[^:/]+")


class _Seen:
    """The calls so far, by what they touch. A write hides what it has to wait for anyway."""

    def __init__(self) -> None:
        self._root = _Node()
        self._barrier: int | None = None  # the last call that had everything to itself
        self._since: list[int] = []

    def before(self, effects: Effects) -> set[int]:
        """The calls that one with *effects* waits for: those, and all that they wait for."""
        found: set[int] = set() if self._barrier is None else {self._barrier}
        if effects.exclusive:
            found.update(self._since)
        for resource in effects.reads:
            self._touching(resource, found, is_write=False)
        for resource in effects.writes:
            self._touching(resource, found, is_write=True)
        return found

    def add(self, place: int, effects: Effects) -> None:
        """Note the call at *place*."""
        if effects.exclusive:
            self._root, self._barrier, self._since = _Node(), place, []
            return
        self._since.append(place)
        for resource in effects.reads:
            self._way_to(resource)[-1].reads.append(place)
        for resource in effects.writes:
            last = self._way_to(resource)[-1]
            last.reads, last.writes = [], [place]
            last.below.clear()

    def _touching(self, resource: str, found: set[int], *, is_write: bool) -> None:
        way = self._way_to(resource)
        below = list(way[-1].below.values())
        for node in below:  # grows while it is read
            below.extend(node.below.values())
        for node in (*way, *below):
            found.update(node.writes)
            if is_write:
                found.update(node.reads)

    def _way_to(self, resource: str) -> list[_Node]:
        """The nodes from the root to that of *resource*, whose last may stand for all below."""
        text = canonical_resource(resource)
        way = [self._root]
        for segment in _SEGMENT.findall(text[:-1] if text.endswith("*") else text):
            node = way[-1].below.get(segment)
            if node is None:
                node = way[-1].below[segment] = _Node()
            way.append(node)
        return way


def tails(plan: Plan, seconds: Sequence[float]) -> list[float]:
    """For every call, seconds from its start to the end of the longest chain that it begins."""
    longest = [0.0] * len(plan.needs)
    for place in range(len(plan.needs) - 1, -1, -1):
        if plan.same_as[place] is None:
            longest[place] += seconds[place]
            for need in plan.needs[place]:
                if longest[need] < longest[place]:
                    longest[need] = longest[place]
    return longest


class Frontier:
    """The calls that may start: what they wait for has settled; longest remaining path first.

    Calls that share a run never stand here. Ties go as the calls were given.
    """

    def __init__(self, plan: Plan, longest: Sequence[float]) -> None:
        self._longest = longest
        self._missing = [len(needs) for needs in plan.needs]
        self._waiting: dict[int, list[int]] = {}
        ready: list[tuple[float, int]] = []
        for place, needs in enumerate(plan.needs):
            if plan.same_as[place] is not None:
                continue
            for need in needs:
                self._waiting.setdefault(need, []).append(place)
            if not needs:
                ready.append((-longest[place], place))
        heapq.heapify(ready)
        self._ready = ready

    def __bool__(self) -> bool:
        return bool(self._ready)

    def take(self) -> int:
        """The call to start next; there must be one."""
        return heapq.heappop(self._ready)[1]

    def settle(self, place: int) -> None:
        """Let those start that waited for the call at *place* last."""
        for waiting in self._waiting.get(place, ()):
            self._missing[waiting] -= 1
            if self._missing[waiting] == 0:
                heapq.heappush(self._ready, (-self._longest[waiting], waiting))
