import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway import BadSetup, CallTimedOut, StreamBroken, Timeout, clock, operation
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import actions, nothing_left_behind


async def test_an_answer_in_time_is_given(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> int:
        await clock.sleep(9)
        return 1

    async with nothing_left_behind():
        task = asyncio.ensure_future(find())
        await time.advance(9)
        assert await task == 1
    assert time.waiting == 0


async def test_an_answer_at_once_sets_no_timer(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> int:
        assert time.waiting == 0
        return 1

    assert await find() == 1


async def test_a_late_answer_is_given_up(time: FakeClock) -> None:
    cleaned_up = False

    @operation(Timeout("10s"), name="shop.find")
    async def find() -> None:
        nonlocal cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up = True

    async with nothing_left_behind():
        with actions() as seen:
            task = asyncio.ensure_future(find())
            await time.advance(9.9)
            assert not task.done()
            await time.advance(0.1)
            with pytest.raises(CallTimedOut, match=r"shop\.find: no answer within 10 s") as raised:
                await task
    assert (raised.value.seconds, raised.value.waiting_for) == (10.0, "answer")
    assert cleaned_up
    assert [(one.action, one.seconds, one.detail) for one in seen] == [
        ("timed out", 10.0, "answer")
    ]
    assert task.cancelling() == 0


async def test_a_cancellation_from_outside_is_not_taken_for_its_own(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> None:
        await asyncio.Event().wait()

    async with nothing_left_behind():
        task = asyncio.ensure_future(find())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert task.cancelled()
    assert time.waiting == 0


async def test_a_cancellation_in_the_same_moment_wins(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(find())
    await settle()
    (timer,) = time._timers
    timer.fire()
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_inside_a_timeout_of_the_caller_each_keeps_its_own(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> None:
        await asyncio.Event().wait()

    async def caller() -> str:
        try:
            async with asyncio.timeout(3600):
                await find()
        except CallTimedOut:
            await asyncio.sleep(0)
            return "timed out inside"
        return "no"

    task = asyncio.ensure_future(caller())
    await time.advance(10)
    assert await task == "timed out inside"
    assert task.cancelling() == 0


async def test_a_task_group_around_it_goes_on(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def find() -> None:
        await asyncio.Event().wait()

    async def member() -> str:
        try:
            await find()
        except CallTimedOut:
            await settle(2)
        return "went on"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(member())
        await time.advance(10)
    assert task.result() == "went on"


@pytest.mark.parametrize("ending", ["answers", "fails"])
async def test_work_that_holds_out_leaves_no_cancellation_behind(
    time: FakeClock, ending: str
) -> None:
    @operation(Timeout("10s"))
    async def find() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ending == "fails":
                raise ValueError("while cleaning up") from None
        return "anyway"

    async def caller() -> object:
        try:
            answer: object = await find()
        except ValueError as error:
            answer = error
        async with asyncio.timeout(0):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return answer

    task = asyncio.ensure_future(caller())
    await time.advance(10)
    # a cancellation left behind would turn the caller's own time-out into a cancelled caller
    with pytest.raises(TimeoutError):
        await task
    assert task.cancelling() == 0


async def test_the_nearer_of_two_fires(time: FakeClock) -> None:
    @operation(Timeout("20s"), Timeout("10s"))
    async def nearer_inside() -> None:
        await asyncio.Event().wait()

    @operation(Timeout("10s"), Timeout("20s"))
    async def nearer_outside() -> None:
        await asyncio.Event().wait()

    for find in (nearer_inside, nearer_outside):
        async with nothing_left_behind():
            task = asyncio.ensure_future(find())
            await time.advance(10)
            with pytest.raises(CallTimedOut) as raised:
                await task
            assert raised.value.seconds == 10.0
            assert task.cancelling() == 0
            assert time.waiting == 0


async def test_two_in_the_same_moment_are_one_failure(time: FakeClock) -> None:
    @operation(Timeout("10s"), Timeout("10s"))
    async def find() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(find())
    await time.advance(10)
    with pytest.raises(CallTimedOut):
        await task
    assert task.cancelling() == 0


async def test_an_error_of_the_work_is_its_own(time: FakeClock) -> None:
    wrong = TimeoutError("of the work")

    @operation(Timeout("10s"))
    async def find() -> None:
        await asyncio.sleep(0)
        raise wrong

    with pytest.raises(TimeoutError) as raised:
        await find()
    assert raised.value is wrong
    assert time.waiting == 0


# --- streams ------------------------------------------------------------------------------------


async def test_the_first_chunk_must_come_in_time(time: FakeClock) -> None:
    closed = False

    @operation(Timeout("10s"), name="shop.write")
    async def write() -> AsyncIterator[int]:
        nonlocal closed
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed = True

    async with nothing_left_behind():
        task = asyncio.ensure_future(write())
        await time.advance(10)
        with pytest.raises(CallTimedOut, match="no first chunk within 10 s") as raised:
            await task
    assert raised.value.waiting_for == "first chunk"
    assert closed


async def test_every_gap_is_bounded_but_not_the_whole(time: FakeClock) -> None:
    async with nothing_left_behind():

        @operation(Timeout("10s"))
        async def write() -> AsyncIterator[int]:
            for number in range(5):
                await clock.sleep(9)
                yield number

        task = asyncio.ensure_future(write())
        await time.advance(9)
        stream = await task
        await time.advance(36)
        assert await stream.collect() == [0, 1, 2, 3, 4]
    assert time.waiting == 0


async def test_a_gap_that_is_too_long_breaks_the_stream(time: FakeClock) -> None:
    closed = False

    @operation(Timeout("10s"))
    async def write() -> AsyncIterator[int]:
        nonlocal closed
        try:
            yield 1
            await clock.sleep(5)
            yield 2
            await asyncio.Event().wait()
        finally:
            closed = True

    async with nothing_left_behind():
        stream = await write()
        reader = asyncio.ensure_future(stream.collect())
        await time.advance(14.9)
        assert not reader.done()
        await time.advance(0.1)
        with pytest.raises(StreamBroken, match="after 2 chunks") as raised:
            await reader
    cause = raised.value.__cause__
    assert isinstance(cause, CallTimedOut)
    assert cause.waiting_for == "next chunk"
    assert closed
    assert time.waiting == 0


async def test_a_stream_that_is_left_takes_its_timer_along(time: FakeClock) -> None:
    @operation(Timeout("10s"))
    async def write() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with nothing_left_behind():
        stream = await write()
        await stream.aclose()
    assert time.waiting == 0


# --- plain functions ----------------------------------------------------------------------------


def test_the_caller_of_a_plain_function_is_released() -> None:
    go, ended = threading.Event(), threading.Event()

    @operation(Timeout("20ms"), name="shop.find")
    def find() -> None:
        go.wait(5)
        ended.set()

    with pytest.raises(CallTimedOut, match=r"shop\.find: no answer within 0\.02 s"):
        find()
    assert not ended.is_set()
    go.set()
    assert ended.wait(5)


@pytest.mark.parametrize("seconds", [0, -1, "soon", True])
def test_a_time_that_cannot_be_is_refused(seconds: Any) -> None:
    with pytest.raises(BadSetup, match="Timeout"):
        Timeout(seconds)
