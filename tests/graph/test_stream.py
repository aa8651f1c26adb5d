"""Results as they finish, and what happens to the steps when nobody wants more."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from headway import clock
from headway.errors import StepFailed
from headway.graph import Graph, GraphStream
from headway.stream import Stream
from headway.testing import FakeClock

Tasks = Callable[[], set[object]]


def race(*, log: list[str] | None = None) -> Graph:
    """Steps that finish in another order than declared; ``after`` needs the slowest."""
    graph = Graph("race")
    noted = log if log is not None else []

    async def work(name: str, seconds: float) -> str:
        noted.append(f"{name} starts")
        try:
            await clock.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            noted.append(f"{name} cleaned up")
            raise
        return name

    @graph.step
    async def slow() -> str:
        return await work("slow", 3)

    @graph.step
    async def quick() -> str:
        return await work("quick", 1)

    @graph.step
    async def middle() -> str:
        return await work("middle", 2)

    @graph.step
    async def after(slow: str) -> str:
        return await work("after", 1)

    return graph


async def test_first_finished_comes_first(fake: FakeClock) -> None:
    came: list[tuple[str, object, float]] = []

    async def read() -> float:
        async with race().stream() as finished:
            async for name, value in finished:
                came.append((name, value, clock.monotonic()))
            return finished.so_far.seconds

    reader = asyncio.create_task(read())
    await fake.advance(10)
    assert await reader == 4
    assert came == [
        ("quick", "quick", 1),
        ("middle", "middle", 2),
        ("slow", "slow", 3),
        ("after", "after", 4),
    ]


async def test_a_slow_reader_holds_nothing_up(fake: FakeClock) -> None:
    stream = race().stream()
    await stream.__aenter__()
    await fake.advance(2)
    assert dict(stream.so_far) == {"quick": "quick", "middle": "middle"}
    assert stream.so_far.seconds == 2
    await fake.advance(20)
    assert stream.so_far.seconds == 4
    assert [name async for name, _ in stream] == ["quick", "middle", "slow", "after"]


async def test_a_gap_comes_as_none_and_a_failure_at_the_end() -> None:
    graph = Graph()

    @graph.step(needed=False)
    async def gap() -> int:
        raise ValueError

    @graph.step
    async def broken() -> int:
        raise KeyError

    @graph.step
    async def fine() -> int:
        return 1

    came = []

    async def read(stream: GraphStream) -> None:
        async for item in stream:
            came.append(item)

    async with graph.stream() as finished:
        with pytest.raises(StepFailed) as caught:
            await read(finished)
        assert [item async for item in finished] == []  # told once
        assert list(finished.so_far.gaps) == ["gap"]
    assert sorted(came) == [("fine", 1), ("gap", None)]
    assert list(caught.value.failures) == ["broken"]


async def test_leaving_the_block_cancels_and_waits(
    fake: FakeClock, tasks_left: Tasks, outcomes: Callable[[], list[tuple[str, str]]]
) -> None:
    log: list[str] = []
    tasks_left()

    async def read() -> None:
        async with race(log=log).stream() as finished:
            async for name, _ in finished:
                log.append(f"got {name}")
                break
        log.append("left")

    reader = asyncio.create_task(read())
    await fake.advance(1)
    await reader
    assert log[-3:] == ["slow cleaned up", "middle cleaned up", "left"]
    assert "after starts" not in log
    assert tasks_left() == set()
    assert dict(outcomes()) == {
        "quick": "done",
        "middle": "cancelled",
        "slow": "cancelled",
        "after": "cancelled",
    }


async def test_a_plain_break_cancels_too(fake: FakeClock, tasks_left: Tasks) -> None:
    log: list[str] = []
    tasks_left()

    async def read() -> None:
        async for _ in race(log=log).stream():
            break

    reader = asyncio.create_task(read())
    await fake.advance(1)
    await reader
    await fake.advance(0)
    assert "slow cleaned up" in log
    assert tasks_left() == set()


async def test_closing_ends_the_reading_of_others(fake: FakeClock, tasks_left: Tasks) -> None:
    tasks_left()
    stream = race().stream()
    others = [asyncio.create_task(anext(stream, "nothing more")) for _ in range(3)]
    await fake.advance(1)
    await stream.aclose()
    assert [await other for other in others] == [("quick", "quick"), "nothing more", "nothing more"]
    assert [item async for item in stream] == []
    await stream.aclose()
    assert tasks_left() == set()


async def test_two_readers_share_the_items(fake: FakeClock) -> None:
    stream = race().stream()

    async def read() -> list[str]:
        return [name async for name, _ in stream]

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await fake.advance(5)
    first, second = [await reader for reader in readers]
    assert sorted(first + second) == ["after", "middle", "quick", "slow"]


async def test_giving_up_on_one_item_does_not_end_the_run(fake: FakeClock) -> None:
    async with race().stream() as finished:
        waiting = asyncio.create_task(anext(finished))
        await fake.advance(0.5)
        waiting.cancel()
        await fake.advance(5)
        assert await anext(finished) == ("quick", "quick")
        assert [name async for name, _ in finished] == ["middle", "slow", "after"]


async def test_a_stream_that_was_never_begun_does_nothing() -> None:
    log: list[str] = []
    stream = race(log=log).stream()
    assert dict(stream.so_far) == {}
    await stream.aclose()
    assert [item async for item in stream] == []
    assert log == []


async def test_a_recording_nobody_holds_stops_with_an_abandoned_run(
    fake: FakeClock, tasks_left: Tasks
) -> None:
    tasks_left()
    graph, closed = Graph(), []

    @graph.step
    async def words() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    @graph.step
    async def endless(words: Stream[str]) -> None:
        await asyncio.Event().wait()

    async with graph.stream() as finished:
        name, _ = await anext(finished)
        assert name == "words"
        del _
    assert closed == [True]
    assert tasks_left() == set()


async def test_a_recording_somebody_holds_goes_on(fake: FakeClock, tasks_left: Tasks) -> None:
    graph = Graph()
    tasks_left()

    @graph.step
    async def words() -> AsyncIterator[str]:
        yield "one"
        await clock.sleep(1)
        yield "two"

    async with graph.stream() as finished:
        _, held = await anext(finished)
    assert isinstance(held, Stream)
    reading = asyncio.create_task(held.collect())
    await fake.advance(1)
    assert await reading == ["one", "two"]
    assert tasks_left() == set()


async def test_a_finished_run_can_be_read_after_the_block(fake: FakeClock) -> None:
    graph = Graph()

    @graph.step
    async def words() -> AsyncIterator[str]:
        yield "one"
        await clock.sleep(1)
        yield "two"

    async with graph.stream() as finished:
        assert [name async for name, _ in finished] == ["words"]
    held = finished.so_far["words"]
    assert isinstance(held, Stream)
    reading = asyncio.create_task(held.collect())
    await fake.advance(1)
    assert await reading == ["one", "two"]
