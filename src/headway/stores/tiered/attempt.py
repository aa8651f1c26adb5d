"""One use of a store that may be dead, frozen or slow: bounded, and reported to its breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, TypeVar

from ... import clock

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]

_BLOCKED_S: Final = 0.010
_GRACE_S: Final = 0.005


class OutOfReach(ConnectionError):
    """The second tier does not answer now, or not in time; Headway tries again by itself."""


class Refused(Exception):
    """A store that is alive did not take what it was given; ``__cause__`` says why."""


class AtMost:
    """``async with AtMost(1.0)``: the block is cancelled after so many seconds: TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._is_over = seconds, False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can be cancelled"
        self._task = task
        self._before = task.cancelling()
        self._timer = clock.call_later(self._seconds, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        is_ours = self._is_over and self._task.uncancel() <= self._before
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError(f"no answer within {self._seconds:g} s") from error


class Patience:
    """Calls *lost* after *seconds*, unless ``end`` comes first.

    If the timer itself is late, the event loop was blocked, and an answer may lie there unread: it
    gets another moment.
    """

    def __init__(self, seconds: float, lost: Callable[[], None]) -> None:
        self._lost, self._due = lost, clock.monotonic() + seconds
        self._timer = clock.call_later(seconds, self._look)

    def _look(self) -> None:
        if clock.monotonic() - self._due > _BLOCKED_S:
            self._timer = clock.call_later(_GRACE_S, self._lost)
        else:
            self._lost()

    def end(self) -> None:
        """The answer is there."""
        self._timer.cancel()
