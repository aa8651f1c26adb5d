"""What a failing step does to the others: gaps, skips, and independents that finish."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from headway import clock
from headway.errors import CallCancelled, StepFailed
from headway.events import Event, StepSettled
from headway.graph import Graph, GraphResult
from headway.testing import FakeClock
from headway.testing.clock import settle

Outcomes = Callable[[], list[tuple[str, str]]]


class Lost(Exception):
    """What a step of these tests fails with."""


async def test_an_optional_step_leaves_a_gap(outcomes: Outcomes, seen: list[Event]) -> None:
    graph = Graph()

    @graph.step(needed=False)
    async def mood() -> str:
        raise Lost("no news")

    @graph.step
    async def verdict(mood: str | None) -> str:
        return f"mood is {mood}"

    @graph.step
    async def with_default(mood: str = "fine") -> str:
        return f"mood is {mood}"

    result = await graph.run()
    assert dict(result) == {
        "mood": None,
        "verdict": "mood is None",
        "with_default": "mood is None",
    }
    assert list(result.gaps) == ["mood"]
    assert isinstance(result.gaps["mood"], Lost)
    assert "gaps: mood" in repr(result)
    assert dict(outcomes()) == {"mood": "gap", "verdict": "done", "with_default": "done"}
    details = [(e.step, e.detail) for e in seen if isinstance(e, StepSettled)]
    assert details[0] == ("mood", "Lost")  # the kind of error, not its words


async def test_a_needed_step_skips_its_dependants_and_lets_the_others_finish(
    fake: FakeClock, seen: list[Event]
) -> None:
    graph = Graph("report")

    @graph.step
    async def prices() -> None:
        await clock.sleep(1)
        raise Lost("no prices")

    @graph.step
    async def chart(prices: None) -> None: ...

    @graph.step
    async def verdict(chart: None, news: str) -> None: ...

    @graph.step(needed=False)
    async def mood(prices: None) -> None: ...

    @graph.step
    async def news() -> str:
        await clock.sleep(5)
        return "news"

    @graph.step
    async def headline(news: str) -> str:
        await clock.sleep(5)
        return "headline"

    run = asyncio.create_task(graph.run())
    await fake.advance(1)
    skipped = [(e.step, e.detail) for e in seen if isinstance(e, StepSettled)][1:]
    assert sorted(skipped) == [("chart", "prices"), ("mood", "prices"), ("verdict", "prices")]
    assert not run.done()
    await fake.advance(9)
    with pytest.raises(StepFailed) as caught:
        await run
    failed = caught.value
    assert isinstance(failed.failures["prices"], Lost)
    assert list(failed.failures) == ["prices"]
    assert failed.skipped == dict.fromkeys(("chart", "verdict", "mood"), "prices")
    assert isinstance(failed.results, GraphResult)
    assert dict(failed.results) == {"news": "news", "headline": "headline"}
    assert failed.results.seconds == 10
    assert str(failed).startswith(
        "report: needed steps failed: prices (Lost('no prices')); "
        "skipped: chart (needs prices), mood (needs prices), verdict (needs prices)"
    )
    with pytest.raises(ExceptionGroup) as group:
        raise failed
    assert group.value.split(Lost)[0] is not None


async def test_the_first_failure_is_the_cause_of_a_skip(fake: FakeClock) -> None:
    graph = Graph()

    @graph.step
    async def late() -> None:
        await clock.sleep(2)
        raise Lost

    @graph.step
    async def early() -> None:
        await clock.sleep(1)
        raise Lost

    @graph.step
    async def both(late: None, early: None) -> None: ...

    run = asyncio.create_task(graph.run())
    await fake.advance(2)
    with pytest.raises(StepFailed) as caught:
        await run
    assert list(caught.value.failures) == ["early", "late"]
    assert caught.value.skipped == {"both": "early"}


async def test_a_skipped_optional_step_is_no_gap_for_those_who_need_it() -> None:
    graph = Graph()

    @graph.step
    async def prices() -> None:
        raise Lost

    @graph.step(needed=False)
    async def mood(prices: None) -> None: ...

    @graph.step
    async def verdict(mood: None) -> None: ...

    with pytest.raises(StepFailed) as caught:
        await graph.run()
    assert caught.value.skipped == {"mood": "prices", "verdict": "prices"}
    assert dict(caught.value.results) == {}


async def test_a_needed_step_fails_the_run_even_if_only_optional_steps_need_it() -> None:
    graph = Graph()

    @graph.step
    async def source() -> None:
        raise Lost

    @graph.step(needed=False)
    async def extra(source: None) -> None: ...

    with pytest.raises(StepFailed):
        await graph.run()


async def test_a_gap_can_be_the_reason_of_another_gap() -> None:
    graph = Graph()

    @graph.step(needed=False)
    async def source() -> list[int]:
        raise Lost

    @graph.step(needed=False)
    async def longest(source: list[int]) -> int:
        return max(source)  # does not expect None

    result = await graph.run()
    assert list(result.gaps) == ["source", "longest"]
    assert isinstance(result.gaps["longest"], TypeError)


@pytest.mark.parametrize("needed", [True, False])
async def test_a_step_that_cancels_itself_has_failed(needed: bool) -> None:
    graph = Graph("g")

    @graph.step(needed=needed)
    async def gives_up() -> None:
        raise asyncio.CancelledError

    @graph.step
    async def other() -> int:
        return 1

    if needed:
        with pytest.raises(StepFailed) as caught:
            await graph.run()
        error, results = caught.value.failures["gives_up"], caught.value.results
    else:
        result = await graph.run()
        error, results = result.gaps["gives_up"], result
    assert isinstance(error, CallCancelled)
    assert error.operation == "g.gives_up"
    assert results["other"] == 1


async def test_failures_in_plain_functions_count_the_same() -> None:
    graph = Graph()

    @graph.step(needed=False)
    def broken() -> None:
        raise Lost

    @graph.step
    def verdict(broken: None) -> str:
        return f"{broken}"

    result = await graph.run()
    assert result["verdict"] == "None"
    assert isinstance(result.gaps["broken"], Lost)


class Stop(BaseException):
    """Not for except Exception."""


async def test_what_is_no_exception_ends_the_run_at_once(
    tasks_left: Callable[[], set[object]], outcomes: Outcomes
) -> None:
    graph = Graph()
    tasks_left()

    @graph.step
    async def stops() -> None:
        raise Stop

    @graph.step
    async def endless() -> None:
        await asyncio.Event().wait()

    @graph.step
    async def never(endless: None) -> None: ...

    with pytest.raises(Stop):
        await graph.run()
    assert tasks_left() == set()
    assert dict(outcomes()) == {"stops": "failed", "endless": "cancelled", "never": "cancelled"}


async def test_what_is_no_exception_ends_a_run_that_nobody_reads(outcomes: Outcomes) -> None:
    graph = Graph()

    @graph.step
    async def stops() -> None:
        raise Stop

    @graph.step
    async def endless() -> None:
        await asyncio.Event().wait()

    async with graph.stream() as finished:
        await settle()
        assert dict(outcomes()) == {"stops": "failed", "endless": "cancelled"}
        with pytest.raises(Stop):
            await anext(finished)
        assert [item async for item in finished] == []


def test_a_keyboard_interrupt_in_a_step_comes_through() -> None:
    graph, cleaned = Graph(), []

    @graph.step
    async def interrupted() -> None:
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    @graph.step
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(graph.run())
    assert cleaned == [True]


def test_ctrl_c_lets_the_steps_clean_up() -> None:
    graph, cleaned = Graph(), []

    @graph.step
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.001)
            cleaned.append(True)

    @graph.step
    async def user() -> None:
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(graph.run())
    assert cleaned == [True]
