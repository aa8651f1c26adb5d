"""Stream: a recording that can be read while it is being made, by any number of readers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

from . import clock
from .errors import BadSetup, StreamBroken

log = logging.getLogger("headway.stream")

T = TypeVar("T")

WhenDone = Callable[[BaseException | None], None]

_CHUNKS_A_TURN = 32
"""A source that never waits gives way this often, so that its readers may read, or leave."""


class Recording(Generic[T]):
    """The chunks so far, how they ended, and the task that fetches more."""

    _loop: asyncio.AbstractEventLoop
    _task: asyncio.Task[None]

    def __init__(self, source: AsyncIterable[T]) -> None:
        self._begin([], clock.now())
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._record(source))

    @classmethod
    def finished(cls, chunks: Iterable[T], made_at: float) -> Recording[T]:
        """A recording of *chunks* that has come to a good end; needs no loop."""
        recording = cls.__new__(cls)
        recording._begin(list(chunks), made_at)
        recording.ended = True
        return recording

    def _begin(self, chunks: list[T], made_at: float) -> None:
        self.chunks, self.made_at = chunks, made_at
        self.ended = False
        self.error: BaseException | None = None
        self._holders = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._on_chunk: list[Callable[[], None]] = []
        self._when_done: list[WhenDone] = []

    async def _record(self, source: AsyncIterable[T]) -> None:
        error: BaseException | None = None
        try:
            async for chunk in source:
                self._add(chunk)
                if len(self.chunks) % _CHUNKS_A_TURN == 0:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            error = StreamBroken(
                "the stream was stopped before its end", chunks_read=len(self.chunks)
            )
        except Exception as broken:
            error = broken
        except BaseException as interrupted:  # the program ends, or its loop was thrown away
            self._end(interrupted)
            raise
        try:
            if error is not None:
                await _close(source, error)
        finally:
            self._end(error)

    def _add(self, chunk: T) -> None:
        self.chunks.append(chunk)
        for note in self._on_chunk:
            note()
        self._wake()

    def _end(self, error: BaseException | None) -> None:
        self.ended = True
        self.error = error if self.error is None else self.error
        notes, self._when_done = self._when_done, []
        self._on_chunk.clear()
        for note in notes:
            self._tell(note)
        if not self._loop.is_closed():
            self._wake()

    def _tell(self, note: WhenDone) -> None:
        try:
            note(self.error)
        except Exception:  # readers, and the other notes, have nothing to do with it
            log.exception("a note at the end of a stream failed")

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def more(self) -> None:
        """Return when there is another chunk, or the end."""
        if asyncio.get_running_loop() is not self._loop:
            raise BadSetup(
                "a stream that is still being recorded can be read only on the loop it began on"
            )
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def fail(self, error: BaseException) -> None:
        """End the recording with *error*; nothing happens if it has ended."""
        if not self.ended:
            self.error = error if self.error is None else self.error
            self._task.cancel()

    async def stop(self) -> None:
        """Stop the source and wait until it has closed."""
        if not self.ended:
            self._task.cancel()
            await asyncio.wait({self._task})

    def on_chunk(self, note: Callable[[], None]) -> None:
        """Call *note* after every further chunk."""
        if not self.ended:
            self._on_chunk.append(note)

    def when_done(self, note: WhenDone) -> None:
        """Call *note* with None or the error when the recording ends; at once if it has."""
        if self.ended:
            self._tell(note)
        else:
            self._when_done.append(note)

    @property
    def is_live(self) -> bool:
        """Whether more chunks, or the end, may still come."""
        return not self.ended and not self._loop.is_closed()

    @property
    def is_joinable(self) -> bool:
        """Whether one more reader on this loop would see it live, and not about to be stopped."""
        return (
            not self.ended
            and self.error is None
            and self._holders > 0
            and asyncio.get_running_loop() is self._loop
        )

    def hold(self) -> None:
        """One more handle."""
        self._holders += 1

    def leave(self) -> None:
        """One handle less; the last one to go stops the source."""
        self._holders -= 1
        if self._holders == 0 and not self.ended and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)


class Stream(Generic[T]):
    """Chunks as they come, readable from the start as often as you like.

    ``async for chunk in stream`` begins at the first chunk every time. A source that fails after
    the first chunk ends every reader with ``StreamBroken`` (its cause is the source's own error).
    Dropping or closing the last handle before the end stops the source.
    """

    __slots__ = ("__weakref__", "_closed", "recording")

    def __init__(self, recording: Recording[T]) -> None:
        self.recording = recording
        self._closed = False
        recording.hold()

    @classmethod
    async def start(cls, source: AsyncIterable[T]) -> Stream[T]:
        """The stream of *source*, once its first chunk is there; raises an error before that."""
        stream = cls(Recording(source))
        recording = stream.recording
        try:
            while not recording.chunks and not recording.ended:
                await recording.more()
        except BaseException:
            await stream.aclose()
            raise
        if recording.error is not None and not recording.chunks:
            raise recording.error
        return stream

    @classmethod
    def of(cls, chunks: Iterable[T], *, made_at: float | None = None) -> Stream[T]:
        """A stream of *chunks* that has ended; anywhere, with or without a loop.

        It counts as recorded at *made_at*, in seconds since the epoch; default: now.
        """
        return cls(Recording.finished(chunks, clock.now() if made_at is None else made_at))

    def again(self) -> Stream[T]:
        """Another handle on the same recording, with a life of its own."""
        return Stream(self.recording)

    def __aiter__(self) -> AsyncIterator[T]:
        return _Reader(self)

    async def collect(self) -> list[T]:
        """All chunks, once the stream has ended well."""
        return [chunk async for chunk in self]

    async def aclose(self) -> None:
        """Let go of the stream; the source stops, and is awaited, if nobody else holds it."""
        if not self._closed:
            self._closed = True
            self.recording.leave()
            if self.recording._holders == 0:
                await self.recording.stop()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if not self._closed:
            self._closed = True
            self.recording.leave()


class _Reader(AsyncIterator[T]):
    """One reading of a stream, from the start; keeps the handle alive."""

    def __init__(self, stream: Stream[T]) -> None:
        self._stream, self._at = stream, 0

    async def __anext__(self) -> T:
        recording = self._stream.recording
        while self._at >= len(recording.chunks):
            if recording.ended:
                raise _ending(recording.error, self._at)
            await recording.more()
        chunk = recording.chunks[self._at]
        self._at += 1
        return chunk


def _ending(error: BaseException | None, chunks_read: int) -> BaseException:
    if error is None:
        return StopAsyncIteration()
    broken = StreamBroken(
        f"the stream broke off after {chunks_read} chunks: {error!r}", chunks_read=chunks_read
    )
    broken.__cause__ = error
    return broken


async def _close(source: AsyncIterable[Any], error: BaseException) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        try:
            await close()
        except Exception as failed:
            error.add_note(f"and its source failed to close: {failed!r}")
