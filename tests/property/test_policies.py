"""Any policies around any work, asked and left at random: nothing hangs, nothing stays."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headway import (
    Batch,
    Cache,
    Fallback,
    HeadwayError,
    Limit,
    Policy,
    Retry,
    Share,
    Stream,
    Timeout,
    clock,
    listen,
    operation,
)
from headway.testing import FakeClock


class Fails(Exception):
    """A failure of the work."""


async def second_best(*args: object) -> object:
    await clock.sleep(0.003)
    raise Fails


MAKERS: list[Callable[[], Policy]] = [
    lambda: Cache("20ms"),
    lambda: Cache("5ms", stale_for="1s"),
    Share,
    lambda: Fallback(second_best, on=Fails),
    lambda: Retry(3, on=Fails, first_wait="4ms"),
    lambda: Limit(at_once=2),
    lambda: Limit(per_second=200, burst=2),
    lambda: Limit(at_once=1, max_waiting=2),
    lambda: Timeout("12ms"),
    lambda: Timeout("3ms"),
]

shapes = st.sampled_from(["function", "stream", "batch"])


class World:
    """Work whose time and end are drawn by chance, and who is inside it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.inside = 0

    async def rest(self) -> None:
        await clock.sleep(self.chance.choice([0, 0, 0.001, 0.005, 0.015]))

    async def work(self, item: int) -> int:
        self.inside += 1
        try:
            await self.rest()
            if self.chance.random() < 0.3:
                raise Fails
            return item
        finally:
            try:
                if self.chance.random() < 0.3:
                    await self.rest()
            finally:
                self.inside -= 1

    async def chunks(self, item: int) -> AsyncIterator[int]:
        self.inside += 1
        try:
            for _ in range(self.chance.randrange(5)):
                await self.rest()
                yield item
            if self.chance.random() < 0.3:
                raise Fails
        finally:
            self.inside -= 1

    async def many(self, items: list[int]) -> list[int | Fails]:
        await self.work(0)
        return [Fails() if self.chance.random() < 0.2 else item for item in items]

    async def read(self, answer: Any, item: int) -> None:
        if not isinstance(answer, Stream):
            assert answer == item
            return
        async for chunk in answer:
            assert chunk == item
            if self.chance.random() < 0.15:
                break
            await self.rest()


async def play(policies: list[Policy], shape: str, seed: int, callers: int) -> None:
    world, time = World(seed), FakeClock()
    run: Any = {"function": world.work, "stream": world.chunks, "batch": world.many}[shape]
    if shape == "batch":
        policies = [*policies, Batch(max_items=3, max_wait="4ms")]
    find: Any = operation(*policies, name="find")(run)

    async def visit() -> None:
        await clock.sleep(world.chance.randrange(40) / 1000)
        item = world.chance.randrange(3)
        await world.read(await find(item), item)

    with clock.use(time):
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(visit()) for _ in range(callers)]
        leaving = [task for task in tasks if world.chance.random() < 0.4]
        for task in leaving:
            time.call_later(world.chance.randrange(60) / 1000, task.cancel)
        await time.advance("2s")
        assert all(task.done() for task in tasks), "a caller hangs"
        assert asyncio.all_tasks() == before, "a task was left behind"
        assert world.inside == 0
        assert time.waiting == 0, "a timer was left behind"
        for policy in policies:
            if isinstance(policy, Limit):
                assert (policy.inside, policy.waiting) == (0, 0)
    for task in tasks:
        if task.cancelled():
            assert task in leaving
        elif (error := task.exception()) is not None:
            assert isinstance(error, (Fails, HeadwayError)), error


@settings(max_examples=250)
@given(
    chosen=st.lists(st.sampled_from(MAKERS), max_size=5),
    shape=shapes,
    seed=st.integers(0, 10**6),
    callers=st.integers(1, 12),
    is_watched=st.booleans(),
)
def test_nothing_hangs_and_nothing_stays(
    chosen: list[Callable[[], Policy]], shape: str, seed: int, callers: int, is_watched: bool
) -> None:
    policies = [make() for make in chosen]
    if is_watched:
        with listen(lambda event: None):
            asyncio.run(play(policies, shape, seed, callers))
    else:
        asyncio.run(play(policies, shape, seed, callers))
