"""Graph: steps that name what they need as parameters; each starts the moment its needs are met."""

from __future__ import annotations

import inspect
import secrets
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from statistics import median
from typing import TypeVar, overload

from .. import clock
from ..call import Policy
from ..clock import Duration
from ..errors import BadSetup, NoKey, refuse_unless_whole
from ..policies.decorator import build
from . import inputs as given_inputs
from . import picture
from .plan import Plan
from .result import GraphResult
from .running import Running, Step
from .stream import GraphStream

F = TypeVar("F", bound=Callable[..., object])

REMEMBERED_RUNS = 9


class Graph:
    """Steps whose parameter names are the arrows: names of other steps, or inputs of ``run``.

    Steps may be declared in any order. Each runs as an operation of kind "step" in a task of its
    own and starts when the last of its needs has settled. Where ``at_once`` holds steps back, the
    one with the longest remaining path goes first. A step is expected to take what its ``about``
    says, else the median of earlier runs (of this object, or told to ``expect``), else 1 second.

    When a step fails:

    * ``needed=False``: it leaves a gap. Steps that need it are given None in its place (also where
      they have a default) and run: annotate such a parameter ``Section | None``.
    * otherwise the run fails. Every step that needs it, directly or through others, is skipped at
      once, with it as the cause, optional ones too: what is skipped is no gap, so nobody is given
      None for it. All other steps finish; then ``StepFailed`` is raised, with their results.

    Needed is what is declared, whoever depends on it: a step that serves optional steps only still
    fails the run, so declare it ``needed=False`` too. A step cancelled from inside has failed with
    ``CallCancelled``; what is raised and is no ``Exception`` ends the run at once.

    Of a run nothing is kept here but how long its steps took; one graph may run many times at once.
    """

    def __init__(self, name: str = "graph", *, at_once: int | None = None) -> None:
        if at_once is not None:
            refuse_unless_whole("Graph(at_once=...)", at_once)
        self.name, self.at_once = name, at_once
        self._steps: dict[str, Step] = {}
        self._told_s: dict[str, float] = {}
        self._measured_s: dict[str, deque[float]] = {}

    @overload
    def step(self, run: F, /) -> F: ...
    @overload
    def step(
        self,
        /,
        *,
        needed: bool = True,
        about: Duration | None = None,
        policies: Iterable[Policy] = (),
        agent: str | None = None,
        name: str | None = None,
    ) -> Callable[[F], F]: ...
    def step(
        self,
        run: Callable[..., object] | None = None,
        /,
        *,
        needed: bool = True,
        about: Duration | None = None,
        policies: Iterable[Policy] = (),
        agent: str | None = None,
        name: str | None = None,
    ) -> object:
        """Declare the decorated function as a step; the function itself stays as it is.

        An async function; a plain one, which runs on a thread (when the run is cancelled the thread
        goes on to its end, unheard); or an async generator: its value is a ``Stream``, and the step
        is done with the first chunk. A parameter with a default is an optional input.

        Args:
            needed: False lets the run go on without it if it fails.
            about: how long it takes, for the order under a limit and for ``draw``.
            policies: what stands around every call of it, such as ``Cache("15m")``.
            agent: whose step this is, in receipts.
            name: what others call it; default the function's name. A function made inside another,
                or bound to an object, shares kept answers with its like only if named here.

        Raises:
            BadSetup: no function, a name twice, a parameter that cannot be an arrow, no duration.
        """

        def declare(function: F) -> F:
            title = name if name is not None else getattr(function, "__name__", repr(function))
            self._refuse_name(title, function)
            where = f"{self.name}.{title}"
            self._steps[title] = Step(
                name=title,
                parameters=given_inputs.parameters_of(function, where),
                operation=build(
                    function,
                    tuple(policies),
                    name=where,
                    version=_identity(function) if name is None else "",
                    kind="step",
                    key=None if tuple(policies) else _no_key,
                ),
                needed=needed,
                about_s=None if about is None else _seconds(about, where),
                agent=agent,
            )
            return function

        return declare if run is None else declare(run)

    def _refuse_name(self, title: str, function: object) -> None:
        if not inspect.isroutine(function):
            raise BadSetup(
                f"{self.name}: a step is a function, not {function!r}; "
                "write @graph.step, or @graph.step(...) with named options"
            )
        if not title.isidentifier():
            raise BadSetup(
                f"{self.name}: {title!r} cannot be the name of a parameter, so nobody could need "
                "this step; name it with @graph.step(name=...)"
            )
        if title in self._steps:
            raise BadSetup(
                f"{self.name} has a step {title!r} already; name one of them with "
                "@graph.step(name=...)"
            )

    async def run(self, /, **inputs: object) -> GraphResult:
        """The value of every step by name, once all have settled.

        Cancelling it cancels the running steps, starts no other, and waits until they are gone.

        Raises:
            StepFailed: needed steps failed; raised after the others have finished. ``failures`` and
                ``skipped`` (step and cause) say why, ``results`` a ``GraphResult`` of the rest.
            BadSetup: an input is missing or unknown, or the steps need each other in a circle.
        """
        async with self.stream(**inputs) as stream:
            async for _ in stream:
                pass
            return stream.so_far

    def stream(self, /, **inputs: object) -> GraphStream:
        """Results as they finish, for ``async with`` and ``async for``; see ``GraphStream``.

        Raises:
            BadSetup: an input is missing or unknown, or the steps need each other in a circle.
        """
        plan = self.plan()
        parameters = {step.name: step.parameters for step in self._steps.values()}
        given_inputs.check(self.name, parameters, inputs.keys())
        running = Running(
            self.name,
            dict(self._steps),
            plan,
            inputs,
            known_s=self._known_s(),
            at_once=self.at_once,
            remember=self._remember,
        )
        return GraphStream(running)

    def expect(self, durations: Mapping[str, Duration]) -> None:
        """Tell how long steps took in earlier runs; a name that is no step does nothing."""
        for step, duration in durations.items():
            self._told_s[step] = _seconds(duration, f"{self.name}.expect: {step}")

    def plan(self) -> Plan:
        """What the next run will go by: who needs whom, and the expected seconds.

        Raises:
            BadSetup: the steps need each other in a circle.
        """
        needs = {
            step.name: tuple(name for name in step.parameters if name in self._steps)
            for step in self._steps.values()
        }
        try:
            return Plan(needs, self._known_s())
        except BadSetup as wrong:
            raise BadSetup(f"{self.name}: {wrong}") from None

    def draw(self) -> str:
        """A picture in plain text, 100 columns at most: start order, arrows, critical path."""
        known_s = self._known_s()
        notes = {
            step.name: picture.Notes(
                inputs=tuple(name for name in step.parameters if name not in self._steps),
                needed=step.needed,
                is_known=step.name in known_s,
            )
            for step in self._steps.values()
        }
        return picture.draw(self.name, self.plan(), notes, self.at_once)

    def _known_s(self) -> dict[str, float]:
        """Expected seconds of the steps of which anything is known."""
        known: dict[str, float] = {}
        for name, step in self._steps.items():
            if step.about_s is not None:
                known[name] = step.about_s
            elif name in self._measured_s:
                known[name] = median(self._measured_s[name])
            elif name in self._told_s:
                known[name] = self._told_s[name]
        return known

    def _remember(self, step: str, seconds: float) -> None:
        self._measured_s.setdefault(step, deque(maxlen=REMEMBERED_RUNS)).append(seconds)


def _no_key(args: tuple[object, ...], kwargs: dict[str, object]) -> Hashable:
    """A step without policies is asked once a run: no receipt is worth writing its inputs down."""
    raise NoKey("a step without policies has no key")


def _seconds(duration: Duration, where: str) -> float:
    try:
        return clock.seconds(duration)
    except ValueError as wrong:
        raise BadSetup(f"{where}: {wrong}") from None


def _identity(function: Callable[..., object]) -> str:
    """What keeps the answers of two functions apart that bear one name in two graphs."""
    place = f"{function.__module__}.{function.__qualname__}"
    # Closures of one factory and methods of two objects look alike but may answer differently.
    is_one_of_many = "<locals>" in place or inspect.ismethod(function)
    return f"{place} {secrets.token_hex(8)}" if is_one_of_many else place
