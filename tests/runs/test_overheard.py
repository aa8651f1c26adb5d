"""What a gateway saw pass, and its own process recorded too, is one call."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from headway.events import AnyEvent, CallEnded, CallStarted, Event, ModelAnswered
from headway.runs import Receipt, read_run
from headway.runs.journal import Header
from headway.runs.overheard import told_once
from tests.runs.by_hand import RUN, START, call

MODEL = "openai.chat gpt-x"


def told(overheard: Sequence[CallEnded], others: Sequence[CallEnded]) -> list[str]:
    """Which of the calls *overheard* are left."""
    return [one.call for one in told_once(overheard, others) if isinstance(one, CallEnded)]


def test_a_tool_within_the_time_of_the_conversation() -> None:
    seen = [call("get_price", 1, 3, call="o")]
    assert told(seen, [call("get_price", 1.5, 2)]) == []
    assert told(seen, [call("shop.tools.get_price", 1.5, 2)]) == []
    assert told(seen, [call("mcp.get_price", 1.5, 2, "hit")]) == []
    assert told(seen, [call("get_price", 0.5, 2)]) == ["o"]
    assert told(seen, [call("get_price", 1.5, 4)]) == ["o"]
    assert told(seen, [call("get_filing", 1.5, 2)]) == ["o"]
    assert told(seen, [call("get_price", 1.5, 2, kind="step")]) == ["o"]


def test_names_with_the_server_before_them() -> None:
    seen = [call("mcp__shop__get_price", 1, 3, call="o")]
    assert told(seen, [call("mcp.get_price", 1.5, 2)]) == []
    assert told(seen, [call("get_price", 1.5, 2)]) == ["o"]


def test_each_record_stands_for_one_call() -> None:
    seen = [call("get_price", 1, 3, call="a"), call("get_price", 1, 3, call="b")]
    assert told(seen, [call("get_price", 1.5, 2)]) == ["b"]
    assert told(seen, [call("get_price", 1.5, 2), call("get_price", 1.6, 2)]) == []


def test_a_model_call_around_the_one_that_was_seen() -> None:
    seen = [call(MODEL, 1, 2, kind="model", call="o")]
    assert told(seen, [call(MODEL, 0.9, 2.1, kind="model")]) == []
    assert told(seen, [call(MODEL, 0.9, 2.1, "hit", kind="model")]) == ["o"]
    assert told(seen, [call(MODEL, 0.9, 1.5, kind="model")]) == ["o"]
    assert told(seen, [call("openai.chat gpt-y", 0.9, 2.1, kind="model")]) == ["o"]


def test_all_that_was_told_of_such_a_call_goes_with_it() -> None:
    answered = ModelAnswered(
        at=START + 2, run=RUN, call="o", operation=MODEL, provider="p", model="m", source="ran"
    )
    seen: list[AnyEvent] = [call(MODEL, 1, 2, kind="model", call="o"), answered]
    assert told_once(seen, [call(MODEL, 0.9, 2.1, kind="model")]) == []


def write(path: Path, events: Sequence[Event], *, overheard: bool) -> Path:
    header = Header(headway_run=1, run=RUN, name="x", started_at=START, pid=1, overheard=overheard)
    path.write_bytes(msgspec.json.Encoder().encode_lines([header, *events]))
    return path


def test_a_run_of_several_processes_counts_each_call_once(tmp_path: Path) -> None:
    gateway = write(
        tmp_path / "g.jsonl",
        [
            CallStarted(at=START + 1, run=RUN, call="o", operation="get_price", kind="tool"),
            call("get_price", 1, 3, call="o"),
            call("get_filing", 3, 4),
        ],
        overheard=True,
    )
    program = write(tmp_path / "p.jsonl", [call("mcp.get_price", 1.5, 2, "hit")], overheard=False)
    receipt = read_run(gateway, program).receipt()
    assert receipt.tool_calls_made == 2
    assert receipt.tools is not None
    assert [(line.tool, line.unfinished) for line in receipt.tools.lines] == [
        ("get_filing", 0),
        ("mcp.get_price", 0),
    ]
    assert read_run(gateway).receipt().tool_calls_made == 2


def test_what_was_overheard_alone_is_not_said_to_overlap() -> None:
    events = [call("a", 0, 1), call("b", 1, 2)]
    assert Receipt.from_events(events).overlap is not None
    assert Receipt.from_events(events, overheard=True).overlap is None


def test_a_header_says_so_only_if_it_is_so() -> None:
    header = Header(headway_run=1, run=RUN, name="x", started_at=START, pid=1)
    assert b"overheard" not in msgspec.json.encode(header)


def test_attempts_of_a_call_that_was_retried_go_with_it() -> None:
    seen = [
        call(MODEL, 1, 2, kind="model", call="failed", error="status 429"),
        call(MODEL, 3, 4, kind="model", call="answered"),
    ]
    assert told(seen, [call(MODEL, 0.9, 4.1, kind="model")]) == []
    assert told(seen, [call(MODEL, 2.9, 4.1, kind="model")]) == ["failed"]


def test_a_call_whose_result_nobody_sent_on() -> None:
    """The last tool of a program: its result goes to no model."""
    began = CallStarted(at=START + 1, run=RUN, call="o", operation="report", kind="tool")
    assert told_once([began], [call("report", 1.5, 2)]) == []
    assert told_once([began], [call("report", 0.5, 2)]) == [began]
    assert told_once([began], []) == [began]
