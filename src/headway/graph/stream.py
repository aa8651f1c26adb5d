"""GraphStream: the results of a run as they finish, and the one hand that can end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .result import GraphResult, for_reader
from .running import Running


class GraphStream(AsyncIterator[tuple[str, object]]):
    """(name, value) of each step as it finishes, first finished first; a gap comes as None.

    Use it with ``async with``: leaving the block early cancels the running steps and waits until
    they are gone. A plain ``break`` cancels them too, but does not wait. The steps start with the
    block, or with the first item asked for. After the last item ``StepFailed`` is raised if a
    needed step failed.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._is_started = self._is_told = self._is_closed = False

    @property
    def so_far(self) -> GraphResult:
        """What has finished by now: the whole result once the stream has ended."""
        return self._running.so_far()

    def _start(self) -> None:
        if not self._is_started and not self._is_closed:
            self._is_started = True
            self._running.start()

    async def __aenter__(self) -> GraphStream:
        self._start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    def __aiter__(self) -> GraphStream:
        return self

    async def __anext__(self) -> tuple[str, object]:
        self._start()
        running = self._running
        while not self._is_closed and running.fatal is None:
            if running.finished:
                name = running.finished.popleft()
                return name, for_reader(running.values[name])
            if running.is_over:
                break
            await running.change()
        raise await self._ending()

    async def _ending(self) -> BaseException:
        running = self._running
        if self._is_closed or self._is_told:
            return StopAsyncIteration()
        self._is_told = True
        if running.fatal is not None:
            await self.aclose()
            return running.fatal
        return running.step_failed() if running.failures else StopAsyncIteration()

    async def aclose(self) -> None:
        """Cancel what is still running and wait until it is gone; a finished run stays as it is."""
        self._is_closed = True
        running = self._running
        if not self._is_started or (running.is_over and not running.is_stopping):
            return
        running.stop()
        draining = asyncio.create_task(running.drain())
        interrupted: asyncio.CancelledError | None = None
        while not draining.done():
            try:
                await asyncio.wait({draining})
            except asyncio.CancelledError as again:
                interrupted = again
                running.stop()  # who insists cuts the steps' own clean-up short
        if interrupted is not None:
            raise interrupted
        draining.result()

    def __del__(self) -> None:
        running = self._running
        if not self._is_started or self._is_closed or running.is_over or running.loop.is_closed():
            return
        running.loop.call_soon_threadsafe(running.stop)
