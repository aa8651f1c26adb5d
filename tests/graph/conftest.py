"""A clock that moves when told, and what happened, as the tests of the graph want it."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from headway import clock
from headway.events import Event, StepSettled, listen
from headway.testing import FakeClock


@pytest.fixture
def fake() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@pytest.fixture
def seen() -> Iterator[list[Event]]:
    """Every event of the test."""
    seen: list[Event] = []
    with listen(seen.append):
        yield seen


@pytest.fixture
def outcomes(seen: list[Event]) -> Callable[[], list[tuple[str, str]]]:
    """(step, outcome) so far, in the order they settled."""
    return lambda: [(e.step, e.outcome) for e in seen if isinstance(e, StepSettled)]


@pytest.fixture
def tasks_left() -> Callable[[], set["asyncio.Task[object]"]]:
    """The tasks that have come since the test began; ask inside the test's loop."""
    before: set[asyncio.Task[object]] = set()

    def left() -> set[asyncio.Task[object]]:
        now = asyncio.all_tasks() - {asyncio.current_task()}
        if not before:
            before.update(now or {asyncio.current_task()})
            return set()
        return now - before

    return left
