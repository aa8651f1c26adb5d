import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from headway import BadSetup, Stream, StreamBroken, clock
from headway.stream import Recording
from headway.testing import FakeClock
from headway.testing.clock import settle


class Source:
    """An async generator that gives numbers when told, and knows how it ended."""

    def __init__(self) -> None:
        self.closed = False
        self.began = False
        self._next: asyncio.Queue[object] = asyncio.Queue()

    def give(self, *chunks: object) -> None:
        for chunk in chunks:
            self._next.put_nowait(chunk)

    def end(self) -> None:
        self._next.put_nowait(StopAsyncIteration)

    def fail(self, error: BaseException) -> None:
        self._next.put_nowait(error)

    async def chunks(self) -> AsyncIterator[object]:
        self.began = True
        try:
            while True:
                chunk = await self._next.get()
                if chunk is StopAsyncIteration:
                    return
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk
        finally:
            self.closed = True


async def read_on(reader: AsyncIterator[object]) -> None:
    async for _ in reader:
        pass


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


async def test_it_is_there_with_the_first_chunk(source: Source) -> None:
    starting = asyncio.create_task(Stream.start(source.chunks()))
    await settle()
    assert not starting.done()
    source.give(1)
    stream = await starting
    source.give(2)
    source.end()
    assert await stream.collect() == [1, 2]
    assert source.closed


async def test_every_reading_begins_at_the_start(source: Source) -> None:
    source.give(1, 2, 3)
    source.end()
    stream = await Stream.start(source.chunks())
    assert await stream.collect() == [1, 2, 3]
    assert await stream.collect() == [1, 2, 3]
    assert [chunk async for chunk in stream] == [1, 2, 3]


async def test_readers_go_at_their_own_pace(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    fast, slow = aiter(stream), aiter(stream)
    assert await anext(fast) == 1
    source.give(2, 3)
    assert [await anext(fast), await anext(fast)] == [2, 3]
    assert await anext(slow) == 1
    late = aiter(stream.again())
    assert [await anext(late) for _ in range(3)] == [1, 2, 3]
    source.end()
    assert [await anext(slow), await anext(slow)] == [2, 3]
    for reader in (fast, slow, late):
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
        with pytest.raises(StopAsyncIteration):
            await anext(reader)


async def test_a_stream_may_be_empty(source: Source) -> None:
    source.end()
    stream = await Stream.start(source.chunks())
    assert await stream.collect() == []


async def test_falsy_chunks_are_chunks(source: Source) -> None:
    source.give(None, "", 0)
    source.end()
    assert await (await Stream.start(source.chunks())).collect() == [None, "", 0]


async def test_an_error_before_the_first_chunk_is_raised_as_it_is(source: Source) -> None:
    wrong = KeyError("x")
    source.fail(wrong)
    with pytest.raises(KeyError) as raised:
        await Stream.start(source.chunks())
    assert raised.value is wrong


async def test_an_error_after_the_first_chunk_breaks_every_reader(
    source: Source,
) -> None:
    wrong = ConnectionError("lost")
    source.give(1, 2)
    source.fail(wrong)
    stream = await Stream.start(source.chunks())
    early = aiter(stream)
    assert await anext(early) == 1
    await settle()
    for reader in (early, aiter(stream), aiter(stream.again())):
        with pytest.raises(StreamBroken, match="after 2 chunks") as raised:
            await read_on(reader)
        assert raised.value.chunks_read == 2
        assert raised.value.__cause__ is wrong
    with pytest.raises(StreamBroken):
        await stream.collect()


@pytest.mark.parametrize("interruption", [asyncio.CancelledError(), GeneratorExit()])
async def test_a_source_that_is_interrupted_is_no_complete_stream(
    source: Source, interruption: BaseException
) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    source.fail(interruption)
    with pytest.raises(StreamBroken):
        await stream.collect()


async def test_a_reader_that_is_cancelled_harms_nobody(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    impatient = asyncio.create_task(stream.collect())
    patient = asyncio.create_task(stream.collect())
    await settle()
    impatient.cancel()
    await settle()
    assert impatient.cancelled()
    source.give(2)
    source.end()
    assert await patient == [1, 2]


async def test_a_reader_goes_on_after_a_timeout(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    reader = aiter(stream)
    assert await anext(reader) == 1
    waiting = asyncio.ensure_future(anext(reader))
    await settle()
    waiting.cancel()
    await settle()
    source.give(2)
    assert await anext(reader) == 2
    await stream.aclose()


async def test_dropping_it_unread_stops_the_source(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    del stream
    await settle()
    assert source.closed


async def test_the_last_reader_to_leave_stops_the_source(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    first, second = aiter(stream), aiter(stream.again())
    del stream
    assert await anext(first) == 1
    del first
    await settle()
    assert not source.closed
    assert await anext(second) == 1
    del second
    await settle()
    assert source.closed


async def test_breaking_off_a_loop_stops_the_source(source: Source) -> None:
    source.give(1, 2)
    async for _ in await Stream.start(source.chunks()):
        break
    await settle()
    assert source.closed


async def test_closing_waits_until_the_source_has_closed() -> None:
    closed = asyncio.Event()

    async def slow_to_close() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            await settle(5)
            closed.set()

    stream = await Stream.start(slow_to_close())
    await settle()
    await stream.aclose()
    assert closed.is_set()
    await stream.aclose()


async def test_closing_one_handle_leaves_the_others(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    other = stream.again()
    await stream.aclose()
    await settle()
    assert not source.closed
    source.end()
    assert await other.collect() == [1]


async def test_with_it_closes(source: Source) -> None:
    source.give(1)
    with pytest.raises(KeyError):
        async with await Stream.start(source.chunks()):
            raise KeyError
    assert source.closed


async def test_who_still_reads_a_stopped_stream_is_told(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    reader = aiter(stream)
    await stream.aclose()
    assert await anext(reader) == 1
    with pytest.raises(StreamBroken, match="stopped"):
        await anext(reader)


async def test_a_start_that_is_cancelled_stops_the_source(source: Source) -> None:
    starting = asyncio.create_task(Stream.start(source.chunks()))
    await settle()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert source.began
    assert source.closed


async def test_a_start_that_is_cancelled_at_once_leaves_no_task(source: Source) -> None:
    before = asyncio.all_tasks()
    starting = asyncio.create_task(Stream.start(source.chunks()))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await settle()
    assert asyncio.all_tasks() == before


class Clumsy:
    """A source that is no generator and fails to close."""

    def __init__(self) -> None:
        self.close_asked = 0

    def __aiter__(self) -> AsyncIterator[int]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.close_asked += 1
        raise RuntimeError("cannot close")


async def test_a_source_that_fails_to_close_still_ends_its_readers() -> None:
    source = Clumsy()
    stream = await Stream.start(source)
    reader = asyncio.create_task(stream.collect())
    await settle()
    await stream.aclose()
    async with asyncio.timeout(20):
        with pytest.raises(StreamBroken):
            await reader
    assert source.close_asked == 1


async def test_a_generator_that_fails_while_it_is_stopped_still_ends_its_readers() -> None:
    async def fails_late() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("cannot close")

    stream = await Stream.start(fails_late())
    reader = asyncio.create_task(stream.collect())
    await settle()
    await stream.aclose()
    async with asyncio.timeout(20):
        with pytest.raises(StreamBroken) as broken:
            await reader
    assert isinstance(broken.value.__cause__, RuntimeError)


async def test_a_source_that_never_waits_does_not_starve_its_readers() -> None:
    ended: list[int] = []

    async def endless() -> AsyncIterator[int]:
        number = 0
        try:
            while number < 100_000:
                yield number
                number += 1
        finally:
            ended.append(number)

    read = []
    async for number in await Stream.start(endless()):
        read.append(number)
        if number == 2:
            break
    await settle()
    assert read == [0, 1, 2]
    assert ended[0] < 1000


async def test_a_source_that_cannot_be_stopped_by_one_cancellation_still_ends() -> None:
    class Stubborn:
        """A source whose closing takes its time."""

        def __aiter__(self) -> AsyncIterator[int]:
            return self._chunks()

        async def _chunks(self) -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        async def aclose(self) -> None:
            await asyncio.Event().wait()

    stream = await Stream.start(Stubborn())
    reader = asyncio.create_task(stream.collect())
    await settle()
    stream.recording.fail(TimeoutError("late"))
    await settle()
    stream.recording.fail(TimeoutError("later"))
    async with asyncio.timeout(20):
        with pytest.raises(StreamBroken):
            await reader


async def test_garbage_in_a_circle_stops_the_source(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    circle: list[object] = [stream]
    circle.append(circle)
    del stream, circle
    gc.collect()
    await settle()
    assert source.closed


async def test_a_recording_that_is_held_lives_through_a_collection(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    await settle()
    gc.collect()
    source.give(2)
    source.end()
    assert await stream.collect() == [1, 2]


def test_a_handle_dropped_after_its_loop_has_closed_is_harmless() -> None:
    async def begin() -> Stream[int]:
        async def endless() -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        return await Stream.start(endless())

    stream = asyncio.run(begin())
    assert stream.recording.ended
    del stream
    gc.collect()


def test_a_complete_stream_can_be_read_on_any_loop() -> None:
    async def begin() -> Stream[int]:
        async def three() -> AsyncIterator[int]:
            for number in range(3):
                yield number

        stream = await Stream.start(three())
        await stream.collect()
        return stream

    stream = asyncio.run(begin())
    assert asyncio.run(stream.collect()) == [0, 1, 2]


async def test_a_live_stream_is_not_read_from_another_loop(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    seen: list[object] = []

    def elsewhere() -> None:
        try:
            asyncio.run(stream.collect())
        except BaseException as error:
            seen.append(error)

    await asyncio.to_thread(elsewhere)
    assert isinstance(seen[0], BadSetup)
    await stream.aclose()


async def test_notes_come_with_each_chunk_and_once_at_the_end(source: Source) -> None:
    source.give(1)
    stream = await Stream.start(source.chunks())
    notes: list[object] = []
    stream.recording.on_chunk(lambda: notes.append("chunk"))
    stream.recording.when_done(lambda error: notes.append(error))
    source.give(2, 3)
    source.end()
    await stream.collect()
    assert notes == ["chunk", "chunk", None]
    stream.recording.when_done(lambda error: notes.append("at once"))
    assert notes[-1] == "at once"


async def test_a_note_that_fails_keeps_nobody_waiting(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(error: BaseException | None) -> None:
        raise KeyError("note")

    source.give(1)
    stream = await Stream.start(source.chunks())
    notes: list[object] = []
    stream.recording.when_done(fails)
    stream.recording.when_done(notes.append)
    reader = asyncio.create_task(stream.collect())
    await settle()
    source.end()
    async with asyncio.timeout(20):
        assert await reader == [1]
    assert notes == [None]
    assert "a note at the end of a stream failed" in caplog.text


def test_a_stream_on_a_loop_that_was_thrown_away_is_not_complete() -> None:
    ends: list[object] = []

    async def begin() -> Stream[int]:
        async def endless() -> AsyncIterator[int]:
            yield 1
            await asyncio.get_running_loop().create_future()

        stream = await Stream.start(endless())
        stream.recording.when_done(ends.append)
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(begin())
    loop.close()
    stream.recording._task.get_coro().close()
    assert stream.recording.ended
    assert isinstance(ends[0], GeneratorExit)
    with pytest.raises(StreamBroken):
        asyncio.run(stream.collect())


async def test_a_recording_can_be_failed_from_outside(source: Source) -> None:
    late = TimeoutError("late")
    source.give(1)
    stream = await Stream.start(source.chunks())
    reader = asyncio.create_task(stream.collect())
    await settle()
    stream.recording.fail(late)
    with pytest.raises(StreamBroken) as broken:
        await reader
    assert broken.value.__cause__ is late
    assert source.closed
    stream.recording.fail(KeyError("after the end"))
    assert stream.recording.error is late


async def test_it_knows_when_it_was_made(time: FakeClock, source: Source) -> None:
    recording: Recording[object] = Recording(source.chunks())
    assert recording.made_at == time.now()
    await recording.stop()


def test_a_stream_of_given_chunks_has_ended_and_needs_no_loop() -> None:
    stream = Stream.of(iter(["a", "b"]), made_at=17.0)
    recording = stream.recording
    assert (recording.ended, recording.is_live, recording.error) == (True, False, None)
    assert recording.made_at == 17.0
    ended: list[BaseException | None] = []
    recording.when_done(ended.append)
    assert ended == [None]
    recording.fail(ValueError("too late"))
    for handle in (stream, stream.again(), stream):  # each on a loop of its own
        assert asyncio.run(handle.collect()) == ["a", "b"]
        asyncio.run(handle.aclose())


async def test_nobody_joins_a_stream_of_given_chunks(time: FakeClock) -> None:
    stream = Stream.of([1])
    assert not stream.recording.is_joinable
    assert await asyncio.gather(stream.collect(), stream.collect()) == [[1], [1]]
    await stream.recording.stop()
    assert stream.recording.made_at == time.now()
