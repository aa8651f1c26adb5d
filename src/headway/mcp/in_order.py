"""Messages one after another: while one of them has to wait for something, all behind it wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from .. import bridge

Step = Callable[[], None]


class InOrder:
    """Steps taken in the order in which they came; each may ask for time before its second half."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether a step has asked for time and has not had it yet."""
        return self._task is not None

    def take(self, step: Step) -> None:
        """Take *step* now, or after those that are waiting."""
        if self._task is None:
            step()
        else:
            self._steps.append(step)

    def take_first(self, steps: Sequence[Step]) -> None:
        """Take *steps* now, or before all that are waiting."""
        self._steps.extendleft(reversed(steps))
        self._drain()

    def after(self, work: Coroutine[Any, Any, None], then: Step) -> None:
        """Called by a step: do *work*, then take *then*, and only then the next step.

        What needs no waiting is done at once. *work* must not fail.
        """
        begun = bridge.now_or_task(work)
        if isinstance(begun, asyncio.Task):
            self._task = begun
            begun.add_done_callback(lambda _: self._go_on(then))
        else:
            then()

    def _go_on(self, then: Step) -> None:
        self._task = None
        then()
        self._drain()

    def _drain(self) -> None:
        while self._steps and self._task is None:
            self._steps.popleft()()
