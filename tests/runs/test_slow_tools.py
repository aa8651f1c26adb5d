"""What is told of slow tools while a run goes on: decided from events and the time alone."""

import pytest

from headway.runs.slow_tools import MOST_IDLE, SlowTools, Told
from tests.runs.by_hand import begun, call

KEY = "abcdef0123456789"


def texts(told: list[Told]) -> list[str]:
    return [each.text for each in told]


def test_a_tool_that_took_long_is_told_by_agent_and_call() -> None:
    tools = SlowTools()
    assert tools.hear(begun("ask", 0, agent="analyst", call="a"), 0) is None
    assert tools.hear(begun("get_filing", 0, agent="reader", parent="a", call="f"), 0) is None
    told = tools.hear(call("get_filing", 0, 6.2, agent="reader", parent="a", call="f"), 6.2)
    assert told == Told("warning", "tool get_filing took 6.2 s (agent analyst/reader), call f")
    told = tools.hear(call("ask", 0, 4.96, agent="analyst", call="a"), 7)
    assert told == Told("notice", "tool ask took 5.0 s (agent analyst), call a")


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0.2, None), (1.0, None), (1.01, "notice"), (5.0, "notice"), (5.01, "warning")],
)
def test_the_limits_are_to_be_passed(seconds: float, level: str | None) -> None:
    told = SlowTools().hear(call("t", 0, seconds), 9)
    assert (told.level if told else None) == level


def test_only_tools_that_ran_are_told() -> None:
    tools = SlowTools()
    for source in ("hit", "joined", "stale"):
        assert tools.hear(call("t", 0, 9, source), 9) is None
    assert tools.hear(call("chat", 0, 9, kind="model"), 9) is None
    assert tools.hear(begun("chat", 0, kind="model"), 0) is None
    assert tools.due(100) == []


def test_an_error_is_told_and_an_agent_need_not_be_named() -> None:
    told = SlowTools(0.1, 0.2).hear(call("t", 0, 0.25, error="TimeoutError", call="c"), 9)
    assert told == Told("warning", "tool t took 0.25 s, call c, TimeoutError")


def test_a_tool_that_still_runs_is_told_and_again_each_time_it_lasted_twice_as_long() -> None:
    tools = SlowTools()
    tools.hear(begun("t", 0, agent="ada", call="c"), 100.0)
    assert tools.due(104.9) == []
    assert tools.due(105.0) == [
        Told("warning", "tool t has been running for 5 s (agent ada), call c")
    ]
    assert tools.due(109.9) == []
    assert texts(tools.due(110.1)) == ["tool t has been running for 10 s (agent ada), call c"]
    assert tools.due(119) == []
    tools.hear(call("t", 0, 19.5, agent="ada", call="c"), 119.5)
    assert tools.due(1e6) == []


def test_after_a_long_silence_it_is_told_once() -> None:
    tools = SlowTools()
    tools.hear(begun("t", 0, call="c"), 0)
    assert len(tools.due(1000)) == 1
    assert tools.due(1001) == []


def test_who_waits_for_the_same_answer_is_not_told_of_until_it_is_alone() -> None:
    tools = SlowTools()
    tools.hear(begun("t", 0, call="first", key=KEY), 0)
    tools.hear(begun("t", 0, call="second", key=KEY), 0)
    tools.hear(begun("t", 0, call="other", key="x"), 0)
    assert [text[-5:] for text in texts(tools.due(5))] == ["first", "other"]
    tools.hear(call("t", 0, 6, call="first", key=KEY), 6)
    assert [text[-6:] for text in texts(tools.due(10))] == ["second", " other"]


def test_what_is_not_known_to_have_begun_may_end() -> None:
    tools = SlowTools()
    assert tools.hear(call("t", 0, 6, agent="ada", parent="unheard"), 6) is not None
    tools.hear(begun("t", 0, call="c"), 0)
    tools.forget()
    assert tools.due(100) == []
    assert tools.hear(call("t", 0, 6, call="c", key=KEY), 6) is not None


def test_names_cannot_move_the_cursor() -> None:
    told = SlowTools().hear(call("\x1b[2Jt", 0, 6, agent="a\nb", call="c"), 6)
    assert told is not None
    assert told.text == "tool ?[2Jt took 6.0 s (agent a?b), call c"


def test_calls_that_have_ended_are_forgotten() -> None:
    tools = SlowTools(1, 1e9)
    for number in range(5 * MOST_IDLE):
        tools.hear(begun("t", 0, call=str(number), key=KEY), 0)
        tools.hear(call("t", 0, 0.1, call=str(number), key=KEY), 0)
    assert len(tools._due) <= MOST_IDLE + 2
    assert not tools._under_way
    assert not tools._asking
