import asyncio
from collections.abc import AsyncIterator

import pytest

from headway import Cache, Stream, Timeout, operation
from headway.policies.refresh import REFRESH_PAUSE_S
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import Work, actions, nothing_left_behind

pytestmark = pytest.mark.usefixtures("time")


# --- early refresh --------------------------------------------------------------------------------


async def test_a_hit_past_the_fraction_begins_one_refresh_and_waits_for_nothing(
    time: FakeClock,
) -> None:
    cache = Cache("100s", refresh_at=0.8)
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("79s")
    await find("x")
    await settle()
    assert work.runs == 1
    await time.advance("1s")
    work.hold()
    async with nothing_left_behind():
        for _ in range(3):
            answers = await asyncio.gather(*(find.answer("x") for _ in range(5)))
            assert {(one.value, one.source, one.age_s) for one in answers} == {(1, "hit", 80.0)}
            await settle()
            assert work.runs == 2
        work.let_go()
        await settle()
        answer = await find.answer("x")
    assert (answer.value, answer.source, answer.age_s) == (2, "hit", 0.0)
    counted = cache.statistics()
    assert (counted.refreshed_early, counted.refreshed, counted.hits) == (1, 1, 17)
    assert (counted.misses, counted.joined) == (1, 0)


async def test_a_slow_early_refresh_is_the_only_one_however_long_it_takes(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("100s", refresh_at=0.5))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("50s")
    work.hold()
    for _ in range(40):
        await find("x")
        await time.advance(1)
    assert work.runs == 2
    work.let_go()
    await settle()
    assert await find("x") == 2


async def test_an_early_refresh_that_fails_is_tried_again_after_a_pause(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("100s", refresh_at=0.5))
    async def find(name: str) -> int:
        return await work.run(ConnectionError("down") if work.runs == 1 else None)

    await find("x")
    await time.advance("60s")
    for _ in range(5):
        assert (await find.answer("x")).source == "hit"
        await settle()
    assert work.runs == 2
    await time.advance(REFRESH_PAUSE_S)
    assert await find("x") == 1
    await settle()
    assert await find("x") == 3


async def test_early_refreshes_that_bring_nothing_to_keep_pause_too(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("100s", refresh_at=0.5), keeps=lambda answer: answer == 1)
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("60s")
    for _ in range(10):
        assert await find("x") == 1
        await settle()
    assert work.runs == 2


async def test_a_stream_is_refreshed_early(time: FakeClock) -> None:
    runs = 0

    @operation(Cache("100s", refresh_at=0.5))
    async def write(name: str) -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        yield runs

    async def ask() -> list[int]:
        stream: Stream[int] = await write("x")
        return await stream.collect()

    assert await ask() == [1]
    await time.advance("60s")
    assert await ask() == [1]
    await settle()
    assert await ask() == [2]


# --- soft time-out --------------------------------------------------------------------------------


async def test_who_finds_it_stale_waits_a_little_for_the_fresh_one(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h", soft_timeout="50ms")
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    work.hold()
    async with nothing_left_behind():
        callers = [asyncio.create_task(find.answer("x")) for _ in range(10)]
        await time.advance("40ms")
        assert not any(caller.done() for caller in callers)
        work.let_go()
        answers = await asyncio.gather(*callers)
    assert {(one.value, one.age_s) for one in answers} == {(2, None)}
    assert work.runs == 2
    assert time.waiting == 0
    counted = cache.statistics()
    assert (counted.misses + counted.joined, counted.stale, counted.refreshed) == (11, 0, 1)
    assert (await find.answer("x")).source == "hit"


async def test_after_the_soft_timeout_it_is_stale_and_the_refresh_goes_on(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h", soft_timeout="50ms")
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    work.hold()
    async with nothing_left_behind():
        callers = [asyncio.create_task(find.answer("x")) for _ in range(10)]
        await time.advance("50ms")
        answers = [caller.result() for caller in callers]
        assert {(one.value, one.source, one.age_s) for one in answers} == {(1, "stale", 120.0)}
        late = asyncio.create_task(find.answer("x"))  # waits for the same refresh
        await time.advance("10ms")
        assert work.runs == 2
        assert not late.done()
        work.let_go()
        await settle()
        assert (late.result().value, late.result().source) == (2, "joined")
    assert (work.runs, work.cancelled) == (2, 0)
    counted = cache.statistics()
    assert (counted.misses, counted.joined, counted.stale) == (1, 1, 10)


async def test_a_refresh_that_fails_at_once_gives_the_stale_answer_at_once(
    time: FakeClock,
) -> None:
    cache = Cache("1m", stale_for="1h", soft_timeout="50ms")
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run(ConnectionError("down") if work.runs else None)

    await find("x")
    await time.advance("2m")
    with actions() as seen:
        answers = await asyncio.gather(*(find.answer("x") for _ in range(5)))
        await settle()
        assert {(one.value, one.source, one.age_s) for one in answers} == {(1, "stale", 120.0)}
        assert work.runs == 2
        assert (await find.answer("x")).source == "stale"  # and nobody waits in the pause
    assert work.runs == 2
    assert time.waiting == 0
    assert [(one.action, one.detail) for one in seen] == [("refresh failed", "ConnectionError")]


async def test_who_leaves_while_waiting_does_not_stop_the_refresh(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h", soft_timeout="50ms"))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    work.hold()
    async with nothing_left_behind():
        caller = asyncio.create_task(find("x"))
        await settle()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        work.let_go()
        await settle()
        assert await find("x") == 2
    assert work.cancelled == 0


async def test_a_hard_timeout_inside_ends_the_refresh(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h", soft_timeout="50ms")
    work = Work()

    @operation(cache, Timeout("1s"))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    work.hold()
    async with nothing_left_behind():
        caller = asyncio.create_task(find.answer("x"))
        await time.advance("50ms")
        assert caller.result().source == "stale"
        await time.advance("1s")
    assert (work.cancelled, cache.statistics().refreshes_failed) == (1, 1)


def test_a_plain_function_waits_a_little_too() -> None:
    fake = FakeClock()
    runs = 0

    from headway import clock

    @operation(Cache("1m", stale_for="1h", soft_timeout="10s"))
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    with clock.use(fake):
        assert find("x") == 1
        fake.step_wall(120)
        assert find("x") == 2
