import asyncio

import pytest

from headway import clock
from headway.testing import FakeClock
from headway.testing.clock import settle


async def test_time_stands_still_until_told() -> None:
    fake = FakeClock(now=1000.0)
    assert (fake.now(), fake.monotonic()) == (1000.0, 0.0)
    await settle()
    assert (fake.now(), fake.monotonic()) == (1000.0, 0.0)
    await fake.advance("1m")
    assert (fake.now(), fake.monotonic()) == (1060.0, 60.0)


async def test_sleepers_wake_in_order_each_at_its_time() -> None:
    fake = FakeClock(now=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await fake.sleep(seconds)
        woken.append((name, fake.now()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("same", 3.0), ("never mind", 2.0)):
            tasks.create_task(sleeper(name, seconds))
        await fake.advance(2.5)
        assert woken == [("early", 1.0), ("never mind", 2.0)]
        await fake.advance(0.5)
    assert woken[2:] == [("late", 3.0), ("same", 3.0)]
    assert fake.waiting == 0


async def test_who_sleeps_again_on_the_way_is_woken_again() -> None:
    fake = FakeClock(now=0.0)
    ticks: list[float] = []

    async def ticking() -> None:
        while True:
            await fake.sleep(1)
            ticks.append(fake.now())

    task = asyncio.create_task(ticking())
    await fake.advance(3)
    assert ticks == [1.0, 2.0, 3.0]
    task.cancel()
    await settle()
    assert task.cancelled()
    assert fake.waiting == 0


async def test_a_timer_due_at_the_very_end_fires() -> None:
    fake = FakeClock()
    fired: list[float] = []
    fake.call_later(0.1 + 0.2, lambda: fired.append(fake.monotonic()))
    await fake.advance(0.3)
    assert len(fired) == 1


async def test_a_cancelled_timer_does_not_fire() -> None:
    fake = FakeClock()
    fired: list[int] = []
    timer = fake.call_later(1, lambda: fired.append(1))
    assert fake.waiting == 1
    timer.cancel()
    timer.cancel()
    assert fake.waiting == 0
    await fake.advance(2)
    assert fired == []


async def test_sleeping_for_nothing_lets_others_run() -> None:
    fake = FakeClock()
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    task = asyncio.create_task(other())
    await fake.sleep(0)
    order.append("me")
    await task
    assert order == ["other", "me"]


async def test_a_correction_of_the_wall_clock_leaves_the_stopwatch_alone() -> None:
    fake = FakeClock(now=100.0)
    await fake.advance(5)
    fake.step_wall(-60)
    assert (fake.now(), fake.monotonic()) == (45.0, 5.0)


async def test_it_stands_in_for_the_clock_of_the_house() -> None:
    fake = FakeClock(now=7.0)
    with clock.use(fake):
        sleeper = asyncio.create_task(clock.sleep(10))
        fired: list[float] = []
        clock.call_later(4, lambda: fired.append(clock.now()))
        await fake.advance(9.5)
        assert not sleeper.done()
        await fake.advance(0.5)
        await sleeper
    assert fired == [11.0]


async def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="zero or more"):
        await FakeClock().advance(-1)
