"""Tools that ran in turn: told as what could have overlapped only if neither is in the way."""

from headway.events import Event, Touched
from headway.runs import Receipt, render
from headway.runs.tool_turns import InTurn, ToolTurn
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
