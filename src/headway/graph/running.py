"""One run of a graph: tasks that start as needs settle, and what came of each step."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from .. import clock, events
from ..call import Call, Operation
from ..errors import CallCancelled, StepFailed
from ..scope import current, scope
from ..stream import Stream
from .plan import Plan, next_ready
from .result import GraphResult, for_reader

log = logging.getLogger("headway.graph")

Outcome = Literal["done", "failed", "gap", "skipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step as declared; ``parameters`` says of each whether it has a default."""

    name: str
    operation: Operation
    parameters: Mapping[str, bool]
    needed: bool
    about_s: float | None
    agent: str | None

    async def enter(self, call: Call) -> object:
        """The answer to *call*, asked in the name of the step's agent."""
        with scope(agent=self.agent):
            answer: object = await self.operation.enter(call)
            return answer


class Running:
    """The tasks of one run and the outcome of every step; nothing of it is kept on the graph."""

    def __init__(
        self,
        graph: str,
        steps: Mapping[str, Step],
        plan: Plan,
        inputs: Mapping[str, object],
        *,
        known_s: Mapping[str, float],
        at_once: int | None,
        remember: Callable[[str, float], None],
    ) -> None:
        self.graph, self._steps, self.plan, self._inputs = graph, steps, plan, inputs
        self._known_s, self._at_once, self._remember = known_s, at_once, remember
        self.outcomes: dict[str, Outcome] = {}
        self.values: dict[str, object] = {}
        self.gaps: dict[str, Exception] = {}
        self.failures: dict[str, Exception] = {}
        self.skipped: dict[str, str] = {}
        self.step_seconds: dict[str, float] = {}
        self.finished: deque[str] = deque()
        self.fatal: BaseException | None = None
        self.is_stopping = False
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._changed = asyncio.Event()
        self._began = self._ended = clock.monotonic()

    def start(self) -> None:
        """Start what needs nothing; the rest follows by itself."""
        self.loop = asyncio.get_running_loop()
        self._run_id = current.get().run
        self._began = self._ended = clock.monotonic()
        if events.listeners:
            events.emit(
                events.GraphPlanned(
                    at=clock.now(),
                    run=self._run_id,
                    graph=self.graph,
                    needs={step: list(needs) for step, needs in self.plan.needs.items()},
                    expected_s=dict(self._known_s),
                )
            )
        self._start_ready()

    @property
    def is_over(self) -> bool:
        """Every step has its outcome, and no task is left."""
        return not self._tasks and len(self.outcomes) == len(self._steps)

    async def change(self) -> None:
        """Return when something has settled."""
        self._changed.clear()
        await self._changed.wait()

    def so_far(self) -> GraphResult:
        """What has finished by now."""
        ended = self._ended if self.is_over else clock.monotonic()
        values = {
            step: for_reader(self.values[step]) for step in self._steps if step in self.values
        }
        return GraphResult(values, dict(self.gaps), ended - self._began, dict(self.step_seconds))

    def step_failed(self) -> StepFailed:
        """The error that tells of the needed steps that failed."""
        failed = ", ".join(f"{step} ({error!r})" for step, error in self.failures.items())
        skipped = ", ".join(f"{step} (needs {cause})" for step, cause in self.skipped.items())
        message = f"{self.graph}: needed steps failed: {failed}"
        if skipped:
            message += f"; skipped: {skipped}"
        return StepFailed(message, dict(self.failures), dict(self.skipped), self.so_far())

    def stop(self) -> None:
        """Start nothing more and cancel what runs; asked again, cancel again."""
        self.is_stopping = True
        for name in self._steps:
            if name not in self.outcomes and name not in self._tasks:
                self._settle(name, "cancelled")
        for task in self._tasks.values():
            task.cancel()

    async def drain(self) -> None:
        """Return when no step is running and the streams nobody else holds have stopped."""
        while self._tasks:
            await self.change()
        for value in self.values.values():
            if isinstance(value, Stream):
                await value.aclose()

    def _start_ready(self) -> None:
        ready = next_ready(
            self.plan,
            settled=self.outcomes.keys(),
            running=self._tasks.keys(),
            at_once=self._at_once,
        )
        for name in ready:
            self._start(self._steps[name])

    def _start(self, step: Step) -> None:
        given = {**self._inputs, **self.values}
        arguments = {name: for_reader(given[name]) for name in step.parameters if name in given}
        call = Call(step.operation, (), arguments)
        # A step started by the end of another still runs in the context of who began the run: a
        # callback is called in the context it was added in.
        task = self.loop.create_task(step.enter(call), name=step.operation.name)
        self._tasks[step.name] = task
        task.add_done_callback(partial(self._landed, step, call, clock.monotonic()))

    def _landed(self, step: Step, call: Call, began: float, task: asyncio.Task[object]) -> None:
        del self._tasks[step.name]
        self._ended = clock.monotonic()
        seconds = self._ended - began
        if task.cancelled() and self.is_stopping:
            self._settle(step.name, "cancelled", seconds)
        elif task.cancelled():
            self._failed(step, CallCancelled(step.operation.name), seconds)
        elif (error := task.exception()) is None:
            self._done(step, call, task.result(), seconds)
        elif isinstance(error, Exception):
            self._failed(step, error, seconds)
        else:
            self.fatal = error
            self._settle(step.name, "failed", seconds, type(error).__name__)
            self.stop()
        self._start_ready()
        self._changed.set()

    def _done(self, step: Step, call: Call, value: object, seconds: float) -> None:
        self.values[step.name] = value
        if call.source == "ran":
            self.step_seconds[step.name] = seconds
            self._remember(step.name, seconds)
        self.finished.append(step.name)
        self._settle(step.name, "done", seconds)

    def _failed(self, step: Step, error: Exception, seconds: float) -> None:
        if not step.needed:
            self.gaps[step.name], self.values[step.name] = error, None
            self.finished.append(step.name)
            self._settle(step.name, "gap", seconds, type(error).__name__)
            return
        self.failures[step.name] = error
        self._settle(step.name, "failed", seconds, type(error).__name__)
        for name in self.plan.downstream(step.name):
            if name not in self.outcomes:
                self.skipped[name] = step.name
                self._settle(name, "skipped", detail=step.name)

    def _settle(
        self, name: str, outcome: Outcome, seconds: float | None = None, detail: str | None = None
    ) -> None:
        self.outcomes[name] = outcome
        log.debug("%s.%s: %s", self.graph, name, outcome)
        if events.listeners:
            events.emit(
                events.StepSettled(
                    at=clock.now(),
                    run=self._run_id,
                    graph=self.graph,
                    step=name,
                    outcome=outcome,
                    seconds=seconds,
                    detail=detail,
                )
            )
