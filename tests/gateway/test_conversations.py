"""Tool calls and their results, read from conversations: each once, by whom, for how long."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from headway.events import CallEnded, CallStarted, Event, listen
from headway.gateway import conversations
from headway.gateway.conversations import Conversations
from headway.gateway.transcript import key_of
from headway.runs import Receipt
from headway.wire.exchange import AnswerFacts, RequestFacts, ToolCall, Usage, read_request

PRICE = ("get_price", {"symbol": "NVDA"})
FILING = ("get_filing", {"year": 2026, "symbol": "NVDA"})
Asked = tuple[str, object]


class Heard:
    """What was emitted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def began(self) -> list[CallStarted]:
        return [event for event in self.events if isinstance(event, CallStarted)]

    @property
    def ended(self) -> list[CallEnded]:
        return [event for event in self.events if isinstance(event, CallEnded)]

    def tools(self) -> dict[str | None, dict[str, int]]:
        """By agent: how often each tool was called."""
        found: dict[str | None, dict[str, int]] = {}
        for event in self.began:
            line = found.setdefault(event.agent, {})
            line[event.operation] = line.get(event.operation, 0) + 1
        return found


@pytest.fixture
def heard() -> Iterator[Heard]:
    found = Heard()
    with listen(found.events.append):
        yield found


def answer(*calls: tuple[str | None, Asked], **other: object) -> AnswerFacts:
    """An answer that asks for tools: pairs of an id and what is asked."""
    said: dict[str, Any] = {
        "is_complete": True,
        "is_error": False,
        "may_keep": True,
        "why_not": None,
        "model": "m",
        "usage": Usage(),
        "finish_reason": "tool_calls",
        "tool_calls": tuple(ToolCall(id, name, _text(given)) for id, (name, given) in calls),
        "text_size": 0,
        "first_content_at": 0,
    }
    return AnswerFacts(**{**said, **other})


def _text(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def request(path: str, **body: object) -> RequestFacts:
    return read_request("POST", path, {}, json.dumps({"model": "m", **body}).encode())


def chat(*messages: dict[str, Any], task: str = "go") -> RequestFacts:
    return request("/v1/chat/completions", messages=[{"role": "user", "content": task}, *messages])


def asks(*calls: tuple[str, Asked]) -> dict[str, Any]:
    """The model's message as the program sends it back."""
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": _text(given)}}
        for id, (name, given) in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": "42"}


def test_a_call_ends_when_its_result_comes(heard: Heard) -> None:
    talk = Conversations(run="r")
    talk.answered(answer(("c1", PRICE)), "a", 100.0)
    assert (len(heard.began), len(heard.ended)) == (1, 0)
    talk.asked(chat(asks(("c1", PRICE)), result("c1")), "a", 102.5)
    began, ended = heard.began[0], heard.ended[0]
    assert (began.at, began.run, began.operation, began.kind) == (100.0, "r", "get_price", "tool")
    assert (ended.at, ended.seconds, ended.source, ended.error) == (102.5, 2.5, "ran", None)
    assert (ended.call, ended.agent, ended.key) == (began.call, "a", began.key)
    assert began.key is not None
    assert "NVDA" not in began.key
    assert talk.unanswered == 0


def test_history_that_is_sent_again_counts_once(heard: Heard) -> None:
    talk = Conversations()
    history: list[dict[str, Any]] = []
    for turn in range(20):
        talk.answered(answer((f"c{turn}", PRICE)), "a", turn)
        history += [asks((f"c{turn}", PRICE)), result(f"c{turn}")]
        talk.asked(chat(*history), "a", turn + 0.5)
        talk.asked(chat(*history), "a", turn + 0.6)  # the SDK repeats a request
    assert heard.tools() == {"a": {"get_price": 20}}
    assert [round(event.seconds, 6) for event in heard.ended] == [0.5] * 20


def test_ids_that_repeat_every_turn_are_different_calls(heard: Heard) -> None:
    talk = Conversations()
    history: list[dict[str, Any]] = []
    for turn in range(5):
        talk.answered(answer(("call_0", PRICE)), "a", turn)
        history += [asks(("call_0", PRICE)), result("call_0")]
        talk.asked(chat(*history), "a", turn + 0.5)
    assert len(heard.ended) == 5
    assert [round(event.seconds, 6) for event in heard.ended] == [0.5] * 5


def test_one_id_of_two_agents_is_two_calls(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("call_0", PRICE)), "a", 0)
    talk.answered(answer(("call_0", PRICE)), "b", 1)
    talk.asked(chat(asks(("call_0", PRICE)), result("call_0")), "b", 5)
    assert [(event.agent, event.seconds) for event in heard.ended] == [("b", 4)]
    talk.asked(chat(asks(("call_0", PRICE)), result("call_0")), "a", 7)
    assert [(event.agent, event.seconds) for event in heard.ended] == [("b", 4), ("a", 7)]


def test_one_id_in_two_conversations_of_one_agent(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("call_0", PRICE)), "a", 0)
    talk.answered(answer(("call_0", FILING)), "a", 1)
    talk.asked(chat(asks(("call_0", FILING)), result("call_0")), "a", 5)
    assert [(event.operation, event.seconds) for event in heard.ended] == [("get_filing", 4)]


def test_a_result_may_come_from_another_agent(heard: Heard) -> None:
    """One hands over to another, or has a new prompt every turn."""
    talk = Conversations()
    talk.answered(answer(("c1", PRICE)), "a", 0)
    talk.asked(chat(asks(("c1", PRICE)), result("c1")), "b", 2)
    assert [(event.agent, event.seconds) for event in heard.ended] == [("a", 2)]


def test_another_agents_result_of_the_same_id_is_not_taken_for_it(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("call_0", PRICE)), "a", 0)
    talk.asked(chat(asks(("call_0", FILING)), result("call_0")), "b", 2)
    assert heard.ended == []


def test_equal_arguments_have_one_key_however_they_are_written(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(
        answer(
            ("1", ("f", '{"a": 1, "b": [2]}')),
            ("2", ("f", '{ "b":[2],"a":1 }')),
            ("3", ("f", '{"a": 1.0, "b": [2]}')),
            ("4", ("g", '{"a": 1, "b": [2]}')),
            ("5", ("f", "")),
            ("6", ("f", "{}")),
            ("7", ("f", "no JSON")),
            ("8", ("f", '{"a":')),
        ),
        "a",
        0,
    )
    keys = [event.key for event in heard.began]
    assert keys[0] == keys[1]
    assert keys[4] == keys[5]
    assert len(set(keys)) == 6


def test_duplicates_show_on_the_receipt_with_who_asked(heard: Heard) -> None:
    talk = Conversations(run="r")
    for at, agent in enumerate("abc"):
        id = f"call_{agent}"
        talk.answered(answer((id, PRICE)), agent, at)
        talk.asked(chat(asks((id, PRICE)), result(id)), agent, at + 0.5)
    receipt = Receipt.from_events(heard.events)
    (duplicate,) = receipt.top_duplicates
    assert (duplicate.operation, duplicate.asked, duplicate.ran) == ("get_price", 3, 3)
    assert receipt.tools is not None
    again = {line.agent: line.asked_again for line in receipt.tools.lines}
    assert again == {"a": 0, "b": 1, "c": 1}


def test_a_result_that_never_comes_is_no_error(heard: Heard) -> None:
    talk = Conversations(run="r")
    talk.answered(answer(("c1", ("final_result", {"text": "done"}))), "a", 0)
    receipt = Receipt.from_events(heard.events)
    assert receipt.tools is not None
    (line,) = receipt.tools.lines
    assert (line.tool, line.asked, line.ran, line.unfinished) == ("final_result", 1, 0, 1)
    assert (line.failed, receipt.errors) == (0, {})


def test_results_of_calls_from_before_are_passed_over(heard: Heard) -> None:
    talk = Conversations()
    talk.asked(chat(asks(("old", PRICE)), result("old")), "a", 0)
    talk.answered(answer(("new", PRICE)), "a", 1)
    history = [asks(("old", PRICE)), result("old"), asks(("new", PRICE)), result("new")]
    talk.asked(chat(*history), "a", 2)
    assert heard.tools() == {"a": {"get_price": 1}}
    assert [event.seconds for event in heard.ended] == [1]


@pytest.mark.parametrize("flaw", [{"is_error": True}, {"is_complete": False}])
def test_an_answer_that_is_not_good_asks_for_nothing(heard: Heard, flaw: dict[str, bool]) -> None:
    Conversations().answered(answer(("c1", PRICE), **flaw), "a", 0)
    assert heard.events == []


def test_a_clock_that_is_set_back_gives_no_negative_time(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", PRICE)), "a", 100)
    talk.asked(chat(asks(("c1", PRICE)), result("c1")), "a", 90)
    assert heard.ended[0].seconds == 0


def test_memory_is_bounded(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_OPEN", 10)
    monkeypatch.setattr(conversations, "MOST_TASKS", 10)
    talk = Conversations()
    for number in range(100):
        given = ("ask", {"task": f"a task of some length {number}"})
        talk.answered(answer((f"c{number}", given)), "a", number)
        talk.asked(chat(task=f"another task of some length {number}"), "b", number)
    assert talk.unanswered == 10
    assert len(talk._tasks) <= 10
    assert len(talk._roots) <= 10
    talk.asked(chat(asks(("c0", PRICE)), result("c0")), "a", 200)  # forgotten
    assert heard.ended == []
    last = ("ask", {"task": "a task of some length 99"})
    talk.asked(chat(asks(("c99", last)), result("c99")), "a", 200)
    assert [event.seconds for event in heard.ended] == [101]


# --- the wires ---------------------------------------------------------------------------------


def test_anthropic(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("t1", PRICE), ("t2", FILING)), "a", 0)
    use = [
        {"type": "text", "text": "Let me look."},
        *(
            {"type": "tool_use", "id": id, "name": name, "input": given}
            for id, (name, given) in (("t1", PRICE), ("t2", FILING))
        ),
    ]
    found = [{"type": "tool_result", "tool_use_id": id, "content": "42"} for id in ("t2", "t1")]
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": use},
        {"role": "user", "content": found},
        {"role": "assistant", "content": "{"},  # begun for the model
    ]
    talk.asked(request("/v1/messages", messages=messages), "a", 3)
    ended = [(event.operation, event.seconds) for event in heard.ended]
    assert ended == [("get_filing", 3), ("get_price", 3)]


def test_responses_with_the_whole_history(heard: Heard) -> None:
    talk = Conversations()
    items: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for turn, (name, given) in enumerate((PRICE, FILING)):
        talk.answered(answer((f"c{turn}", (name, given))), "a", turn)
        items += [
            {"type": "reasoning", "summary": []},
            {
                "type": "function_call",
                "call_id": f"c{turn}",
                "name": name,
                "arguments": _text(given),
            },
            {"type": "function_call_output", "call_id": f"c{turn}", "output": "42"},
        ]
        talk.asked(request("/v1/responses", input=items), "a", turn + 0.5)
    assert [(event.operation, event.seconds) for event in heard.ended] == [
        ("get_price", 0.5),
        ("get_filing", 0.5),
    ]


def test_responses_that_continue_an_earlier_one(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", PRICE)), "a", 0)
    output = {"type": "function_call_output", "call_id": "c1", "output": "42"}
    talk.asked(request("/v1/responses", previous_response_id="resp_1", input=[output]), "a", 2)
    assert [event.seconds for event in heard.ended] == [2]


def test_a_provider_without_ids(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer((None, PRICE)), "a", 0)
    old = {"role": "function", "name": "get_price", "content": "42"}
    talk.asked(chat({"role": "assistant", "content": "", "function_call": {}}, old), "a", 2)
    assert [event.seconds for event in heard.ended] == [2]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [7, None, {"role": "tool"}, {"role": "tool", "tool_call_id": 7}]},
        {"messages": [{"role": "assistant", "tool_calls": "x"}, {"role": "tool"}]},
        {"messages": {"role": "tool"}},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": 7, "id": []}]}]},
        {},
    ],
)
def test_nonsense_is_passed_over(heard: Heard, body: dict[str, Any]) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", PRICE)), "a", 0)
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses"):
        talk.asked(request(path, **body, input=body.get("messages")), "a", 1)
    assert heard.ended == []


# --- sub-agents --------------------------------------------------------------------------------

TASK = "Look at NVDA: its risks."
ASK = ("ask_analyst", {"analyst": "risk", "task": TASK})


def test_a_sub_agent_is_inside_the_call_that_asked_it(heard: Heard) -> None:
    talk = Conversations()
    assert talk.asked(chat(task="Is NVDA a good company?"), "lead", 0) is None
    talk.answered(answer(("c1", ASK)), "lead", 1)
    outer = heard.began[0].call
    inside = talk.asked(chat(task=TASK), "analyst", 2)
    assert inside == outer
    talk.answered(answer(("d1", PRICE)), "analyst", 3, inside)
    again = talk.asked(chat(asks(("d1", PRICE)), result("d1"), task=TASK), "analyst", 4)
    assert again == outer
    receipt_of = {event.operation: event for event in heard.ended}
    assert receipt_of["get_price"].parent == outer
    talk.asked(chat(asks(("c1", ASK)), result("c1"), task="Is NVDA a good company?"), "lead", 5)
    assert talk.asked(chat(task=TASK), "analyst", 6) is None  # that call is over
    tools = Receipt.from_events(heard.events).tools
    assert tools is not None
    assert {line.agent for line in tools.lines} == {"lead", "lead/analyst"}


def test_a_long_task_may_stand_within_a_prompt(heard: Heard) -> None:
    talk = Conversations()
    task = "Find out how much of the revenue of NVDA comes from its five largest customers."
    talk.answered(answer(("c1", ("ask", {"task": task}))), "lead", 1)
    assert talk.asked(chat(task=f"Your task:\n{task}\nBe brief."), "a", 2) == heard.began[0].call
    assert (
        talk.asked(chat(task="Your task:\nsomething else, and it is as long as the other"), "a", 2)
        is None
    )


def test_a_short_text_within_another_proves_nothing(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", ("search", {"query": "NVDA annual report"}))), "lead", 1)
    assert talk.asked(chat(task="Read the NVDA annual report of 2026"), "other", 2) is None
    talk.answered(answer(("c2", ("get", {"symbol": "NVDA"}))), "lead", 3)
    assert talk.asked(chat(task="NVDA"), "other", 4) is None


def test_a_task_that_was_there_before_proves_nothing(heard: Heard) -> None:
    """An agent searches for its own question: a second run of it is not inside of the first."""
    talk = Conversations()
    question = "Is NVDA a good company?"
    assert talk.asked(chat(task=question), "a", 0) is None
    talk.answered(answer(("c1", ("search", {"query": question}))), "a", 1)
    assert talk.asked(chat(task=question), "a", 2) is None


def test_equal_tasks_of_two_calls(heard: Heard) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", ASK), ("c2", ASK)), "lead", 1)
    first, second = (event.call for event in heard.began)
    assert talk.asked(chat(task=TASK), "analyst", 2) == first
    talk.asked(chat(asks(("c1", ASK)), result("c1")), "lead", 3)
    assert talk.asked(chat(task=TASK), "analyst", 4) == second


def test_unanswered_calls_do_not_hide_the_sub_agents_that_come_after(
    monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    monkeypatch.setattr(conversations, "MOST_TASKS", 3)
    talk = Conversations()
    for number in range(5):
        report = ("report", {"text": f"the final report of agent number {number}"})
        talk.answered(answer((f"r{number}", report)), "a", number)
    talk.answered(answer(("c1", ASK)), "lead", 6)
    assert talk.asked(chat(task=TASK), "analyst", 7) == heard.began[-1].call


def test_a_call_with_many_texts_is_remembered_by_few(heard: Heard) -> None:
    talk = Conversations()
    given = {f"text {number}": f"a text that is long enough {number}" for number in range(500)}
    talk.answered(answer(("c1", ("write", given))), "a", 1)
    assert talk.asked(chat(task=given["text 499"]), "b", 2) is None
    assert talk.asked(chat(task=given["text 0"]), "b", 3) == heard.began[-1].call


@pytest.mark.parametrize("given", ['{"a": NaN, "b": "\\ud800"}', "[" * 5000 + "]" * 5000])
def test_arguments_that_json_cannot_say(heard: Heard, given: str) -> None:
    talk = Conversations()
    talk.answered(answer(("c1", ("odd", given))), "a", 1)
    talk.asked(chat(asks(("c1", ("odd", given))), result("c1")), "a", 2)
    assert [event.key for event in heard.ended] == [heard.began[0].key]


def test_arguments_that_nest_too_deep_to_be_written() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert key_of("f", deep) != key_of("g", deep)
