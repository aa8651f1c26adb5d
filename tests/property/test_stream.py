"""Streams read by random readers that come, read at their own pace, and leave."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from headway import Cache, Share, Stream, StreamBroken, clock, operation
from headway.testing import FakeClock
from headway.testing.clock import settle


@dataclass(frozen=True)
class Reader:
    """Comes at *comes* ms, rests *rests* ms after each chunk, leaves after *most* chunks if given.

    ``way``: how it leaves: by breaking off, by closing its handle, or by being cancelled.
    """

    comes: int
    rests: int
    most: int | None
    way: str


@dataclass(frozen=True)
class Source:
    """Waits *gaps* ms before each chunk; ends well or breaks."""

    gaps: list[int]
    breaks: bool


readers = st.builds(
    Reader,
    st.integers(0, 30),
    st.integers(0, 5),
    st.none() | st.integers(0, 6),
    st.sampled_from(["break", "close", "cancel"]),
)
sources = st.builds(Source, st.lists(st.integers(0, 8), max_size=8), st.booleans())


class Recorded:
    """One run of a source, and how it went."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.runs = self.closed = 0

    async def chunks(self) -> AsyncIterator[int]:
        self.runs += 1
        try:
            for number, gap in enumerate(self.source.gaps):
                await clock.sleep(gap / 1000)
                yield number
            if self.source.breaks:
                raise ConnectionError("lost")
        finally:
            self.closed += 1


async def read(stream: Stream[int], reader: Reader) -> list[int]:
    chunks: list[int] = []
    async with stream:
        if reader.most == 0 and reader.way != "close":
            return chunks
        if reader.most == 0:
            await stream.aclose()
            return chunks
        async for chunk in stream:
            chunks.append(chunk)
            if reader.way == "cancel" and len(chunks) == reader.most:
                raise asyncio.CancelledError
            if len(chunks) == reader.most:
                break
            await clock.sleep(reader.rests / 1000)
    return chunks


def outcome_is_right(task: "asyncio.Task[list[int]]", reader: Reader, source: Source) -> None:
    whole = list(range(len(source.gaps)))
    if task.cancelled():
        assert reader.way == "cancel"
        assert reader.most is not None
    elif (error := task.exception()) is not None:
        assert source.breaks
        if isinstance(error, StreamBroken):
            assert error.chunks_read == len(whole)
            assert isinstance(error.__cause__, ConnectionError)
        else:
            assert isinstance(error, ConnectionError)
            assert not whole
    elif reader.most is not None and reader.most <= len(whole):
        assert task.result() == whole[: reader.most]
    else:
        assert task.result() == whole


@settings(max_examples=200)
@given(source=sources, people=st.lists(readers, max_size=6))
def test_every_reader_of_one_recording_sees_it_whole(source: Source, people: list[Reader]) -> None:
    async def world() -> None:
        time, recorded = FakeClock(), Recorded(source)
        with clock.use(time):
            before = asyncio.all_tasks()
            beginning = asyncio.create_task(Stream.start(recorded.chunks()))
            await time.advance("10ms")
            if not source.gaps and source.breaks:
                assert isinstance(beginning.exception(), ConnectionError)
                return
            stream = beginning.result()
            del beginning

            async def visit(reader: Reader, mine: Stream[int]) -> list[int]:
                await clock.sleep(reader.comes / 1000)
                return await read(mine, reader)

            tasks = [asyncio.create_task(visit(reader, stream.again())) for reader in people]
            del stream
            await time.advance("1s")
            assert all(task.done() for task in tasks), "a reader hangs"
            for task, reader in zip(tasks, people, strict=True):
                outcome_is_right(task, reader, source)
            assert recorded.closed == recorded.runs == 1
            assert asyncio.all_tasks() == before
            assert time.waiting == 0

    asyncio.run(world())


async def ask_at_random(source: Source, people: list[Reader], *, is_kept: bool) -> Recorded:
    time, recorded = FakeClock(), Recorded(source)

    @operation(Cache("1h") if is_kept else Share())
    async def write(name: str) -> AsyncIterator[int]:
        async for chunk in recorded.chunks():
            yield chunk

    async def visit(reader: Reader) -> list[int]:
        await clock.sleep(reader.comes / 1000)
        return await read(await write("x"), reader)

    with clock.use(time):
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(visit(reader)) for reader in people]
        await time.advance("1s")
        await settle()
        assert all(task.done() for task in tasks), "a reader hangs"
        for task, reader in zip(tasks, people, strict=True):
            outcome_is_right(task, reader, source)
        assert recorded.closed == recorded.runs
        assert asyncio.all_tasks() == before
    return recorded


@settings(max_examples=150)
@given(source=sources, people=st.lists(readers, max_size=6), is_kept=st.booleans())
def test_readers_who_ask_an_operation(source: Source, people: list[Reader], is_kept: bool) -> None:
    asyncio.run(ask_at_random(source, people, is_kept=is_kept))


@settings(max_examples=100)
@given(gaps=st.lists(st.integers(0, 8), max_size=8), people=st.lists(readers, max_size=6))
def test_with_one_reader_who_stays_a_cache_runs_it_once(
    gaps: list[int], people: list[Reader]
) -> None:
    stays = Reader(comes=0, rests=0, most=None, way="break")
    recorded = asyncio.run(ask_at_random(Source(gaps, False), [stays, *people], is_kept=True))
    assert recorded.runs == 1
