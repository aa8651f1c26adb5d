"""Batch: many calls at once where their effects allow it, in order where they do not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection, Sequence
from functools import partial

from .. import clock, events
from ..call import Operation
from ..clock import Duration
from ..errors import BadSetup, refuse_unless_whole
from ..scope import current
from . import durations
from .asked import Desk, Tools
from .outcome import BatchOutcome, CallResult, ToolCall, measured
from .plan import planned, tails
from .running import OnResult, Running


class ToolBatch:
    """A batch of calls, made by ``await batch.run()``; what has finished can be had at any time.

    Nothing starts before ``run``. If that is cancelled, or the batch's time is over, the calls that
    run are cancelled and awaited, no other starts, and ``outcome`` still has a result for every
    call. ``execute_batch`` says what the arguments mean.

    Attributes:
        calls: As they were given.
        plan: Which call waits for which, and which share a run, by place in ``calls``.
    """

    def __init__(
        self,
        calls: Sequence[ToolCall],
        *,
        tools: Tools | None = None,
        max_concurrency: int = 10,
        timeout: Duration | None = None,
        skip_cache: bool = False,
        share_writes: bool = True,
        always_run: Collection[str] = (),
        on_result: OnResult | None = None,
    ) -> None:
        refuse_unless_whole("execute_batch(max_concurrency=...)", max_concurrency)
        if on_result is not None:
            _refuse_async(on_result)
        self._timeout_s = None if timeout is None else _positive(timeout)
        self.calls = tuple(calls)
        desk = Desk(tools, skip_cache=skip_cache, share_writes=share_writes, always_run=always_run)
        self._asked = desk.read(self.calls)
        self.plan = planned([asked.ask for asked in self._asked])
        self._running = Running(
            self._asked,
            self.plan,
            at_once=max_concurrency,
            timeout_s=self._timeout_s,
            on_result=on_result,
        )
        self._began: float | None = None

    @property
    def results(self) -> list[CallResult]:
        """The results so far, in the order of the calls."""
        return [result for result in self._running.results if result is not None]

    @property
    def outcome(self) -> BatchOutcome:
        """A result for every call, and how the batch went; also after it was cancelled.

        Raises:
            BadSetup: it has not ended yet.
        """
        running = self._running
        if self._began is None or not running.is_over:
            raise BadSetup("the batch has not ended; .results has what is finished")
        seconds = running.ended - self._began
        return measured(self.results, busy_s=running.busy_s, peak=running.peak, seconds=seconds)

    async def run(self) -> BatchOutcome:
        """Make the calls; the outcome once every call has its result.

        Raises:
            BadSetup: it has been run before.
            asyncio.CancelledError: the caller was cancelled; ``outcome`` has what came of it.
        """
        if self._began is not None:
            raise BadSetup("a batch runs once; make another one")
        running = self._running
        self._began = clock.monotonic()
        running.start(tails(self.plan, self._expected_s()))
        cancelled = await self._until_over()
        for operation, seconds in running.taken.items():
            durations.remember(operation, seconds)
        outcome = self.outcome
        if events.listeners:
            self._emit(outcome)
        if running.fatal is not None:
            raise running.fatal
        if cancelled is not None:
            raise cancelled
        return outcome

    async def _until_over(self) -> asyncio.CancelledError | None:
        """Return when nothing is under way: with the cancellation, if there was one."""
        running, timer = self._running, None
        if self._timeout_s is not None and not running.is_over:
            timer = clock.call_later(self._timeout_s, partial(running.stop, "timed out"))
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                if not running.is_over:
                    await running.change()
                elif running.dropped:
                    await running.dropped.pop().aclose()
                else:
                    break
            except asyncio.CancelledError as error:
                cancelled = error
                running.stop("cancelled")
        if timer is not None:
            timer.cancel()
        return cancelled

    def _expected_s(self) -> list[float]:
        known: dict[Operation | None, float] = {None: 0.0}
        for asked in self._asked:
            operation = asked.operation
            if operation is not None and operation not in known:
                known[operation] = durations.expected_s(operation)
        return [known[asked.operation] for asked in self._asked]

    def _emit(self, outcome: BatchOutcome) -> None:
        here, results = current.get(), outcome.results
        events.emit(
            events.BatchEnded(
                at=clock.now(),
                run=here.run,
                agent=here.agent,
                size=outcome.size,
                shared=sum(first is not None for first in self.plan.same_as),
                failed=sum(result.status != "done" for result in results),
                peak=outcome.peak,
                mean_concurrency=outcome.mean_concurrency,
                speed_up=outcome.speed_up,
                seconds=outcome.seconds,
                stopped=self._running.stopped,
            )
        )


async def execute_batch(
    calls: Sequence[ToolCall],
    *,
    tools: Tools | None = None,
    max_concurrency: int = 10,
    timeout: Duration | None = None,
    skip_cache: bool = False,
    share_writes: bool = True,
    always_run: Collection[str] = (),
    on_result: OnResult | None = None,
) -> BatchOutcome:
    """One result for each of *calls*, in their order; side by side where effects allow it.

    A call waits for those it refers to (``$1.field``), and for earlier ones that write what it
    reads, or touch what it writes; a tool that declares nothing runs alone. Of what is ready, the
    longest remaining path goes first. Whatever goes wrong with a call is its result. To keep what
    has finished when the caller is cancelled, make a ``ToolBatch``.

    Args:
        calls: what to call; ids must differ.
        tools: those that calls name: a list, or a dict by name.
        max_concurrency: how many run at once.
        timeout: for all together; calls that run by then end as ``timed out``, others as
            ``skipped``. Limits and time-outs of each tool are its own policies.
        skip_cache: let every read run: kept answers are not asked for, equal reads not shared.
        share_writes: run a repeated write once and give its result to each, unless another write
            in conflict with it stands between them.
        always_run: names of tools of which every call runs, repeated or not.
        on_result: called with each result as it comes, also a shared one; with a ``Stream`` when
            its first chunk is there. What it raises is logged.

    Raises:
        BadSetup: ids that repeat, references that lead to no earlier call, options that cannot be.
        asyncio.CancelledError: the caller was cancelled: what ran was cancelled and awaited.
    """
    batch = ToolBatch(
        calls,
        tools=tools,
        max_concurrency=max_concurrency,
        timeout=timeout,
        skip_cache=skip_cache,
        share_writes=share_writes,
        always_run=always_run,
        on_result=on_result,
    )
    return await batch.run()


def _positive(timeout: Duration) -> float:
    try:
        seconds = clock.seconds(timeout)
    except ValueError as wrong:
        raise BadSetup(f"execute_batch(timeout=...): {wrong}") from None
    if seconds == 0:
        raise BadSetup("execute_batch(timeout=0) gives no call a chance; use more than 0")
    return seconds


def _refuse_async(on_result: OnResult) -> None:
    if inspect.iscoroutinefunction(on_result):
        raise BadSetup(
            "execute_batch(on_result=...) takes a plain function, which is called as results come; "
            "let it put them into an asyncio.Queue"
        )
