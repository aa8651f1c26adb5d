"""A run: when steps start, in which order under a limit, what is told, what is remembered."""

import asyncio
from collections.abc import Callable

import pytest

from headway import Cache, clock
from headway.events import CallEnded, Event, GraphPlanned, StepSettled
from headway.graph import Graph
from headway.scope import current, scope
from headway.testing import FakeClock
from tests.graph.scripted import needing

SECONDS = {
    **dict.fromkeys(("profile", "financials", "filings"), 10),
    "analyst1": 60,
    "analyst2": 90,
    "analyst3": 60,
    **dict.fromkeys(("fundamentals", "news"), 15),
    **dict.fromkeys(("risk", "summary", "synthesis"), 10),
}


TOOLS, ANALYSTS = ("profile", "financials", "filings"), ("analyst1", "analyst2", "analyst3")
NEEDS = {
    **dict.fromkeys(TOOLS, ()),
    **dict.fromkeys(ANALYSTS, TOOLS),
    "fundamentals": ("analyst1",),
    "news": ("analyst2",),
    "risk": ("analyst3",),
    "summary": ANALYSTS,
    "synthesis": ANALYSTS,
}


def research(starts: dict[str, float], *, at_once: int | None = None) -> Graph:
    """The scripted research of three tools, three analysts and five sections."""
    graph = Graph("research", at_once=at_once)
    for step, needs in NEEDS.items():

        async def work(given: object, step: str = step) -> None:
            starts[step] = clock.monotonic()
            await clock.sleep(SECONDS[step])

        graph.step(name=step)(needing(needs, work))
    return graph


async def test_each_step_starts_the_moment_its_needs_are_met(fake: FakeClock) -> None:
    starts: dict[str, float] = {}
    run = asyncio.create_task(research(starts).run())
    await fake.advance(200)
    result = await run
    tools = dict.fromkeys(TOOLS, 0)
    analysts = dict.fromkeys(ANALYSTS, 10)
    early = dict.fromkeys(("fundamentals", "risk"), 70)
    late = dict.fromkeys(("news", "summary", "synthesis"), 100)
    assert starts == tools | analysts | early | late
    assert result.seconds == 115
    assert result.step_seconds == SECONDS


async def test_steps_that_are_ready_together_run_together(fake: FakeClock) -> None:
    starts: dict[str, float] = {}
    graph = research(starts, at_once=2)
    graph.expect(SECONDS)
    run = asyncio.create_task(graph.run())
    await fake.advance(500)
    # 300 s of work on two lanes would be 150; risk alone needs the last 10.
    assert (await run).seconds == 160
    assert list(starts)[3] == "analyst2"


@pytest.mark.parametrize("source", ["about", "earlier", "told"])
async def test_the_longest_remaining_path_goes_first(fake: FakeClock, source: str) -> None:
    graph = Graph(at_once=1)
    started: list[str] = []
    seconds = {"short": 1, "long": 5, "root": 2, "leaf": 4}

    def about(step: str) -> int | None:
        return seconds[step] if source == "about" else None

    async def work(step: str) -> None:
        started.append(step)
        await clock.sleep(seconds[step])

    @graph.step(about=about("short"))
    async def short() -> None:
        await work("short")

    @graph.step(about=about("long"))
    async def long() -> None:
        await work("long")

    @graph.step(about=about("root"))
    async def root() -> None:
        await work("root")

    @graph.step(about=about("leaf"))
    async def leaf(root: None) -> None:
        await work("leaf")

    if source == "told":
        graph.expect(seconds)
    if source == "earlier":
        run = asyncio.create_task(graph.run())
        await fake.advance(20)
        await run
        assert started == ["root", "short", "long", "leaf"]
        started.clear()
    run = asyncio.create_task(graph.run())
    await fake.advance(20)
    await run
    assert started == ["root", "long", "leaf", "short"]


async def test_what_is_declared_beats_what_was_measured_beats_what_was_told(
    fake: FakeClock,
) -> None:
    graph = Graph()

    @graph.step(about="10s")
    async def declared() -> None:
        await clock.sleep(2)

    @graph.step
    async def measured() -> None:
        await clock.sleep(next(lengths))

    lengths = iter([3, 30, 4])
    graph.expect({"declared": "1m", "measured": "1m", "gone": "1m"})
    assert graph.plan().duration == {"declared": 10, "measured": 60}
    for _ in range(3):
        run = asyncio.create_task(graph.run())
        await fake.advance(60)
        await run
    assert graph.plan().duration == {"declared": 10, "measured": 4}  # the median


async def test_an_answer_from_a_cache_says_nothing_of_how_long_a_step_takes(
    fake: FakeClock,
) -> None:
    graph = Graph()

    @graph.step(policies=(Cache("1d"),))
    async def slow() -> None:
        await clock.sleep(30)

    for expected in ({"slow": 30}, {}):
        run = asyncio.create_task(graph.run())
        await fake.advance(60)
        assert (await run).step_seconds == expected
    assert graph.plan().duration == {"slow": 30}


async def test_one_graph_runs_many_times_at_once(fake: FakeClock) -> None:
    graph = Graph(at_once=1)

    @graph.step
    async def first(x: int) -> int:
        await clock.sleep(x)
        return x

    @graph.step
    async def second(first: int, x: int) -> tuple[int, int]:
        return first, x

    runs = [asyncio.create_task(graph.run(x=x)) for x in (3, 1, 2)]
    await fake.advance(3)
    assert [(await run)["second"] for run in runs] == [(3, 3), (1, 1), (2, 2)]


async def test_a_run_tells_its_plan_and_every_outcome(
    fake: FakeClock, seen: list[Event], outcomes: Callable[[], list[tuple[str, str]]]
) -> None:
    graph = Graph("report")

    @graph.step
    async def prices(ticker: str) -> str:
        await clock.sleep(2)
        return ticker

    @graph.step(about="5s")
    async def verdict(prices: str) -> str:
        return prices

    with scope(run="r1"):
        run = asyncio.create_task(graph.run(ticker="T"))
    await fake.advance(2)
    await run
    planned = seen[0]
    assert isinstance(planned, GraphPlanned)
    assert (planned.graph, planned.run) == ("report", "r1")
    assert planned.needs == {"prices": [], "verdict": ["prices"]}
    assert planned.expected_s == {"verdict": 5}  # of prices nothing is known
    assert outcomes() == [("prices", "done"), ("verdict", "done")]
    settled = [event for event in seen if isinstance(event, StepSettled)]
    assert [(e.graph, e.run, e.seconds, e.detail) for e in settled] == [
        ("report", "r1", 2, None),
        ("report", "r1", 0, None),
    ]


async def test_a_step_is_a_watched_operation_of_its_agent(seen: list[Event]) -> None:
    graph = Graph("report")

    @graph.step(agent="analyst")
    async def prices() -> str | None:
        return current.get().agent

    @graph.step
    async def verdict(prices: str) -> str | None:
        return current.get().agent

    with scope(agent="caller"):
        result = await graph.run()
        assert current.get().agent == "caller"
    assert dict(result) == {"prices": "analyst", "verdict": "caller"}
    ended = [event for event in seen if isinstance(event, CallEnded)]
    assert [(e.operation, e.kind, e.agent) for e in ended] == [
        ("report.prices", "step", "analyst"),
        ("report.verdict", "step", "caller"),
    ]


async def test_a_run_with_nobody_listening_emits_nothing_and_works() -> None:
    graph = Graph()

    @graph.step
    async def one() -> int:
        return 1

    assert (await graph.run())["one"] == 1


async def test_context_set_in_a_step_stays_there() -> None:
    graph = Graph()

    @graph.step
    async def setter() -> None:
        current.set(current.get().__class__(agent="stranger"))

    @graph.step
    async def reader(setter: None) -> str | None:
        return current.get().agent

    assert (await graph.run())["reader"] is None


async def test_a_graph_runs_inside_a_step_of_itself() -> None:
    graph = Graph()

    @graph.step
    async def countdown(n: int) -> int:
        return 0 if n == 0 else 1 + int(str((await graph.run(n=n - 1))["countdown"]))

    assert (await graph.run(n=3))["countdown"] == 3
