"""Limits under random arrivals, priorities, cancellations and failures."""

import asyncio
import random
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import Limit, LimitExceeded, clock, operation, scope
from headway.testing import FakeClock
from tests.policies.work import on_threads


@dataclass(frozen=True)
class Caller:
    """Arrives and perhaps leaves at a time in ms; its work takes some ms and may fail."""

    arrives: int
    leaves: int | None
    takes: int
    fails: bool
    priority: int


@dataclass
class Seen:
    """What happened, on the fake clock."""

    inside: int = 0
    most_inside: int = 0
    begun: list[tuple[float, Caller]] = field(default_factory=list)


callers = st.builds(
    Caller,
    arrives=st.integers(0, 40),
    leaves=st.none() | st.none() | st.integers(0, 60),
    takes=st.integers(0, 20),
    fails=st.booleans(),
    priority=st.integers(0, 2),
)


async def play(limit: Limit, people: list[Caller]) -> tuple[Seen, list["asyncio.Task[None]"]]:
    seen, time = Seen(), FakeClock()

    @operation(limit)
    async def find(caller: Caller) -> None:
        seen.begun.append((clock.monotonic(), caller))
        seen.inside += 1
        seen.most_inside = max(seen.most_inside, seen.inside)
        try:
            await clock.sleep(caller.takes / 1000)
            if caller.fails:
                raise ConnectionError
        finally:
            seen.inside -= 1

    async def visit(caller: Caller) -> None:
        await clock.sleep(caller.arrives / 1000)
        with scope(priority=caller.priority):
            await find(caller)

    with clock.use(time):
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(visit(caller)) for caller in people]
        for task, caller in zip(tasks, people, strict=True):
            if caller.leaves is not None:
                time.call_later(caller.leaves / 1000, task.cancel)
        await time.advance("1m")
        assert all(task.done() for task in tasks), "a caller waits for ever"
        assert (limit.inside, limit.waiting, seen.inside) == (0, 0, 0)
        assert asyncio.all_tasks() == before
        assert not limit._queue
        for task in tasks:
            if not task.cancelled():
                task.exception()
    return seen, tasks


@settings(max_examples=150)
@given(people=st.lists(callers, max_size=25), at_once=st.integers(1, 4))
def test_never_more_at_once(people: list[Caller], at_once: int) -> None:
    async def world() -> None:
        seen, tasks = await play(make(), people)
        assert seen.most_inside <= at_once
        for task, caller in zip(tasks, people, strict=True):
            assert caller.leaves is not None or not task.cancelled()

    def make() -> Limit:
        return Limit(at_once=at_once)

    asyncio.run(world())


def starts_in_any_window(times: list[float], burst: float, per_second: float) -> None:
    """The bucket's promise: at most burst + rate x time begin in any time."""
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = burst + per_second * (times[last] - times[first])
            assert last - first + 1 <= allowed + 1e-6


@settings(max_examples=150)
@given(
    people=st.lists(callers, max_size=25),
    per_second=st.sampled_from([1, 3, 7.5, 50, 333]),
    burst=st.integers(1, 5),
    at_once=st.none() | st.integers(1, 3),
)
def test_never_more_in_any_time(
    people: list[Caller], per_second: float, burst: int, at_once: int | None
) -> None:
    async def world() -> None:
        limit = Limit(per_second=per_second, burst=burst, at_once=at_once)
        seen, _ = await play(limit, people)
        starts_in_any_window([at for at, _ in seen.begun], burst, per_second)
        assert seen.most_inside <= (at_once or len(people))

    asyncio.run(world())


@settings(max_examples=150)
@given(people=st.lists(callers, max_size=20), per_second=st.sampled_from([20, 100]))
def test_a_place_that_is_free_goes_to_who_matters_most(
    people: list[Caller], per_second: float
) -> None:
    """When one begins, nobody waits who matters more, or as much and came earlier."""

    async def world() -> None:
        seen, _ = await play(Limit(at_once=1, per_second=per_second, burst=1), people)
        begun = {id(caller): at for at, caller in seen.begun}
        for at, caller in seen.begun:
            for other in people:
                came = other.arrives / 1000
                gone = other.leaves is not None and other.leaves / 1000 <= at
                waits = came < at - 1e-9 and not gone and begun.get(id(other), at + 1) > at + 1e-9
                if waits and other is not caller:
                    assert (caller.priority, caller.arrives) <= (other.priority, other.arrives)

    asyncio.run(world())


@settings(max_examples=100)
@given(people=st.lists(callers, max_size=25), max_waiting=st.integers(0, 3))
def test_never_more_waiting(people: list[Caller], max_waiting: int) -> None:
    async def world() -> None:
        _, tasks = await play(Limit(at_once=1, max_waiting=max_waiting), people)
        for task, caller in zip(tasks, people, strict=True):
            if task.cancelled():
                assert caller.leaves is not None
            else:
                allowed = (type(None), ConnectionError, LimitExceeded)
                assert isinstance(task.exception(), allowed)

    asyncio.run(world())


@settings(max_examples=60)
@given(people=st.lists(callers, max_size=12))
def test_free_places_are_used(people: list[Caller]) -> None:
    """With as many places as callers nobody waits at all."""

    async def world() -> None:
        seen, _ = await play(Limit(at_once=max(1, len(people))), people)
        for at, caller in seen.begun:
            assert at == pytest.approx(caller.arrives / 1000)

    asyncio.run(world())


@pytest.mark.parametrize("seed", range(3))
def test_on_three_loops_at_random(seed: int) -> None:
    """Real threads and real cancellations: what must hold whatever the order is."""
    limit, lock = Limit(at_once=2, per_second=20_000), threading.Lock()
    inside = most = 0

    @operation(limit)
    async def find() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            await asyncio.sleep(0.0005)
        finally:
            with lock:
                inside -= 1

    async def visit(chance: random.Random) -> None:
        for _ in range(10):
            try:
                async with asyncio.timeout(chance.choice([0.0002, 0.002, 10])):
                    await find()
            except TimeoutError:
                pass

    async def many(number: int) -> str:
        chance = random.Random(f"{seed} {number}")
        await asyncio.gather(*(visit(chance) for _ in range(5)))
        return "done"

    assert on_threads(3, lambda number: asyncio.run(many(number)), within_s=30) == ["done"] * 3
    assert most <= 2
    assert (limit.inside, limit.waiting, inside) == (0, 0, 0)
