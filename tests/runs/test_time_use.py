from headway.events import CallEnded
from headway.runs import Receipt
from headway.runs.time_use import TimeUse
from tests.runs.by_hand import call, near, whole_run


def use_of(*calls: CallEnded, seconds: float = 20) -> TimeUse:
    return Receipt.from_events(whole_run(*calls, seconds=seconds)).time


def parts(time: TimeUse) -> tuple[float, float, float, float | None]:
    return (time.model_s, time.tools_s, time.model_and_tools_s, time.own_s)


def test_models_and_tools_in_turn() -> None:
    time = use_of(
        call("think", 1, 5, kind="model"),
        call("fetch", 5, 7),
        call("think", 7, 8, kind="model"),
        call("write", 8, 12, kind="section"),
    )
    assert parts(time) == (near(5), near(2), 0, near(13))


def test_what_overlaps_is_counted_once_of_each_kind() -> None:
    time = use_of(
        call("think", 0, 6, kind="model"),
        call("think", 2, 8, kind="model"),
        call("fetch", 4, 10),
        call("fetch", 5, 7),
    )
    assert parts(time) == (near(8), near(6), near(4), near(10))
    assert time.own_s is not None
    assert near(20) == time.model_s + time.tools_s - time.model_and_tools_s + time.own_s


def test_a_step_around_them_is_neither() -> None:
    time = use_of(
        call("analyse", 0, 10, kind="step", call="s"),
        call("think", 1, 4, kind="model", parent="s"),
        call("fetch", 6, 8, parent="s"),
    )
    assert parts(time) == (near(3), near(2), 0, near(15))


def test_a_tool_that_asks_a_model_is_model_time_for_so_long() -> None:
    time = use_of(
        call("ask_colleague", 0, 10, call="t"),
        call("answer", 1, 8, kind="step", call="s", parent="t"),
        call("think", 2, 6, kind="model", call="m", parent="s"),
        call("look_up", 3, 4, parent="m"),
    )
    assert parts(time) == (near(3), near(7), 0, near(10))


def test_what_else_runs_inside_a_tool_is_the_tools_time() -> None:
    time = use_of(
        call("fetch", 0, 10, call="t"),
        call("http GET example.org", 1, 9, kind="http", parent="t"),
        call("fetch_part", 2, 3, call="p", parent="t"),
        call("select", 2, 3, kind="query", parent="p"),
    )
    assert parts(time) == (0, near(10), 0, near(10))


def test_a_model_around_a_model_is_counted_once() -> None:
    time = use_of(
        call("ask", 0, 10, kind="model", call="outer"),
        call("exchange", 2, 9, kind="model", call="inner", parent="outer"),
        call("tool", 3, 5, parent="inner"),
    )
    assert parts(time) == (near(8), near(2), 0, near(10))


def test_who_waits_for_anothers_tool_waits_for_a_tool() -> None:
    time = use_of(call("fetch", 0, 4), call("fetch", 1, 4, "joined"))
    assert parts(time) == (0, near(4), 0, near(16))


def test_of_a_run_of_which_nothing_is_known_neither_is_this() -> None:
    assert parts(Receipt.from_events([]).time) == (0, 0, 0, None)
