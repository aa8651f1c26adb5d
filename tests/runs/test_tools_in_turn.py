"""Tools that ran in turn: told as what could have overlapped only if neither is in the way."""

import asyncio
from pathlib import Path

import pytest

from headway import clock, record
from headway.events import Event, Touched
from headway.runs import Receipt, read_run, render
from headway.runs.tool_turns import InTurn, ToolTurn
from headway.testing import FakeClock
from headway.tools import ToolCall, execute_batch, session, tool
from headway.tools.resources import overlap
from tests.runs.by_hand import call, near, whole_run

NVDA, AMD, ALL = "company:NVDA", "company:AMD", "company:*"
READS = Touched.of([NVDA])
WRITES = Touched.of([], [NVDA])


def in_turn(*events: Event, seconds: float = 20) -> InTurn:
    receipt = Receipt.from_events(whole_run(*events, seconds=seconds))
    assert receipt.tools is not None
    return receipt.tools.in_turn


def only(*events: Event) -> ToolTurn:
    (turn,) = in_turn(*events).turns
    return turn


def test_reads_that_followed_each_other_could_have_overlapped() -> None:
    turn = only(
        call("a", 0, 2, agent="x", effects=READS, call="1"),
        call("b", 2, 5, agent="x", effects=READS, call="2"),
        call("a", 6, 7, agent="x", effects=READS, call="3"),
    )
    assert (turn.agent, turn.inside, turn.calls, turn.tools) == ("x", None, 3, ("a", "b"))
    assert (turn.took_s, turn.saved_s_estimated) == (near(6), near(3))
    assert turn.ids == ("1", "2", "3")


def test_undeclared_tools_are_promised_nothing() -> None:
    found = in_turn(call("a", 0, 2), call("b", 2, 5), call("a", 5, 6))
    assert (found.turns, found.exclusive) == ((), ("a", "b"))
    receipt = Receipt.from_events(whole_run(call("a", 0, 2), call("b", 2, 5), seconds=9))
    assert "must run alone, as exclusive or not declared: a, b" in render(receipt)


def test_an_undeclared_tool_between_reads_parts_them() -> None:
    found = in_turn(
        call("a", 0, 2, effects=READS),
        call("who_knows", 2, 3),
        call("a", 3, 5, effects=READS),
        call("b", 5, 6, effects=READS),
    )
    (turn,) = found.turns
    assert turn.saved_s_estimated == near(1)  # only b beside the second a
    assert found.exclusive == ("who_knows",)


def test_a_cache_before_a_tool_says_that_it_only_reads() -> None:
    turn = only(call("a", 0, 2, cached=True), call("b", 2, 5, cached=True))
    assert turn.saved_s_estimated == near(2)


def test_a_cache_says_nothing_against_a_declared_write() -> None:
    assert not in_turn(call("a", 0, 2, cached=True), call("b", 2, 5, effects=WRITES)).turns


def test_reads_and_writes_of_one_resource_keep_their_order() -> None:
    one_after_another = [
        (READS, WRITES),
        (WRITES, READS),
        (WRITES, WRITES),
        (Touched.of([ALL]), WRITES),
        (READS, Touched.of([], [ALL])),
        (READS, Touched(exclusive=True)),
    ]
    for first, second in one_after_another:
        assert not in_turn(call("a", 0, 2, effects=first), call("b", 2, 5, effects=second)).turns


def test_writes_of_different_resources_could_have_overlapped() -> None:
    turn = only(
        call("a", 0, 2, effects=WRITES),
        call("b", 2, 5, effects=Touched.of([], [AMD])),
    )
    assert turn.saved_s_estimated == near(2)


def test_a_chain_of_conflicts_beside_a_read_is_as_long_as_the_chain() -> None:
    turn = only(
        call("write", 0, 2, effects=WRITES),
        call("read", 2, 5, effects=READS),
        call("other", 5, 6, effects=Touched.of([AMD])),
    )
    assert turn.saved_s_estimated == near(1)


def test_what_a_model_asked_for_later_may_depend_on_what_came_before() -> None:
    assert not in_turn(
        call("a", 0, 2, agent="x", effects=READS),
        call("chat", 2, 3, kind="model", agent="x"),
        call("b", 3, 5, agent="x", effects=READS),
    ).turns


def test_a_model_that_still_talks_asked_for_both() -> None:
    turn = only(
        call("chat", 0, 3, kind="model", agent="x"),
        call("a", 1, 2.5, agent="x", effects=READS),
        call("b", 3, 5, agent="x", effects=READS),
    )
    assert turn.saved_s_estimated == near(1.5)


def test_the_model_of_another_agent_parts_nothing() -> None:
    assert only(
        call("a", 0, 2, agent="x", effects=READS),
        call("chat", 2, 3, kind="model", agent="y"),
        call("b", 3, 5, agent="x", effects=READS),
    )


def test_calls_of_different_agents_or_levels_are_not_compared() -> None:
    found = in_turn(
        call("a", 0, 2, agent="x", effects=READS),
        call("b", 2, 5, agent="y", effects=READS),
        call("c", 5, 9, agent="y", kind="step", call="p"),
        call("d", 5, 8, agent="y", parent="p", effects=READS),
    )
    assert found.turns == ()


def test_what_ran_side_by_side_leaves_nothing_and_hits_are_not_counted() -> None:
    assert not in_turn(
        call("a", 0, 2, effects=READS),
        call("b", 0, 2, effects=READS),
        call("a", 2, 3, "hit", effects=READS),
    ).turns


def test_the_general_estimate_knows_of_conflicts_that_were_declared() -> None:
    def saved(first: Touched, second: Touched) -> float:
        calls = (call("a", 0, 2, effects=first), call("b", 2, 5, effects=second))
        found = Receipt.from_events(whole_run(*calls, seconds=5)).overlap
        assert found is not None
        assert bool(found.chances) == bool(found.saved_s_estimated)
        return found.saved_s_estimated

    assert saved(READS, READS) == near(2)
    assert saved(READS, WRITES) == 0


def test_the_text_says_whose_and_how_much() -> None:
    calls = (
        call("shop.get_price", 0, 2, agent="x", effects=READS),
        call("shop.get_filing", 2, 5, agent="x", effects=READS),
    )
    text = render(Receipt.from_events(whole_run(*calls, seconds=5)))
    told = "tools in turn x: 2 calls (get_price, get_filing) in 5.00 s, ~2.00 s less side by side"
    assert told in " ".join(text.split())


def test_no_resource_is_written_down() -> None:
    written = str(Touched.of(["company:NVDA", "files/src/*"], ["secret"]))
    assert not {"company", "NVDA", "files", "src", "secret"} & set(
        written.replace("'", "/").split("/")
    )
    assert "NVDA" not in written
    assert ":" in written
    assert "/*" in written


@pytest.mark.parametrize("one", ["a/b", "a/./b", "a/*", "a/*.py", "*", "a/..", "a//b", "a:b/c"])
@pytest.mark.parametrize("other", ["a/b", "a/*", "b/*", "a", "a/b/c", "a:b/*", "*"])
def test_digests_lie_in_each_others_way_as_the_resources_do(one: str, other: str) -> None:
    (first,), (second,) = Touched.of([one]).reads, Touched.of([other]).reads
    assert overlap(first, second) == overlap(one, other)


@tool(reads=["company:{symbol}"], name="get_filing")
async def get_filing(symbol: str) -> str:
    await clock.sleep(2)
    return f"10-K of {symbol}"


@tool(writes=["company:{symbol}"], name="correct")
async def correct(symbol: str) -> None:
    await clock.sleep(1)


@tool(name="run_sql")
async def run_sql(symbol: str) -> None:
    await clock.sleep(1)


async def test_tools_say_what_they_touch_and_the_record_does_not_name_it(tmp_path: Path) -> None:
    fake = FakeClock()

    async def in_turn() -> None:
        await get_filing("NVDA")
        await get_filing("AMD")
        await correct("AMD")
        await run_sql("AMD")

    with clock.use(fake), record("r", folder=tmp_path) as run, session():
        work = asyncio.create_task(in_turn())
        for _ in range(6):
            await fake.advance(1)
        await work
    assert run.path is not None
    recorded = read_run(run.path).receipt()
    assert recorded.tools is not None
    found = recorded.tools.in_turn
    assert recorded.tools == run.receipt().tools
    (turn,) = found.turns
    # NVDA beside AMD; the write waits for the read of AMD, and what is undeclared for all
    assert (turn.calls, turn.took_s, turn.saved_s_estimated) == (4, near(6), near(2))
    assert found.exclusive == ("run_sql",)
    text = run.path.read_text()
    assert "effects" in text
    assert not {"NVDA", "AMD", "company"} & set(text.replace('"', " ").replace(":", " ").split())


async def test_a_batch_is_in_the_receipt(tmp_path: Path) -> None:
    fake = FakeClock()
    calls = [ToolCall(symbol, get_filing, {"symbol": symbol}) for symbol in ("NVDA", "AMD")]
    with clock.use(fake), record("r", folder=tmp_path) as run, session():
        work = asyncio.create_task(execute_batch(calls))
        await fake.advance(2)
        await work
    batches = run.receipt().tool_batches
    assert batches is not None
    assert (batches.batches, batches.calls, batches.concurrency_peak) == (1, 2, 2)
    assert batches.speed_up == near(2)
    tools = run.receipt().tools
    assert tools is not None
    assert not tools.in_turn.turns
