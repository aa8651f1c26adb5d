"""Random graphs with random failures: one outcome each, no early start, no crowd, no task left."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from headway import clock
from headway.errors import StepFailed
from headway.events import Event, StepSettled, listen
from headway.graph import Graph, GraphResult, GraphStream, timetable
from headway.testing import FakeClock
from tests.graph.scripted import needing


@dataclass
class Case:
    """One random graph, and what was seen of it."""

    needs: dict[str, list[str]]
    needed: dict[str, bool]
    ends: dict[str, str]
    seconds: dict[str, int]
    at_once: int | None
    settled: list[StepSettled] = field(default_factory=list)
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    most_running: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, event: Event) -> None:
        if isinstance(event, StepSettled):
            self.settled.append(event)
            self.ended[event.step] = clock.monotonic()

    def outcome(self) -> dict[str, str]:
        return {event.step: event.outcome for event in self.settled}

    def graph(self) -> Graph:
        graph = Graph("random", at_once=self.at_once)
        for name in self.needs:
            graph.step(name=name, needed=self.needed[name], about=self.seconds[name])(
                self.body(name)
            )
        return graph

    def body(self, name: str) -> Callable[..., Awaitable[object]]:
        async def work(given: dict[str, object]) -> str:
            self.see_start(name, given)
            try:
                await clock.sleep(self.seconds[name])
            finally:
                self.running.remove(name)
            if self.ends[name] == "raises":
                raise LookupError(name)
            if self.ends[name] == "cancels itself":
                raise asyncio.CancelledError
            return name

        return needing(self.needs[name], work)

    def see_start(self, name: str, given: dict[str, object]) -> None:
        if name in self.started:
            self.wrong.append(f"{name} started twice")
        outcome = self.outcome()
        expected = {
            need: {"done": need, "gap": None}.get(outcome.get(need, ""), "unsettled")
            for need in self.needs[name]
        }
        if given != expected:
            self.wrong.append(f"{name} was given {given}, not {expected}")
        self.started[name] = clock.monotonic()
        self.running.add(name)
        self.most_running = max(self.most_running, len(self.running))

    def oracle(self) -> dict[str, str]:
        """The outcomes as the rules say them, by recursion over the needs."""

        def outcome(name: str) -> str:
            if any(outcome(need) in ("failed", "skipped") for need in self.needs[name]):
                return "skipped"
            if self.ends[name] == "returns":
                return "done"
            return "failed" if self.needed[name] else "gap"

        return {name: outcome(name) for name in self.needs}

    def ancestors(self, name: str) -> set[str]:
        near = set(self.needs[name])
        return near.union(*(self.ancestors(need) for need in near))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 9))
    names = [f"s{number}" for number in range(size)]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3))
        if number
        else []
        for number, name in enumerate(names)
    }
    declared = draw(st.permutations(names))
    ends = st.sampled_from(["returns", "returns", "returns", "raises", "cancels itself"])
    return Case(
        needs={name: needs[name] for name in declared},
        needed={name: draw(st.booleans()) for name in names},
        ends={name: draw(ends) for name in names},
        seconds={name: draw(st.integers(0, 4)) for name in names},
        at_once=draw(st.none() | st.integers(1, 4)),
    )


async def ran(case: Case, fake: FakeClock) -> GraphResult | StepFailed:
    run = asyncio.create_task(case.graph().run())
    await fake.advance(4 * len(case.needs) + 1)
    assert run.done()
    try:
        return await run
    except StepFailed as failed:
        return failed
    finally:
        await only_this_task()


async def only_this_task() -> None:
    assert asyncio.all_tasks() == {asyncio.current_task()}


@given(cases())
def test_every_step_ends_once_and_as_the_rules_say(case: Case) -> None:
    fake = FakeClock()
    with clock.use(fake), listen(case.note):
        answer = asyncio.run(ran(case, fake))
    expected = case.oracle()
    assert case.wrong == []
    assert len(case.settled) == len(case.needs)
    assert case.outcome() == expected
    assert case.most_running <= (case.at_once or len(case.needs))
    check_causes(case)
    check_answer(case, expected, answer)
    if case.at_once is None:
        for name, start in case.started.items():
            assert start == max((case.ended[need] for need in case.needs[name]), default=0)


def check_causes(case: Case) -> None:
    failed = [event.step for event in case.settled if event.outcome == "failed"]
    for event in case.settled:
        if event.outcome == "skipped":
            above = case.ancestors(event.step)
            assert event.detail == next(step for step in failed if step in above)


def check_answer(case: Case, expected: dict[str, str], answer: GraphResult | StepFailed) -> None:
    by_outcome = {
        outcome: {name for name in expected if expected[name] == outcome}
        for outcome in ("done", "gap", "failed", "skipped")
    }
    if isinstance(answer, StepFailed):
        assert set(answer.failures) == by_outcome["failed"] != set()
        assert set(answer.skipped) == by_outcome["skipped"]
        result = answer.results
    else:
        assert by_outcome["failed"] == by_outcome["skipped"] == set()
        result = answer
    assert isinstance(result, GraphResult)
    assert set(result.gaps) == by_outcome["gap"]
    assert dict(result) == {
        name: name if expected[name] == "done" else None
        for name in case.needs
        if expected[name] in ("done", "gap")
    }


@given(cases(), st.integers(0, 20), st.sampled_from(["cancel", "close", "break"]))
def test_no_task_is_left_when_a_run_is_given_up(case: Case, after: int, how: str) -> None:
    fake = FakeClock()
    with clock.use(fake), listen(case.note):
        started = asyncio.run(given_up(case, fake, after / 4, how))
    assert case.started.keys() == started, "something started afterwards"
    assert case.wrong == []
    assert case.running == set()
    assert sorted(event.step for event in case.settled) == sorted(case.needs)
    if how != "break":  # nobody looks at the clock between the last item and the break
        outcome = case.outcome()
        for name, expected in case.oracle().items():
            assert outcome[name] in (expected, "cancelled")


async def given_up(case: Case, fake: FakeClock, after_s: float, how: str) -> set[str]:
    stream = case.graph().stream()
    run = asyncio.create_task(read(stream, items=None if how != "break" else int(after_s)))
    await fake.advance(after_s)
    started = set(case.started)
    if how == "cancel":
        run.cancel()
    elif how == "close":
        await stream.aclose()
        await only_these_tasks(run)
    else:
        await fake.advance(100)
        started = set(case.started)
    await asyncio.wait({run})
    if not run.cancelled():
        assert isinstance(run.exception(), StepFailed | None)
    await only_this_task()
    await fake.advance(100)
    return started


async def read(stream: GraphStream, *, items: int | None) -> None:
    async with stream:
        if items == 0:
            return
        count = 0
        async for _ in stream:
            count += 1
            if count == items:
                break


async def only_these_tasks(*others: "asyncio.Task[None]") -> None:
    assert asyncio.all_tasks() <= {asyncio.current_task(), *others}


@given(cases())
def test_a_run_without_failures_keeps_the_timetable(case: Case) -> None:
    case.ends = dict.fromkeys(case.needs, "returns")
    case.seconds = {name: seconds + 1 for name, seconds in case.seconds.items()}
    fake = FakeClock()
    with clock.use(fake), listen(case.note):
        asyncio.run(ran(case, fake))
    planned = timetable(case.graph().plan(), case.at_once)
    assert case.started == {name: start for name, (start, _) in planned.items()}
