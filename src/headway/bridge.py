"""Coroutines driven by hand: answer now if one step is enough, else go on in a task.

Callers without an event loop share one background loop; their functions run on threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from types import coroutine
from typing import Any, Final, TypeVar

from .errors import BadSetup

T = TypeVar("T")

TO_LOOP: Final = "headway: go on in a task of an event loop"

_by_hand: ContextVar[bool] = ContextVar("headway.by_hand", default=False)


@coroutine
def on_a_loop() -> Generator[Any, Any, None]:
    """Return at once inside a task; ask a driver by hand to go on in one."""
    if _by_hand.get():
        yield TO_LOOP
        _by_hand.set(False)


@coroutine
def go_on(begun: Coroutine[Any, Any, T], waiting_for: object) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine whose first step was taken by hand and gave *waiting_for*."""
    while True:
        try:
            sent = yield waiting_for
        except GeneratorExit:
            begun.close()
            raise
        except BaseException as error:
            step: Callable[[Any], Any] = begun.throw
            sent = error
        else:
            step = begun.send
        try:
            waiting_for = step(sent)
        except StopIteration as done:
            answer: T = done.value
            return answer


def _first_step(work: Coroutine[Any, Any, Any]) -> object:
    _by_hand.set(True)
    return work.send(None)


async def _whole(begun: Coroutine[Any, Any, T]) -> T:
    """The rest of *begun*, which waits at the gate, from inside a task."""
    try:
        waiting_for = begun.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    return await go_on(begun, waiting_for)


def now_or_task(work: Coroutine[Any, Any, T]) -> T | asyncio.Task[T]:
    """The answer, if *work* needs no waiting; else a task of the running loop."""
    context = copy_context()
    try:
        waiting_for = context.run(_first_step, work)
    except StopIteration as done:
        answer: T = done.value
        return answer
    _must_be_the_gate(work, waiting_for, context)
    return asyncio.get_running_loop().create_task(_whole(work), context=context)


def now_or_wait(work: Coroutine[Any, Any, T]) -> T:
    """The answer for a caller without a loop; one that is at hand enters no loop."""
    context = copy_context()
    try:
        waiting_for = context.run(_first_step, work)
    except StopIteration as done:
        answer: T = done.value
        return answer
    _must_be_the_gate(work, waiting_for, context)
    return _background.run(_whole(work), context)


def _must_be_the_gate(
    work: Coroutine[Any, Any, Any], waiting_for: object, context: Context
) -> None:
    if waiting_for is not TO_LOOP:
        context.run(work.close)
        raise BadSetup(
            "a policy awaited before `await on_a_loop()`; call that first where a loop is needed"
        )


class _BackgroundLoop:
    """One event loop on one daemon thread, begun with the first call that needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # A call inside a call holds its thread while it waits: a bound would be a deadlock.
        self.threads = ThreadPoolExecutor(max_workers=100_000, thread_name_prefix="headway")

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="headway-loop", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # Raised by a function; it belongs to its caller, who is told once the loop goes on.
                continue

    def run(self, work: Coroutine[Any, Any, T], context: Context) -> T:
        loop = self.loop()
        if threading.current_thread() is self._thread:
            work.close()
            raise BadSetup(
                "a sync operation was called on Headway's own loop, which would wait for itself"
            )
        done: Future[T] = Future()
        started = _StartedTask(loop, work, context, done)
        try:  # an interruption may come at any moment from here on
            loop.call_soon_threadsafe(started.start)
            return done.result()
        except BaseException:
            if not done.done():  # the caller was interrupted, not the work
                loop.call_soon_threadsafe(started.cancel)
            raise


class _StartedTask:
    """A task of the background loop that reports to a caller on another thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any],
        context: Context,
        done: Future[Any],
    ) -> None:
        self._loop, self._work, self._context, self._done = loop, work, context, done
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._work, context=self._context)
        self._task.add_done_callback(self._report)

    def cancel(self) -> None:
        if self._task is None:
            self._work.close()
        else:
            self._task.cancel()

    def _report(self, task: asyncio.Task[Any]) -> None:
        if self._done.done():
            return
        if task.cancelled():
            self._done.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())


def background(work: Coroutine[Any, Any, object]) -> None:
    """Let *work* run beside its caller: on the caller's loop, else on the background loop."""
    try:
        loop = asyncio.get_running_loop() if not _by_hand.get() else _background.loop()
    except RuntimeError:
        loop = _background.loop()
    context = copy_context()
    context.run(_by_hand.set, False)
    loop.call_soon_threadsafe(_keep_task, loop, work, context)


def now_or_background(work: Coroutine[Any, Any, object]) -> None:
    """Do *work* at once if it needs no waiting, else beside the caller on the running loop."""
    begun = now_or_task(work)
    if isinstance(begun, asyncio.Task):
        _tasks.add(begun)
        begun.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[object]] = set()


def _keep_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, object], context: Context
) -> None:
    task = loop.create_task(work, context=context)
    _tasks.add(task)  # the loop itself holds tasks weakly
    task.add_done_callback(_tasks.discard)


async def in_thread(function: Callable[[], T]) -> T:
    """What *function* returns, run on a thread of its own with the caller's context variables."""
    return await asyncio.get_running_loop().run_in_executor(
        _background.threads, copy_context().run, _called, function
    )


def _called(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as stop:  # no future can hold one, and its caller would wait for ever
        raise RuntimeError("a plain function raised StopIteration") from stop


_background = _BackgroundLoop()


def _after_fork() -> None:
    global _background
    _background = _BackgroundLoop()


os.register_at_fork(after_in_child=_after_fork)
