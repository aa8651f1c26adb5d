"""How long calls would take if each waited only for earlier ones that lie in its way."""

from __future__ import annotations

from collections.abc import Sequence

from ..tools.effects import Effects, conflict

MOST_COMPARED = 50
"""A call is compared with so many before it: else the work would grow by the square."""


def least_s(effects: Sequence[Effects | None], seconds: Sequence[float]) -> float:
    """Seconds until all calls are done, each begun as soon as those it conflicts with have ended.

    Args:
        effects: of each call, in the order in which they began; None: it is in nobody's way.
        seconds: of each call.
    """
    schedule = _Schedule()
    for touched, call_s in zip(effects, seconds, strict=True):
        schedule.add(touched, call_s)
    return schedule.done_s


class _Schedule:
    """When calls end that wait only for those in their way."""

    def __init__(self) -> None:
        self.done_s = 0.0
        self._free_from_s = 0.0  # the end of the last exclusive call
        self._known_done_s = 0.0  # the end of all that an exclusive call waits for
        self._reads: list[tuple[Effects, float]] = []
        self._writes: list[tuple[Effects, float]] = []

    def add(self, touched: Effects | None, call_s: float) -> None:
        if touched is None:
            self.done_s = max(self.done_s, call_s)
            return
        end_s = self._begin_s(touched) + call_s
        if touched.exclusive:
            self._free_from_s = end_s
            self._reads, self._writes = [], []
        else:
            (self._reads if touched.is_read else self._writes).append((touched, end_s))
        self._known_done_s = max(self._known_done_s, end_s)
        self.done_s = max(self.done_s, end_s)

    def _begin_s(self, touched: Effects) -> float:
        if touched.exclusive:
            return self._known_done_s
        before = self._writes[-MOST_COMPARED:]
        if not touched.is_read:
            before = before + self._reads[-MOST_COMPARED:]
        ends = (end_s for earlier, end_s in before if conflict(earlier, touched))
        return max(self._free_from_s, max(ends, default=0.0))
