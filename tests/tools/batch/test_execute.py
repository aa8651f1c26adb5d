"""Batches that go well: order, shared runs, limits, figures, sessions, streams."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from headway import Cache, clock, off, operation
from headway.events import BatchEnded, CallEnded, Event, listen
from headway.stream import Stream
from headway.testing import FakeClock
from headway.tools import session, tool
from headway.tools.batch import ToolBatch, execute_batch
from headway.tools.outcome import BatchOutcome, CallResult, ToolCall

log: list[object] = []


@pytest.fixture(autouse=True)
def fake() -> Iterator[FakeClock]:
    log.clear()
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@tool(reads=["item:{at}"], name="look")
async def look(at: str, seconds: float = 1) -> dict[str, str]:
    log.append(f"look {at}")
    await clock.sleep(seconds)
    return {"at": at, "next": f"{at}+"}


@tool(writes=["item:{at}"], name="put")
async def put(at: str, value: int = 0) -> int:
    log.append(f"put {at}={value}")
    await clock.sleep(1)
    return value


@tool(name="shell")
async def shell(line: str) -> str:
    log.append(line)
    await clock.sleep(1)
    return line


TOOLS = [look, put, shell]


def calls(*asked: tuple[str, dict[str, object]]) -> list[ToolCall]:
    return [ToolCall(f"c{n}", name, arguments) for n, (name, arguments) in enumerate(asked, 1)]


async def ended(batch: ToolBatch, fake: FakeClock, seconds: float = 100) -> BatchOutcome:
    run = asyncio.create_task(batch.run())
    await fake.advance(seconds)
    assert run.done()
    return run.result()


async def test_reads_side_by_side_results_in_order(fake: FakeClock) -> None:
    seconds = {"a": 3, "b": 1, "c": 2}
    told: list[str] = []
    batch = ToolBatch(
        calls(*[("look", {"at": at, "seconds": s}) for at, s in seconds.items()]),
        tools=TOOLS,
        on_result=lambda result: told.append(result.id),
    )
    outcome = await ended(batch, fake)
    assert [result.value for result in outcome.results] == [
        {"at": at, "next": f"{at}+"} for at in seconds
    ]
    assert told == ["c2", "c3", "c1"]
    assert (outcome.size, outcome.peak, outcome.seconds) == (3, 3, 3)
    assert outcome.mean_concurrency == outcome.speed_up == 2
    assert outcome["c2"].seconds == 1
    assert outcome["c2"].source == "ran"


async def test_a_write_stands_where_it_was_put(fake: FakeClock) -> None:
    batch = ToolBatch(
        calls(
            ("look", {"at": "a"}),
            ("put", {"at": "a", "value": 1}),
            ("look", {"at": "a"}),
            ("look", {"at": "b"}),
        ),
        tools=TOOLS,
    )
    outcome = await ended(batch, fake)
    assert log == ["look a", "look b", "put a=1", "look a"]
    assert outcome.seconds == 3


async def test_equal_calls_run_once(fake: FakeClock) -> None:
    asked = [("look", {"at": "a"})] * 3 + [("shell", {"line": "ls"})] * 3
    seen: list[Event] = []
    with listen(seen.append):
        outcome = await ended(ToolBatch(calls(*asked), tools=TOOLS), fake)
    assert log == ["look a", "ls"]
    assert [result.source for result in outcome.results] == ["ran", "joined", "joined"] * 2
    assert [result.seconds for result in outcome.results] == [1] * 6
    assert (outcome.mean_concurrency, outcome.speed_up) == (1, 3)
    sources = [event.source for event in seen if isinstance(event, CallEnded)]
    assert sorted(sources) == ["joined"] * 4 + ["ran"] * 2
    (event,) = [event for event in seen if isinstance(event, BatchEnded)]
    assert (event.size, event.shared, event.failed, event.peak) == (6, 4, 0, 1)
    assert (event.speed_up, event.seconds, event.stopped) == (3, 2, None)


async def test_listeners_hear_of_a_shared_run_that_waited_for_a_value(fake: FakeClock) -> None:
    asked = calls(("look", {"at": "a"}), *[("look", {"at": "${c1.next}"})] * 2)
    seen: list[Event] = []
    with listen(seen.append):
        await ended(ToolBatch(asked, tools=TOOLS), fake)
    of_calls = [event for event in seen if isinstance(event, CallEnded)]
    assert [event.source for event in of_calls] == ["ran", "ran", "joined"]
    assert of_calls[1].key == of_calls[2].key


async def test_every_call_runs_if_it_shall(fake: FakeClock) -> None:
    asked = [("shell", {"line": "ls"})] * 2 + [("put", {"at": "a"})] * 2
    await ended(ToolBatch(calls(*asked), tools=TOOLS, share_writes=False), fake)
    assert log == ["ls", "ls", "put a=0", "put a=0"]
    log.clear()
    await ended(ToolBatch(calls(*asked), tools=TOOLS, always_run=["put"]), fake)
    assert log == ["ls", "put a=0", "put a=0"]


async def test_a_session_answers_what_it_knows_unless_it_is_skipped(fake: FakeClock) -> None:
    asked = calls(("look", {"at": "a"}), ("look", {"at": "a"}))
    with session():
        await ended(ToolBatch(asked, tools=TOOLS), fake)
        again = await ended(ToolBatch(asked, tools=TOOLS), fake)
        assert [result.source for result in again.results] == ["hit", "joined"]
        assert log == ["look a"]
        fresh = await ended(ToolBatch(asked, tools=TOOLS, skip_cache=True), fake)
        assert [result.source for result in fresh.results] == ["ran", "ran"]
        assert log == ["look a"] * 3
        await ended(ToolBatch(calls(("put", {"at": "a"})), tools=TOOLS, skip_cache=True), fake)
        await ended(ToolBatch(asked, tools=TOOLS), fake)
        assert log[3:] == ["put a=0", "look a"]


async def test_skipping_the_cache_of_a_plain_operation(fake: FakeClock) -> None:
    @operation(Cache("5m"), kind="tool")
    async def number() -> int:
        log.append("number")
        return len(log)

    number.effects = lambda: look.effects("n")  # type: ignore[attr-defined]
    for skip, expected in ((False, 1), (False, 1), (True, 2)):
        batch = ToolBatch([ToolCall("n", number)], skip_cache=skip)
        assert (await ended(batch, fake))["n"].value == expected


async def test_nothing_is_shared_while_headway_is_off(fake: FakeClock) -> None:
    asked = calls(*[("look", {"at": "a"})] * 2, *[("put", {"at": "a"})] * 2)
    with off():
        outcome = await ended(ToolBatch(asked, tools=TOOLS), fake)
    assert log == ["look a"] * 2 + ["put a=0"] * 2
    assert outcome.seconds == 3


async def test_references(fake: FakeClock) -> None:
    batch = ToolBatch(
        [
            ToolCall("first", "look", {"at": "a"}),
            ToolCall("second", "look", {"at": "$1.next"}),
            ToolCall("third", "look", '{"at": "<${second.at}|${1.at}>"}'),
            ToolCall("plain", "look", {"at": "$1.next"}, literal=True),
        ],
        tools=TOOLS,
    )
    outcome = await ended(batch, fake)
    assert log == ["look a", "look $1.next", "look a+", "look <a+|a>"]
    assert outcome.seconds == 3


async def test_a_write_whose_place_is_not_known_yet_waits_for_all_it_may_touch(
    fake: FakeClock,
) -> None:
    batch = ToolBatch(
        calls(
            ("look", {"at": "x", "seconds": 3}),
            ("look", {"at": "a", "seconds": 1}),
            ("put", {"at": "${c2.at}"}),
            ("look", {"at": "y"}),
        ),
        tools=TOOLS,
    )
    assert batch.plan.needs == [(), (), (0, 1), (2,)]
    await ended(batch, fake)
    assert log == ["look x", "look a", "put a=0", "look y"]


async def test_effects_that_look_at_a_missing_value_are_unknown(
    fake: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    @tool(reads=lambda at: [f"item:{at.lower()}"])
    async def find(at: str) -> str:
        return at

    batch = ToolBatch(
        [*calls(("look", {"at": "a"})), ToolCall("f", find, {"at": "${c1.at}"})], tools=TOOLS
    )
    assert batch.plan.needs == [(), (0,)]
    assert (await ended(batch, fake))["f"].value == "a"
    assert caplog.records == []


async def test_the_longest_chain_goes_first(fake: FakeClock) -> None:
    asked = calls(("look", {"at": "a"}), ("look", {"at": "b"}), ("look", {"at": "${c2.next}"}))
    outcome = await ended(ToolBatch(asked, tools=TOOLS, max_concurrency=1), fake)
    assert log == ["look b", "look a", "look b+"]
    assert outcome.peak == 1


async def test_durations_are_learnt(fake: FakeClock) -> None:
    @tool(reads=["quick"])
    async def quick(n: int) -> None:
        log.append(f"quick {n}")
        await clock.sleep(1)

    @tool(reads=["slow"])
    async def slow(n: int) -> None:
        log.append(f"slow {n}")
        await clock.sleep(5)

    def batch(n: int) -> ToolBatch:
        two = [ToolCall("q", quick, {"n": n}), ToolCall("s", slow, {"n": n})]
        return ToolBatch(two, max_concurrency=1)

    await ended(batch(1), fake)
    await ended(batch(2), fake)
    assert log == ["quick 1", "slow 1", "slow 2", "quick 2"]


async def test_plain_functions_methods_and_callables(fake: FakeClock) -> None:
    class Shelf:
        @operation(kind="tool")
        async def take(self, n: int) -> tuple[str, int]:
            return "taken", n

        async def __call__(self, n: int) -> int:
            return n + 1

    def on_a_thread(n: int) -> str:
        return threading.current_thread().name

    shelf = Shelf()
    outcome = await execute_batch(
        [
            ToolCall("m", shelf.take, {"n": 1}),
            ToolCall("o", shelf, {"n": 1}),
            ToolCall("t", "on_a_thread", {"n": 1}),
            ToolCall("l", lambda n: -n, {"n": 1}),
            ToolCall("l2", lambda n: n * 2, {"n": 1}),
        ],
        tools={"on_a_thread": on_a_thread},
    )
    values = [result.value for result in outcome.results]
    assert values[:2] == [("taken", 1), 2]
    assert str(values[2]).startswith("headway")
    assert values[3:] == [-1, 2]
    assert outcome.results[1].tool == "Shelf"


async def test_a_tool_is_known_by_its_short_and_its_full_name(fake: FakeClock) -> None:
    @tool(reads=[])
    async def short() -> int:
        return 1

    asked = [ToolCall("a", "short"), ToolCall("b", short.operation.name)]
    outcome = await execute_batch(asked, tools=[short])
    assert [result.value for result in outcome.results] == [1, 1]


async def test_an_empty_batch() -> None:
    outcome = await execute_batch([], timeout=1)
    assert outcome == BatchOutcome([], 0, 0, 0, 0, 0)


@tool(reads=["lines"], name="lines")
async def lines(count: int, breaks: bool = False) -> AsyncIterator[str]:
    for number in range(count):
        await clock.sleep(1)
        yield f"{number};"
    if breaks:
        raise ConnectionError("gone")


async def test_a_stream_is_passed_on_as_it_comes(fake: FakeClock) -> None:
    heard: list[tuple[float, object]] = []
    tasks = set[asyncio.Task[None]]()

    async def hear(stream: Stream[str]) -> None:
        async for chunk in stream:
            heard.append((clock.monotonic(), chunk))

    def pass_on(result: CallResult) -> None:
        if isinstance(result.value, Stream):
            tasks.add(asyncio.create_task(hear(result.value)))

    batch = ToolBatch(
        [
            ToolCall("s", lines, {"count": 3}),
            ToolCall("t", lines, {"count": 3}),
            ToolCall("w", tool(writes=["lines"])(shell.__wrapped__), {"line": "rm"}),  # type: ignore[attr-defined]
            ToolCall("r", "look", {"at": "${s}"}),
        ],
        tools=TOOLS,
        on_result=pass_on,
    )
    outcome = await ended(batch, fake)
    assert heard == [(1, "0;"), (1, "0;"), (2, "1;"), (2, "1;"), (3, "2;"), (3, "2;")]
    assert sorted(map(str, log)) == ["look 0;1;2;", "rm"]
    assert outcome["s"].seconds == 3
    value = outcome["t"].value
    assert isinstance(value, Stream)
    assert await value.collect() == ["0;", "1;", "2;"]


async def test_a_stream_that_breaks_off_has_failed(fake: FakeClock) -> None:
    asked = [ToolCall("s", lines, {"count": 1, "breaks": True})]
    result = (await ended(ToolBatch(asked), fake))["s"]
    assert result.status == "failed"
    assert isinstance(result.error, ConnectionError)


async def test_a_batch_that_was_cut_short_says_so(fake: FakeClock) -> None:
    seen: list[Event] = []
    batch = ToolBatch(calls(("look", {"at": "a", "seconds": 9})), tools=TOOLS, timeout=2)
    with listen(seen.append):
        await ended(batch, fake)
    (event,) = [event for event in seen if isinstance(event, BatchEnded)]
    assert (event.stopped, event.failed, event.seconds) == ("timed out", 1, 2)
