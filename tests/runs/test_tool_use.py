"""Tools in a receipt: lines by agent, nested ones too, duplicates by asker, calls by id."""

import json
import re

import msgspec
import pytest

from headway.events import BatchEnded, CallEnded, CallStarted, Event
from headway.runs import Receipt, render
from headway.runs.tool_calls import TimedTool
from headway.runs.tool_use import ToolLine, ToolUse
from tests.runs.by_hand import RUN, START, begun, call, near, whole_run

KEY = "abcdef0123456789"


def heard(*ended: CallEnded) -> list[Event]:
    """The beginnings and ends of these calls, in order of time."""
    begins: list[Event] = [
        CallStarted(
            at=end.at - end.seconds,
            run=end.run,
            call=end.call,
            operation=end.operation,
            kind=end.kind,
            key=end.key,
            agent=end.agent,
            parent=end.parent,
        )
        for end in ended
    ]
    return sorted([*begins, *ended], key=lambda event: (event.at, isinstance(event, CallEnded)))


def nested() -> list[Event]:
    """An analyst and a writer, each with a reader of its own, asked as a tool."""
    return heard(
        call("chat", 0, 40, kind="model", agent="analyst"),
        call("ask_reader", 41, 54, agent="analyst", call="a"),
        call("chat", 41.5, 44.5, kind="model", agent="reader", parent="a"),
        call("get_filing", 45, 51.2, agent="reader", parent="a", call="f", key=KEY),
        call("get_filing", 52, 53, "joined", agent="reader", parent="a", key=KEY),
        call("ask_reader", 54, 58, agent="writer", call="w"),
        call("get_filing", 55, 57, agent="reader", parent="w", key=KEY),
    )


def use_of(*events: Event, seconds: float = 60) -> ToolUse:
    tools = Receipt.from_events(whole_run(*events, seconds=seconds)).tools
    assert tools is not None
    return tools


def line(tools: ToolUse, agent: str | None, tool: str) -> ToolLine:
    (found,) = [each for each in tools.lines if (each.agent, each.tool) == (agent, tool)]
    return found


def timed(tools: ToolUse, which: str) -> TimedTool:
    (found,) = [each for each in tools.slowest if each.call == which]
    return found


def test_agents_of_one_name_are_told_apart_by_whose_they_are() -> None:
    tools = use_of(*nested())
    assert [(each.agent, each.tool) for each in tools.lines] == [
        ("analyst", "ask_reader"),
        ("analyst/reader", "get_filing"),
        ("writer", "ask_reader"),
        ("writer/reader", "get_filing"),
    ]
    mine = line(tools, "analyst/reader", "get_filing")
    assert (mine.asked, mine.ran, mine.joined) == (2, 1, 1)
    assert (mine.seconds, mine.max_s) == (near(6.2), near(6.2))
    assert mine.saved_s_estimated == near(4.1)  # the median of 6.2 s and 2 s


def test_duplicates_are_those_of_who_asked_later() -> None:
    receipt = Receipt.from_events(whole_run(*nested(), seconds=60))
    assert receipt.tools is not None
    reader = line(receipt.tools, "analyst/reader", "get_filing")
    writers = line(receipt.tools, "writer/reader", "get_filing")
    assert (reader.asked_again, reader.ran_again) == (1, 0)
    assert (writers.asked_again, writers.ran_again) == (1, 1)
    again = sum(each.asked_again for each in receipt.tools.lines)
    assert (again, receipt.duplicates_asked, receipt.duplicates_run) == (2, 2, 1)
    (found,) = receipt.top_duplicates
    assert [(asker.agent, asker.asked) for asker in found.askers] == [
        ("analyst/reader", 2),
        ("writer/reader", 1),
    ]


def test_one_who_joined_and_ended_first_was_not_first_to_ask() -> None:
    tools = use_of(
        call("get_filing", 1, 3, "joined", agent="writer", key=KEY),
        call("get_filing", 0, 3, agent="analyst", key=KEY),
    )
    assert line(tools, "writer", "get_filing").asked_again == 1
    assert line(tools, "analyst", "get_filing").asked_again == 0


def test_a_call_within_the_same_agent_is_no_nested_agent() -> None:
    tools = use_of(
        *heard(
            call("plan", 0, 9, kind="step", agent="ada", call="s"),
            call("outer", 1, 8, agent="ada", parent="s", call="o"),
            call("inner", 2, 7, agent="ada", parent="o"),
        )
    )
    assert {each.agent for each in tools.lines} == {"ada"}


def test_an_agent_is_found_through_calls_that_name_none() -> None:
    tools = use_of(
        *heard(
            call("ask", 0, 9, kind="call", agent="ada", call="s"),
            call("middle", 1, 8, kind="call", parent="s", call="m"),
            call("get", 2, 7, agent="bob", parent="m"),
            call("again", 2, 7, agent="ada", parent="m"),
        )
    )
    assert {each.agent for each in tools.lines} == {"ada/bob", "ada"}


def test_what_still_runs_is_counted_with_the_path_of_its_agent() -> None:
    tools = use_of(
        begun("ask_reader", 1, agent="analyst", call="a"),
        begun("get_filing", 2, agent="reader", parent="a"),
    )
    mine = line(tools, "analyst/reader", "get_filing")
    assert (mine.asked, mine.unfinished, mine.ran) == (1, 1, 0)
    assert tools.calls_left_out == 0


def test_the_counts_of_a_line_add_up_whatever_the_source() -> None:
    tools = use_of(
        *(call("t", 0, 1, source) for source in ("ran", "hit", "stale", "new", "joined"))
    )
    mine = line(tools, None, "t")
    assert (mine.ran, mine.hit, mine.stale, mine.joined, mine.other) == (1, 1, 1, 1, 1)
    assert mine.asked == 5


def test_each_call_has_its_time_by_its_id() -> None:
    tools = use_of(*nested())
    assert [each.call for each in tools.slowest[:2]] == ["a", "f"]
    mine = timed(tools, "f")
    assert (mine.tool, mine.agent, mine.source, mine.level) == (
        *("get_filing", "analyst/reader", "ran"),
        "warning",
    )
    assert (mine.began_s, mine.seconds) == (near(45), near(6.2))


def test_time_before_a_call_is_told_from_time_in_it() -> None:
    tools = use_of(*nested())
    # the reader was asked at 41 s, its model at work from 41.5 to 44.5 s, its tool begun at 45 s
    mine = timed(tools, "f")
    assert (mine.model_before_s, mine.neither_before_s) == (near(3), near(1))
    asked = timed(tools, "a")
    assert (asked.model_before_s, asked.neither_before_s) == (near(40), near(1))
    assert asked.own_s == near(13 - 3 - 6.2 - 1)


def test_time_before_begins_at_the_end_of_the_last_call_that_is_no_model() -> None:
    tools = use_of(
        call("chat", 0, 1, kind="model", agent="a"),
        call("first", 1, 3, agent="a"),
        call("search", 3, 4, kind="retrieval", agent="a"),
        call("chat", 4.5, 6, kind="model", agent="a"),
        call("second", 7, 8, agent="a", call="second"),
    )
    mine = timed(tools, "second")
    assert (mine.model_before_s, mine.neither_before_s) == (near(1.5), near(1.5))


@pytest.mark.parametrize(
    ("seconds", "level"), [(1.0, None), (1.001, "notice"), (5.0, "notice"), (5.001, "warning")]
)
def test_notice_and_warning_are_for_what_lasts_longer(seconds: float, level: str | None) -> None:
    (only,) = use_of(call("t", 0, seconds)).slowest
    assert only.level == level


def test_one_who_waited_for_another_is_not_slow() -> None:
    (only,) = use_of(call("t", 0, 9, "joined")).slowest
    assert only.level is None


def test_beyond_the_slowest_calls_are_counted() -> None:
    tools = use_of(*(call("t", n * 0.1, n * 0.1 + 0.05) for n in range(300)))
    assert (len(tools.slowest), tools.calls_left_out) == (200, 100)


def test_without_tools_nothing_is_said_of_them() -> None:
    receipt = Receipt.from_events(whole_run(call("chat", 0, 1, kind="model"), seconds=1))
    assert receipt.tools is None
    assert "tool" not in render(receipt).replace("tools 0 s", "")


def test_the_text_shows_slow_calls_by_id_and_as_many_as_asked() -> None:
    receipt = Receipt.from_events(whole_run(*nested(), seconds=60))
    text = render(receipt)
    (row,) = [each.split() for each in text.splitlines() if each.startswith("  f ")]
    assert " ".join(row) == "f analyst/reader get_filing ran 6.20 s ! 3.00 s 1.00 s"
    assert re.search("^  call +agent", text, re.MULTILINE)
    assert not re.search("^  call +agent", render(receipt, calls=0), re.MULTILINE)
    assert render(receipt, calls=1).count("ask_reader  ran") == 1
    for width in (80, 100, 140):
        assert max(map(len, render(receipt, width=width, calls=9).splitlines())) <= width


def test_the_text_says_where_the_time_of_each_agent_went() -> None:
    text = render(Receipt.from_events(whole_run(*nested(), seconds=60)))
    lines = [" ".join(each.split()) for each in text.splitlines()]
    assert "agents analyst model 40.0 s · tools 13.0 s · neither 1.00 s" in lines
    assert "analyst/reader model 3.00 s · tools 7.20 s · neither 2.80 s" in lines


def test_json_has_the_calls_by_id() -> None:
    receipt = Receipt.from_events(whole_run(*nested(), seconds=60))
    found = json.loads(msgspec.json.encode(receipt))["tools"]
    assert found["slowest"][1]["call"] == "f"
    assert found["slowest"][1]["model_before_s"] == near(3)
    assert found["lines"][1]["agent"] == "analyst/reader"


def test_batches_are_added_up() -> None:
    def batch(size: int, seconds: float, speed_up: float, peak: int, **more: str) -> BatchEnded:
        return BatchEnded(
            at=START,
            run=RUN,
            size=size,
            seconds=seconds,
            peak=peak,
            mean_concurrency=speed_up,
            speed_up=speed_up,
            shared=1,
            stopped=more.get("stopped"),
        )

    receipt = Receipt.from_events(
        whole_run(batch(2, 1, 2.0, 2), batch(6, 3, 4.0, 5, stopped="timed out"), seconds=9)
    )
    found = receipt.tool_batches
    assert found is not None
    assert (found.batches, found.calls, found.size_mean, found.shared) == (2, 8, 4, 2)
    assert (found.concurrency_peak, found.speed_up) == (5, near(3.5))
    told = (
        "2 of 4.0 calls on average · at once 3.5 on average, 5 at most · 3.50× as fast as in turn"
    )
    assert told in " ".join(render(receipt).split())
