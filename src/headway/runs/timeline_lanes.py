"""Where each call is drawn: a lane for each agent, and rows in it for what is inside or beside."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import msgspec

from .intervals import SLACK_S
from .spans import Span, everyone

LEAST_VISIBLE = 0.002
"""Calls that overlap by less than this part of the whole seem to follow each other."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one agent; ``rows`` is how many were at once, or inside one another."""

    agent: str | None
    """Its path."""
    rows: int
    use: str = ""
    """Where its time went, in words."""


class Seat(msgspec.Struct, frozen=True):
    """Where a call is drawn: its lane, and its row there, both from 0."""

    lane: int
    row: int


class _Block:
    """A call with those of the same agent inside it: a rectangle of time and rows."""

    __slots__ = ("end", "height", "inside", "row", "start")

    def __init__(self, span: Span) -> None:
        self.start, self.end = span.interval
        self.height, self.row = 1, 0
        self.inside: list[_Block] = []


def seated(outermost: Sequence[Span], whole_s: float) -> tuple[list[Lane], dict[int, Seat]]:
    """The lanes, in the order of their first calls, and a seat for each span, by its ``id``."""
    slack_s = min(SLACK_S, whole_s * LEAST_VISIBLE)
    order = list(everyone(outermost))
    blocks = {id(span): _Block(span) for span in order}
    of_agent: dict[str | None, list[_Block]] = {}
    for span in outermost:
        of_agent.setdefault(span.agent, []).append(blocks[id(span)])
    for around in order:
        for span in around.inside:
            is_same = span.agent == around.agent
            beside = blocks[id(around)].inside if is_same else None
            group = of_agent.setdefault(span.agent, []) if beside is None else beside
            group.append(blocks[id(span)])
    for span in reversed(order):  # what is inside comes first
        _grow(blocks[id(span)], slack_s)
    agents = sorted(of_agent, key=lambda agent: min(block.start for block in of_agent[agent]))
    lanes = [Lane(agent=agent, rows=_packed(of_agent[agent], slack_s)) for agent in agents]
    for span in order:
        block = blocks[id(span)]
        for inner in block.inside:
            inner.row += block.row + 1
    number = {agent: index for index, agent in enumerate(agents)}
    return lanes, {id(span): Seat(number[span.agent], blocks[id(span)].row) for span in order}


def _grow(block: _Block, slack_s: float) -> None:
    """Make *block* as large as what is inside it needs; that may outlast the call around it."""
    block.start = min([block.start, *(inner.start for inner in block.inside)])
    block.end = max([block.end, *(inner.end for inner in block.inside)])
    block.height += _packed(block.inside, slack_s)


def _packed(blocks: Iterable[_Block], slack_s: float) -> int:
    """The rows that *blocks* take together; each gets its first row, none overlaps another."""
    shelves: list[list[_Block]] = []
    free: list[int] = []
    taken: list[tuple[float, int]] = []
    for block in sorted(blocks, key=lambda block: (block.start, -block.end)):
        while taken and taken[0][0] <= block.start + slack_s:
            heapq.heappush(free, heapq.heappop(taken)[1])
        shelf = heapq.heappop(free) if free else len(shelves)
        if shelf == len(shelves):
            shelves.append([])
        shelves[shelf].append(block)
        heapq.heappush(taken, (block.end, shelf))
    row = 0
    for on_shelf in shelves:
        for block in on_shelf:
            block.row = row
        row += max(block.height for block in on_shelf)
    return row
