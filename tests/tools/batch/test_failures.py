"""Batches in which things go wrong: every call has its result, and what is finished is kept."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from headway import Timeout, clock
from headway.errors import BadSetup, CallCancelled, CallTimedOut
from headway.stream import Stream
from headway.testing import FakeClock
from headway.testing.clock import settle
from headway.tools import tool
from headway.tools.batch import ToolBatch, execute_batch
from headway.tools.outcome import BatchOutcome, ToolCall


@pytest.fixture(autouse=True)
def fake() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@tool(reads=["{n}"], name="wait")
async def wait(n: int, seconds: float = 0) -> int:
    await clock.sleep(seconds)
    return n


@tool(reads=["x"], name="fail")
async def fail(n: int = 0) -> int:
    raise LookupError("no such thing")


@tool(reads=["y"], name="cancel_itself")
async def cancel_itself() -> None:
    raise asyncio.CancelledError


TOOLS = [wait, fail, cancel_itself]


def statuses(outcome: BatchOutcome) -> list[str]:
    return [result.status for result in outcome.results]


async def test_errors_are_results() -> None:
    outcome = await execute_batch(
        [
            ToolCall("ok", "wait", {"n": 1}),
            ToolCall("raises", "fail"),
            ToolCall("cancels", "cancel_itself"),
            ToolCall("unknown", "wate", {"n": 1}),
            ToolCall("missing", "wait"),
            ToolCall("surplus", "wait", {"n": 1, "m": 2}),
            ToolCall("json", "wait", '{"n": '),
            ToolCall("list", "wait", "[1]"),
        ],
        tools=TOOLS,
    )
    assert statuses(outcome) == ["done", "failed", "cancelled", *["failed"] * 5]
    said = {result.id: str(result.error) for result in outcome.failures}
    assert said["raises"] == "no such thing"
    assert isinstance(outcome["cancels"].error, CallCancelled)
    assert said["unknown"] == "there is no tool 'wate'; there are wait, fail, cancel_itself"
    assert "wait: the arguments do not fit: " in said["missing"]
    assert "'n'" in said["missing"]
    assert "'m'" in said["surplus"]
    assert said["json"].startswith("wait: the arguments are no JSON: ")
    assert said["list"] == "wait: the arguments are no object of names and values but list"


async def test_arguments_that_nest_too_deep_are_a_failure_of_one() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    outcome = await execute_batch(
        [
            ToolCall("d", wait, {"n": deep}),
            ToolCall("t", wait, f'{{"n": {"[" * 5000}{"]" * 5000}}}'),
            ToolCall("a", wait, {"n": 1}),
        ]
    )
    assert statuses(outcome) == ["failed", "failed", "done"]
    assert str(outcome["d"].error) == "wait: the arguments nest too deep"


async def test_what_refers_to_a_failure_is_skipped_and_says_so() -> None:
    outcome = await execute_batch(
        [
            ToolCall("a", "fail"),
            ToolCall("b", "wait", {"n": "$1"}),
            ToolCall("c", "wait", {"n": "${b}"}),
            ToolCall("d", "wait", {"n": 4}),
            ToolCall("e", "wait", {"n": "${d.price}"}),
            ToolCall("f", "nothing"),
            ToolCall("g", "wait", {"n": "$6"}),
        ],
        tools=TOOLS,
    )
    assert statuses(outcome) == [
        "failed", "skipped", "skipped", "done", "skipped", "failed", "skipped",
    ]  # fmt: skip
    assert str(outcome["b"].error) == (
        "wait was not called: it needs the result of call 'a' (fail), which failed: no such thing"
    )
    assert "call 'b' (wait), which was not made: wait was not called" in str(outcome["c"].error)
    assert "of the result of call 'd' (wait) it needs .price, but it has no 'price'" in str(
        outcome["e"].error
    )
    assert "there is no tool 'nothing'" in str(outcome["g"].error)


async def test_a_failed_write_does_not_stop_what_comes_after_it() -> None:
    async def written() -> None:
        raise OSError("disk full")

    outcome = await execute_batch([ToolCall("w", written), ToolCall("r", wait, {"n": 1})])
    assert statuses(outcome) == ["failed", "done"]


async def test_a_failure_is_shared_with_the_run() -> None:
    outcome = await execute_batch([ToolCall("a", fail), ToolCall("b", fail)])
    assert outcome["a"].error is outcome["b"].error
    assert [result.source for result in outcome.results] == ["ran", "joined"]


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([ToolCall("a", wait), ToolCall("a", wait)], "two calls .* have the id 'a'"),
        ([ToolCall("a", wait, {"n": "$2"}), ToolCall("b", wait)], "comes after it"),
        ([ToolCall("a", wait, {"n": "$1"})], "refers to itself"),
        ([ToolCall("a", wait, {"n": "${z}"})], "no call of this batch"),
    ],
)
def test_what_is_refused_before_anything_starts(calls: list[ToolCall], why: str) -> None:
    with pytest.raises(BadSetup, match=why):
        ToolBatch(calls)


def test_options_that_cannot_be() -> None:
    async def later(result: object) -> None: ...

    for options in (
        {"max_concurrency": 0},
        {"timeout": 0},
        {"timeout": "soon"},
        {"on_result": later},
        {"tools": [wait, tool(name="wait")(fail.__wrapped__)]},  # type: ignore[attr-defined]
        {"tools": [5]},
        {"tools": wait},
        {"always_run": "wait"},
    ):
        with pytest.raises(BadSetup):
            ToolBatch([], **options)  # type: ignore[arg-type]


async def test_a_batch_runs_once_and_has_no_outcome_before_its_end(fake: FakeClock) -> None:
    batch = ToolBatch([ToolCall("a", wait, {"n": 1}), ToolCall("b", wait, {"n": 2, "seconds": 2})])
    with pytest.raises(BadSetup, match="has not ended"):
        _ = batch.outcome
    run = asyncio.create_task(batch.run())
    await fake.advance(1)
    assert [result.id for result in batch.results] == ["a"]
    with pytest.raises(BadSetup, match="has not ended"):
        _ = batch.outcome
    with pytest.raises(BadSetup, match="runs once"):
        await batch.run()
    await fake.advance(1)
    assert run.result() == batch.outcome


async def test_the_time_of_a_batch(fake: FakeClock) -> None:
    batch = ToolBatch(
        [
            ToolCall("quick", wait, {"n": 1, "seconds": 1}),
            ToolCall("slow", wait, {"n": 2, "seconds": 9}),
            ToolCall("next", wait, {"n": 3}),
            ToolCall("after", wait, {"n": "${slow}"}),
        ],
        timeout="5s",
    )
    run = asyncio.create_task(batch.run())
    await fake.advance(5)
    outcome = run.result()
    assert statuses(outcome) == ["done", "timed out", "done", "skipped"]
    assert outcome.seconds == 5
    error = outcome["slow"].error
    assert isinstance(error, CallTimedOut)
    assert error.seconds == 5
    assert str(outcome["after"].error) == (
        "wait was not called: the time of its batch, 5 s, was over"
    )
    assert fake.waiting == 0


async def test_the_time_of_one_call_is_its_own(fake: FakeClock) -> None:
    @tool(reads=[], policies=[Timeout(2)])
    async def slow() -> None:
        await clock.sleep(9)

    batch = ToolBatch([ToolCall("s", slow), ToolCall("w", wait, {"n": 1, "seconds": 3})])
    run = asyncio.create_task(batch.run())
    await fake.advance(3)
    assert statuses(run.result()) == ["timed out", "done"]


async def test_a_cancelled_batch_keeps_what_is_finished(fake: FakeClock) -> None:
    log: list[str] = []

    @tool(reads=[])
    async def leaves_slowly() -> None:
        try:
            await clock.sleep(100)
        finally:
            await clock.sleep(2)
            log.append("left")

    told: list[str] = []
    batch = ToolBatch(
        [
            ToolCall("done", wait, {"n": 1, "seconds": 1}),
            ToolCall("slow", leaves_slowly),
            ToolCall("late", lambda: log.append("started")),
            ToolCall("twin", leaves_slowly),
        ],
        on_result=lambda result: told.append(result.id),
    )
    run = asyncio.create_task(batch.run())
    await fake.advance(3)
    run.cancel()
    await fake.advance(1)
    assert not run.done()
    await fake.advance(1)
    assert run.cancelled()
    assert log == ["left"]
    assert statuses(batch.outcome) == ["done", "cancelled", "skipped", "skipped"]
    assert str(batch.outcome["slow"].error).endswith("cancelled with the batch it was in")
    assert str(batch.outcome["late"].error) == (
        "<lambda> was not called: the batch was cancelled before its turn"
    )
    assert sorted(told) == ["done", "late", "slow", "twin"]


async def test_who_insists_cancels_again(fake: FakeClock) -> None:
    @tool(reads=[])
    async def stubborn() -> None:
        try:
            await clock.sleep(100)
        finally:
            await clock.sleep(100)

    run = asyncio.create_task(ToolBatch([ToolCall("s", stubborn)]).run())
    await fake.advance(1)
    run.cancel()
    await fake.advance(1)
    assert not run.done()
    run.cancel()
    await settle()
    assert run.cancelled()


async def test_what_will_not_go_is_done(fake: FakeClock) -> None:
    @tool(reads=[])
    async def finishes() -> str:
        try:
            await clock.sleep(100)
        except asyncio.CancelledError:
            return "finished"
        return "late"

    batch = ToolBatch([ToolCall("f", finishes)], timeout=1)
    run = asyncio.create_task(batch.run())
    await fake.advance(1)
    assert run.result()["f"].value == "finished"


@pytest.mark.parametrize("ends_by", ["cancel", "time"])
async def test_a_stream_under_way_is_let_go(fake: FakeClock, ends_by: str) -> None:
    log: list[str] = []

    @tool(reads=[])
    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await clock.sleep(1)
        finally:
            log.append("closed")

    handles: list[Stream[int]] = []
    batch = ToolBatch(
        [ToolCall("e", endless)],
        timeout=3 if ends_by == "time" else None,
        on_result=lambda result: handles.append(result.value),  # type: ignore[arg-type]
    )
    run = asyncio.create_task(batch.run())
    await fake.advance(2.5)
    (handle,) = handles
    await handle.aclose()
    assert log == []
    if ends_by == "cancel":
        run.cancel()
    await fake.advance(1)
    assert run.done()
    assert log == ["closed"]
    assert statuses(batch.outcome) == ["cancelled" if ends_by == "cancel" else "timed out"]


async def test_what_on_result_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(result: object) -> None:
        raise ValueError("not mine")

    outcome = await execute_batch([ToolCall("a", wait, {"n": 1})], on_result=broken)
    assert statuses(outcome) == ["done"]
    assert "on_result failed on the result of call a" in caplog.text


class ProgramEnds(BaseException):
    """No error, but the end of everything."""


async def test_what_is_no_error_ends_the_batch(fake: FakeClock) -> None:
    @tool(reads=[])
    async def end() -> None:
        raise ProgramEnds

    batch = ToolBatch([ToolCall("e", end), ToolCall("w", wait, {"n": 1, "seconds": 5})])
    with pytest.raises(ProgramEnds):
        await batch.run()
    assert statuses(batch.outcome) == ["failed", "cancelled"]
