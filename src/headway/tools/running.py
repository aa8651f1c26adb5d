"""A batch under way: tasks that start as others end, and one result for every call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Literal

from .. import clock, events
from ..call import Call, Operation, Source
from ..errors import CallCancelled, CallTimedOut, HeadwayError
from ..policies import Watch
from ..stream import Stream
from . import references
from .asked import Asked
from .outcome import CallResult, Status
from .plan import Frontier, Plan
from .values import whole

log = logging.getLogger("headway.tools")

OnResult = Callable[[CallResult], object]
Stopped = Literal["cancelled", "timed out"]


class _Run:
    """One call while it runs: in a task, then perhaps until its stream has ended."""

    __slots__ = ("began", "place", "request", "running", "stream", "task")

    task: asyncio.Task[object]

    def __init__(self, running: Running, place: int, request: Call, began: float) -> None:
        self.running, self.place, self.request, self.began = running, place, request, began
        self.stream: Stream[object] | None = None

    def landed(self, task: asyncio.Task[object]) -> None:
        self.running.landed(self, task)

    def stream_ended(self, error: BaseException | None) -> None:
        self.running.stream_ended(self, error)


class Running:
    """The tasks and the results of one batch; knows nothing of who waits for it but ``changed``."""

    def __init__(
        self,
        asked: list[Asked],
        plan: Plan,
        *,
        at_once: int,
        timeout_s: float | None,
        on_result: OnResult | None,
    ) -> None:
        self._asked, self._plan = asked, plan
        self._at_once, self._timeout_s, self._on_result = at_once, timeout_s, on_result
        self.results: list[CallResult | None] = [None] * len(asked)
        self.dropped: list[Stream[object]] = []
        self.fatal: BaseException | None = None
        self.stopped: Stopped | None = None
        self.ended = self.busy_s = 0.0
        self.peak = 0
        self.taken: dict[Operation, list[float]] = {}
        self._runs: dict[int, _Run] = {}
        self._unsettled = len(asked)
        self._sharing = _sharing(plan)
        self._told: set[int] = set()
        self._change: asyncio.Future[None] | None = None

    @property
    def is_over(self) -> bool:
        """Every call has its result, and no task is left."""
        return not self._unsettled and not self._runs

    async def change(self) -> None:
        """Return when the batch is over."""
        self._change = self._loop.create_future()
        await self._change

    def start(self, longest: list[float]) -> None:
        """Start what waits for nothing; the rest follows by itself."""
        self._loop = asyncio.get_running_loop()
        self.ended = clock.monotonic()
        self._frontier = Frontier(self._plan, longest)
        for place, asked in enumerate(self._asked):
            if asked.refusal is not None:
                self._settle_unstarted(place, "failed", asked.refusal)
        self._start_ready()

    def stop(self, how: Stopped) -> None:
        """Start nothing more and cancel what runs; asked again, cancel again."""
        if self.stopped is None:
            self.stopped = how
            for place, result in enumerate(self.results):
                if result is None and place not in self._runs and self._plan.same_as[place] is None:
                    self._settle_unstarted(place, "skipped", self._why_never_started(place))
        for run in list(self._runs.values()):
            if run.stream is None:
                run.task.cancel()
            else:
                self.dropped.append(run.stream)
                self._end(run, None, self._why_stopped(run), was_cancelled=True)
        self._wake()

    def _start_ready(self) -> None:
        frontier, runs, most = self._frontier, self._runs, self._at_once
        while frontier and len(runs) < most:
            place = frontier.take()
            if self.results[place] is None:  # else it was refused, or the batch was stopped
                self._start(place)
        if len(runs) > self.peak:
            self.peak = len(runs)

    def _start(self, place: int) -> None:
        asked = self._asked[place]
        try:
            request = asked.request or asked.filled(partial(self._value_of, asked.call.name))
            work = request.operation.enter(request)
        except _NoValue as none:
            self._settle_unstarted(place, none.status, none.error)
            return
        except Exception as error:  # arguments that the function does not take
            self._settle_unstarted(place, "failed", error)
            return
        run = self._runs[place] = _Run(self, place, request, clock.monotonic())
        run.task = self._loop.create_task(work)
        run.task.add_done_callback(run.landed)

    def _value_of(self, name: str, reference: references.Reference) -> object:
        """What *reference* in a call of the tool *name* stands for.

        Raises:
            _NoValue: the call it leads to has no value, or not that part.
        """
        result = self.results[reference.call]
        assert result is not None, "a call starts when what it refers to has settled"
        if result.status != "done":
            error = HeadwayError(
                f"{name} was not called: it needs the result of call {result.id!r} "
                f"({result.tool}), which {_WHAT_BECAME[result.status]}: {result.error}"
            )
            error.__cause__ = result.error
            raise _NoValue("skipped", error)
        try:
            return references.follow(whole(result.value), reference.path)
        except LookupError as wrong:
            raise _NoValue(
                "skipped",
                HeadwayError(
                    f"{name} was not called: of the result of call {result.id!r} "
                    f"({result.tool}) it needs {references.written(reference.path)}, but {wrong}"
                ),
            ) from None

    def landed(self, run: _Run, task: asyncio.Task[object]) -> None:
        """The task of *run* is done."""
        if task.cancelled():
            self._end(run, None, self._why_stopped(run), was_cancelled=True)
        elif (error := task.exception()) is None:
            value = task.result()
            if isinstance(value, Stream):
                self._follow(run, value)
            else:
                self._end(run, value, None)
        elif isinstance(error, Exception):
            self._end(run, None, error)
        else:
            self.fatal = error
            self._end(run, None, _ended_by(run.request, error))
            self.stop("cancelled")
        self._start_ready()
        self._wake()

    def _follow(self, run: _Run, stream: Stream[object]) -> None:
        run.stream = stream
        if not stream.recording.ended:
            self._announce(run, stream)
        stream.recording.when_done(run.stream_ended)

    def _announce(self, run: _Run, stream: Stream[object]) -> None:
        """Pass a stream on as it comes, to everyone who asked for it."""
        if self._on_result is None:
            return
        seconds = clock.monotonic() - run.began
        for place in (run.place, *self._sharing.get(run.place, ())):
            source: Source = run.request.source if place == run.place else "joined"
            result = self._result(place, "done", stream.again(), None, seconds, source)
            self._tell(place, result)
            self._told.add(place)

    def stream_ended(self, run: _Run, error: BaseException | None) -> None:
        """The stream of *run* has come to its end."""
        if self._runs.get(run.place) is not run:  # the batch was stopped before
            return
        if error is None:
            self._end(run, run.stream, None)
        else:
            failed = error if isinstance(error, Exception) else _ended_by(run.request, error)
            self._end(run, None, failed)
        if not self._loop.is_closed():
            self._start_ready()
            self._wake()

    def _end(
        self, run: _Run, value: object, error: Exception | None, *, was_cancelled: bool = False
    ) -> None:
        del self._runs[run.place]
        self.ended = clock.monotonic()
        seconds = self.ended - run.began
        self.busy_s += seconds
        request = run.request
        if error is None:
            status: Status = "done"
            if request.source == "ran":
                self.taken.setdefault(run.request.operation, []).append(seconds)
        elif isinstance(error, TimeoutError):
            status = "timed out"
        elif was_cancelled or isinstance(error, CallCancelled):
            status = "cancelled"
        else:
            status = "failed"
        self._settle(
            run.place, self._result(run.place, status, value, error, seconds, request.source)
        )

    def _why_stopped(self, run: _Run) -> Exception:
        """Why a call ended without a word of its own."""
        name = run.request.operation.name
        if self.stopped is None:
            return CallCancelled(name)
        if self.stopped == "timed out":
            return CallTimedOut(name, self._timeout_s or 0.0)
        return HeadwayError(f"{name}: cancelled with the batch it was in")

    def _why_never_started(self, place: int) -> Exception:
        name = self._asked[place].call.name
        if self.stopped == "timed out":
            return HeadwayError(
                f"{name} was not called: the time of its batch, {self._timeout_s:g} s, was over"
            )
        return HeadwayError(f"{name} was not called: the batch was cancelled before its turn")

    def _settle_unstarted(self, place: int, status: Status, error: Exception) -> None:
        self._settle(place, self._result(place, status, None, error, 0.0, None))

    def _result(
        self,
        place: int,
        status: Status,
        value: object,
        error: Exception | None,
        seconds: float,
        source: Source | None,
    ) -> CallResult:
        call = self._asked[place].call
        return CallResult(call.id, call.name, status, value, error, seconds, source, call.custom)

    def _settle(self, place: int, result: CallResult) -> None:
        self.results[place] = result
        self._unsettled -= 1
        if self._on_result is not None:
            self._tell(place, result)
        self._frontier.settle(place)
        for other in self._sharing.get(place, ()):
            self._share(other, result)

    def _share(self, place: int, result: CallResult) -> None:
        """Give the call at *place* the result of the run that it shares."""
        source: Source | None = None if result.source is None else "joined"
        shared = self._result(
            place, result.status, _own(result.value), result.error, result.seconds, source
        )
        if events.listeners and source is not None:
            asked = self._asked[place]
            value_of = partial(self._value_of, asked.call.name)
            _let_watch(asked.request or asked.filled(value_of), result)
        self.results[place] = shared
        self._unsettled -= 1
        if self._on_result is not None:
            self._tell(place, shared)

    def _tell(self, place: int, result: CallResult) -> None:
        if self._on_result is None or place in self._told:
            return
        try:
            self._on_result(result)
        except Exception:  # the calls, and whoever waits for them, have nothing to do with it
            log.exception("on_result failed on the result of call %s", result.id)

    def _wake(self) -> None:
        if self._change is not None and self.is_over and not self._change.done():
            self._change.set_result(None)


class _NoValue(Exception):
    """A reference leads to nothing."""

    def __init__(self, status: Status, error: Exception) -> None:
        self.status, self.error = status, error


_WHAT_BECAME: dict[Status, str] = {
    "failed": "failed",
    "timed out": "timed out",
    "cancelled": "was cancelled",
    "skipped": "was not made",
}


def _sharing(plan: Plan) -> dict[int, list[int]]:
    """For every call whose run is shared, those that share it."""
    sharing: dict[int, list[int]] = {}
    for place, first in enumerate(plan.same_as):
        if first is not None:
            sharing.setdefault(first, []).append(place)
    return sharing


def _own(value: object) -> object:
    """*value* for one more who has it: each may close its handle of a stream."""
    return value.again() if isinstance(value, Stream) else value


def _ended_by(request: Call, error: BaseException) -> Exception:
    ended = HeadwayError(f"{request.operation.name}: ended by {type(error).__name__}")
    ended.__cause__ = error
    return ended


def _let_watch(request: Call, result: CallResult) -> None:
    """Let listeners know of a call that was answered by the run of another."""

    async def answer(call: Call) -> Any:
        call.source = "joined"
        if result.error is not None:
            raise result.error
        return None

    watching: Coroutine[Any, Any, Any] = _watch.around(request, answer)
    try:
        watching.send(None)
    except (StopIteration, Exception):
        pass


_watch = Watch()
