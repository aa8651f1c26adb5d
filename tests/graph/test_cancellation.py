"""Cancelling a run: what runs is cancelled and awaited, nothing new starts, no task is left."""

import asyncio
from collections.abc import Callable

import pytest

from headway import clock
from headway.graph import Graph
from headway.testing import FakeClock
from headway.testing.clock import settle

Tasks = Callable[[], set[object]]


def slow_to_leave(log: list[str], *, at_once: int | None = None) -> Graph:
    """Two steps that take 3 s to clean up, and one that would follow."""
    graph = Graph(at_once=at_once)

    async def work(name: str) -> None:
        log.append(f"{name} starts")
        try:
            await clock.sleep(100)
        finally:
            try:
                await clock.sleep(3)
                log.append(f"{name} cleaned up")
            except asyncio.CancelledError:
                log.append(f"{name} cut short")
                raise

    @graph.step
    async def first() -> None:
        await work("first")

    @graph.step
    async def second() -> None:
        await work("second")

    @graph.step(needed=False)
    async def third(first: None) -> None:
        await work("third")

    return graph


async def test_a_cancelled_run_waits_for_its_steps(
    fake: FakeClock, tasks_left: Tasks, outcomes: Callable[[], list[tuple[str, str]]]
) -> None:
    log: list[str] = []
    tasks_left()
    run = asyncio.create_task(slow_to_leave(log).run())
    await fake.advance(1)
    run.cancel()
    await fake.advance(2)
    assert not run.done()
    await fake.advance(1)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert log == ["first starts", "second starts", "first cleaned up", "second cleaned up"]
    assert tasks_left() == set()
    assert sorted(outcomes()) == [
        ("first", "cancelled"),
        ("second", "cancelled"),
        ("third", "cancelled"),
    ]


async def test_who_insists_cuts_the_clean_up_short(fake: FakeClock, tasks_left: Tasks) -> None:
    log: list[str] = []
    tasks_left()
    run = asyncio.create_task(slow_to_leave(log).run())
    await fake.advance(1)
    run.cancel()
    await fake.advance(1)
    run.cancel()
    await settle()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert log[2:] == ["first cut short", "second cut short"]
    assert tasks_left() == set()


async def test_a_cancellation_while_leaving_is_not_swallowed(
    fake: FakeClock, tasks_left: Tasks
) -> None:
    log: list[str] = []
    tasks_left()

    async def leave() -> None:
        async with slow_to_leave(log).stream():
            await clock.sleep(1)

    leaving = asyncio.create_task(leave())
    await fake.advance(2)
    assert not leaving.done()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert log[2:] == ["first cut short", "second cut short"]
    assert tasks_left() == set()


async def test_a_step_that_waits_for_room_never_starts(fake: FakeClock) -> None:
    log: list[str] = []
    run = asyncio.create_task(slow_to_leave(log, at_once=1).run())
    await fake.advance(1)
    run.cancel()
    await fake.advance(200)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert log == ["first starts", "first cleaned up"]


async def test_a_step_that_will_not_be_cancelled_is_awaited(
    fake: FakeClock, tasks_left: Tasks, outcomes: Callable[[], list[tuple[str, str]]]
) -> None:
    graph = Graph()
    tasks_left()

    @graph.step
    async def stubborn() -> str:
        try:
            await clock.sleep(10)
        except asyncio.CancelledError:
            await clock.sleep(1)
        return "done all the same"

    @graph.step
    async def after(stubborn: str) -> None: ...

    run = asyncio.create_task(graph.run())
    await fake.advance(1)
    run.cancel()
    await fake.advance(1)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert tasks_left() == set()
    assert outcomes() == [("after", "cancelled"), ("stubborn", "done")]


async def test_a_time_out_around_a_run_is_a_time_out(tasks_left: Tasks) -> None:
    graph = Graph()
    tasks_left()

    @graph.step
    async def endless() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await graph.run()
    assert tasks_left() == set()


async def test_an_error_while_cleaning_up_does_not_hide_the_cancellation(
    fake: FakeClock, outcomes: Callable[[], list[tuple[str, str]]]
) -> None:
    graph = Graph()

    @graph.step
    async def messy() -> None:
        try:
            await clock.sleep(10)
        finally:
            raise ValueError("clean-up failed")

    @graph.step
    async def after(messy: None) -> None: ...

    run = asyncio.create_task(graph.run())
    await fake.advance(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert outcomes() == [("after", "cancelled"), ("messy", "failed")]


async def test_cancelling_before_the_first_turn_starts_nothing(tasks_left: Tasks) -> None:
    tasks_left()
    log: list[str] = []
    run = asyncio.create_task(slow_to_leave(log).run())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert log == []
    assert tasks_left() == set()
