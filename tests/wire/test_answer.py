"""What an answer turned out to be, and whether it may be kept (trap 2)."""

import json
from typing import Any

import pytest

from headway.wire import facts as known
from headway.wire.exchange import AnswerFacts, AnswerReader, ToolCall, Usage, read_request
from headway.wire.json_values import MOST_BYTES
from headway.wire.reading import MOST_TOOL_TEXT
from headway.wire.sse import MAX_EVENT_BYTES, write_event
from tests.wire.exchanges import EVENT_STREAM, JSON, PATHS

CHAT, RESPONSES, MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"


def reader(wire: str, status: int, headers: dict[str, str], **asked: Any) -> AnswerReader:
    path = PATHS.get(wire, "/v1/other")
    request = read_request("POST", path, {}, json.dumps({"stream": True, **asked}).encode())
    return AnswerReader(request, status, headers)


def read_body(wire: str, body: Any, status: int = 200, clean: bool = True) -> AnswerFacts:
    reading = reader(wire, status, JSON, input=["a", "b"])
    reading.feed(body if isinstance(body, bytes) else json.dumps(body).encode())
    return reading.finish(clean=clean)


def read_stream(wire: str, *events: Any, clean: bool = True, status: int = 200) -> AnswerFacts:
    reading = reader(wire, status, EVENT_STREAM)
    for event in events:
        name = event.get("type") if wire != CHAT and isinstance(event, dict) else None
        text = event if isinstance(event, str) else json.dumps(event)
        reading.feed(write_event(text, event=name))
    return reading.finish(clean=clean)


def chunk(end: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}


def chat(end: str | None = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"content": "hi", **message}, "finish_reason": end}
    return {"model": "m", "choices": [choice]}


def delta(kind: str, index: int = 0, **given: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **given}}


def block(index: int, **given: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": given}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


START = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 5}}}
TEXT = [block(0, type="text", text=""), delta("text_delta", text="hi"), stop(0)]
END_TURN = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}
STOP = {"type": "message_stop"}


# -- complete or not


def test_a_good_stream_may_be_kept_once_it_has_ended() -> None:
    reading = reader(CHAT, 200, EVENT_STREAM)
    for event in (chunk(content="hi"), chunk("stop"), "[DONE]"):
        reading.feed(write_event(event if isinstance(event, str) else json.dumps(event)))
        assert (reading.facts().may_keep, reading.facts().is_complete) == (False, False)
    facts = reading.finish()
    assert (facts.may_keep, facts.is_complete, facts.why_not) == (True, True, None)
    assert reading.finish(clean=False) == facts  # it has ended once and for all


@pytest.mark.parametrize(
    ("wire", "events", "without"),
    [
        (CHAT, [chunk("stop", content="hi")], "[DONE]"),
        (MESSAGES, [START, *TEXT, END_TURN], "message_stop"),
        (RESPONSES, [{"type": "response.created", "response": {}}], "response.completed"),
        ("other", ["{}"], "knows"),
    ],
)
def test_a_stream_without_its_last_event_is_not_complete(
    wire: str, events: list[Any], without: str
) -> None:
    facts = read_stream(wire, *events)
    assert (facts.is_complete, facts.may_keep) == (False, False)
    assert without in (facts.why_not or "")


def test_a_stream_that_breaks_off_is_not_complete_even_after_its_last_event() -> None:
    facts = read_stream(CHAT, chunk("stop", content="hi"), "[DONE]", clean=False)
    assert (facts.is_complete, facts.may_keep) == (False, False)
    assert read_body(CHAT, chat(), clean=False).is_complete is False


def test_half_an_event_after_the_last_one_is_not_complete() -> None:
    reading = reader(CHAT, 200, EVENT_STREAM)
    reading.feed(write_event(json.dumps(chunk("stop"))) + write_event("[DONE]") + b"data: x")
    assert "middle of an event" in (reading.finish().why_not or "")


def test_an_answer_cut_short_is_not_kept() -> None:
    assert read_stream(CHAT, chunk("stop", content="hi"), "[DONE]").may_keep
    for end in ("length", "content_filter", "error", "something new", None):
        facts = read_stream(CHAT, chunk(end, content="hi"), "[DONE]")
        assert (facts.is_complete, facts.may_keep, facts.finish_reason) == (True, False, end)
        assert not read_body(CHAT, chat(end)).may_keep
    for end in ("stop", "tool_calls", "function_call"):
        assert read_body(CHAT, chat(end)).may_keep


def test_a_message_cut_short_is_not_kept() -> None:
    good = {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "model": "m"}
    assert read_body(MESSAGES, good).may_keep
    assert read_body(MESSAGES, {**good, "stop_reason": "stop_sequence"}).may_keep
    for end in ("max_tokens", "refusal", "pause_turn", "model_context_window_exceeded", None):
        facts = read_body(MESSAGES, {**good, "stop_reason": end})
        assert (facts.is_complete, facts.may_keep) == (True, False)
    assert not read_body(MESSAGES, {**good, "content": []}).may_keep


def test_a_block_without_end_is_not_kept() -> None:
    assert read_stream(MESSAGES, START, *TEXT, END_TURN, STOP).may_keep
    assert not read_stream(MESSAGES, START, *TEXT[:2], END_TURN, STOP).may_keep
    assert not read_stream(MESSAGES, START, END_TURN, STOP).may_keep


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled", "queued", "in_progress"])
def test_a_response_that_is_not_completed_is_not_kept(status: str) -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}]
    good = {"status": "completed", "output": output, "error": None, "model": "m"}
    assert read_body(RESPONSES, good).may_keep
    assert not read_body(RESPONSES, {**good, "status": status}).may_keep
    assert not read_body(RESPONSES, {**good, "output": []}).may_keep
    streamed = read_stream(RESPONSES, {"type": "response.completed", "response": good})
    assert (streamed.may_keep, streamed.finish_reason) == (True, "completed")
    ended = {"type": f"response.{status}", "response": {**good, "status": status}}
    facts = read_stream(RESPONSES, ended)
    assert not facts.may_keep
    assert facts.is_complete == (status in ("incomplete", "failed", "cancelled"))
    assert facts.is_error == (status in ("failed", "cancelled"))


@pytest.mark.parametrize("body", [{"choices": []}, {}, [], {"choices": None}, None, 3])
def test_an_answer_without_choices_is_not_kept(body: object) -> None:
    facts = read_body(CHAT, body)
    assert (facts.is_complete, facts.may_keep) == (True, False)
    assert not read_stream(CHAT, {"choices": [], "usage": {}}, "[DONE]").may_keep


def test_a_choice_among_several_that_was_cut_short_spoils_the_answer() -> None:
    two = [{"index": 0, "finish_reason": "stop"}, {"index": 1, "finish_reason": "length"}]
    assert not read_body(CHAT, {"choices": two}).may_keep
    assert read_body(CHAT, {"choices": two}).finish_reason == "stop"


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("openai.embeddings", {"data": []}),
        ("openai.embeddings", {"data": [{"embedding": [1.0]}]}),
        ("openai.embeddings", {"data": [{"embedding": [1.0]}, {"embedding": []}]}),
        ("anthropic.count_tokens", {"input_tokens": None}),
    ],
)
def test_a_list_with_gaps_is_not_kept(wire: str, body: object) -> None:
    assert not read_body(wire, body).may_keep


def test_embeddings_and_counts_are_kept() -> None:
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    embeddings = {"data": [{"embedding": [0.5]}, {"embedding": "AAA="}], "usage": usage}
    facts = read_body("openai.embeddings", embeddings)
    assert (facts.may_keep, facts.usage) == (True, Usage(8, 0, 0, 0, 0))
    assert read_body("anthropic.count_tokens", {"input_tokens": 3}).may_keep


def test_a_list_of_models_is_kept() -> None:
    request = read_request("GET", "/v1/models", {}, b"")
    for body, is_good in (
        (b'{"data": [{"id": "m"}]}', True),
        (b'{"id": "m"}', True),
        (b"{}", False),
    ):
        reading = AnswerReader(request, 200, JSON)
        reading.feed(body)
        assert reading.finish().may_keep is is_good


# -- errors


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES, "openai.embeddings", "other"])
def test_an_error_is_never_kept(wire: str) -> None:
    error = {"error": {"message": "overloaded"}}
    for facts in (
        read_body(wire, error),
        read_body(wire, error, status=529),
        read_stream(wire, {"type": "error", **error}, "[DONE]", STOP),
    ):
        assert (facts.is_error, facts.may_keep) == (True, False)


def test_an_error_event_after_content_is_seen() -> None:
    reading = reader(CHAT, 200, EVENT_STREAM)
    good = [write_event(json.dumps(chunk("stop", content="hi"))), write_event("[DONE]")]
    reading.feed(good[0] + write_event("overloaded", event="error") + good[1])
    facts = reading.finish()
    assert (facts.is_error, facts.may_keep, facts.text_size) == (True, False, 2)
    assert read_body(CHAT, {**chat(), "error": {"code": 502}}).is_error
    choice = {"index": 0, "finish_reason": "stop", "error": {"code": 502}}
    assert read_body(CHAT, {"choices": [choice]}).is_error


def test_an_error_stays_whatever_follows() -> None:
    for wire in ("other", "openai.embeddings"):
        assert read_stream(wire, {"type": "error"}, {"type": "x"}, "[DONE]").is_error
        assert not read_stream(wire, {"type": "x"}, "[DONE]").is_error


@pytest.mark.parametrize("status", [201, 206, 301, 404, 500])
def test_only_200_is_kept(status: int) -> None:
    facts = read_body(CHAT, chat(), status=status)
    assert (facts.may_keep, facts.is_error) == (False, status >= 400)


def test_an_html_page_is_no_answer() -> None:
    facts = read_body(CHAT, b"<html>Bad gateway</html>")
    assert (facts.is_complete, facts.may_keep) == (False, False)
    assert read_body(CHAT, b"<html>Bad gateway</html>", status=502).is_error


def test_garbage_among_the_events_is_not_kept() -> None:
    facts = read_stream(CHAT, chunk(content="hi"), "garbage{", chunk("stop"), "[DONE]")
    assert (facts.is_complete, facts.may_keep, facts.text_size) == (True, False, 2)


def test_a_stream_that_goes_on_after_its_end_is_not_kept() -> None:
    assert not read_stream(MESSAGES, START, *TEXT, END_TURN, STOP, *TEXT).may_keep
    assert not read_stream(CHAT, chunk("stop"), "[DONE]", chunk("stop")).may_keep
    assert read_stream(MESSAGES, START, *TEXT, END_TURN, STOP, {"type": "ping"}, "[DONE]").may_keep


# -- sizes


def test_a_body_of_fifty_megabytes_is_not_held() -> None:
    reading = reader(CHAT, 200, JSON)
    for _ in range(50):
        reading.feed(b" " * 1024 * 1024)
        assert len(reading._body) <= MOST_BYTES
    facts = reading.finish()
    assert (facts.is_complete, facts.may_keep) == (True, False)
    assert "longer than" in (facts.why_not or "")


def test_an_event_that_is_too_large_is_not_kept() -> None:
    reading = reader(CHAT, 200, EVENT_STREAM)
    reading.feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1) + b"\n\n")
    reading.feed(write_event(json.dumps(chunk("stop"))) + write_event("[DONE]"))
    assert "too large" in (reading.finish().why_not or "")


def test_tool_calls_without_end_are_not_held() -> None:
    piece = {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x" * 1_000_000}}]}
    reading = reader(CHAT, 200, EVENT_STREAM)
    event = write_event(json.dumps(chunk(**piece)))
    for _ in range(MOST_TOOL_TEXT // 1_000_000 + 3):
        reading.feed(event)
    reading.feed(write_event(json.dumps(chunk("tool_calls"))) + write_event("[DONE]"))
    facts = reading.finish()
    assert len(facts.tool_calls[0].arguments) <= MOST_TOOL_TEXT
    assert "too long" in (facts.why_not or "")


# -- usage


def test_usage_of_a_chat() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    assert read_body(CHAT, {**chat(), "usage": usage}).usage == Usage(100, 64, 30, 20, 12)
    bare = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": None}
    assert read_body(CHAT, {**chat(), "usage": bare}).usage == Usage(100, None, None, 20, None)
    assert read_body(CHAT, chat()).usage == Usage()


def test_the_last_usage_of_a_stream_counts() -> None:
    first = {**chunk(content="a"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    last = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 9}}
    facts = read_stream(CHAT, first, last, {**chunk("stop"), "usage": None}, "[DONE]")
    assert facts.usage == Usage(1, None, None, 9, None)


def test_usage_of_a_message_adds_up() -> None:
    started = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 3000,
        "output_tokens": 1,
    }
    start = {"type": "message_start", "message": {"model": "m", "usage": started}}
    end = {**END_TURN, "usage": {"output_tokens": 50, "input_tokens": None}}
    facts = read_stream(MESSAGES, start, *TEXT, end, STOP)
    assert facts.usage == Usage(3210, 3000, 200, 50, None)
    thought = {"output_tokens": 60, "output_tokens_details": {"thinking_tokens": 44}}
    facts = read_stream(MESSAGES, start, *TEXT, end, {**END_TURN, "usage": thought}, STOP)
    assert facts.usage == Usage(3210, 3000, 200, 60, 44)


def test_usage_that_does_not_name_the_cache_leaves_it_unknown() -> None:
    body = {"content": [{"type": "text"}], "usage": {"input_tokens": 7, "output_tokens": 2}}
    assert read_body(MESSAGES, body).usage == Usage(7, None, None, 2, None)
    only_cache = {"content": [], "usage": {"cache_read_input_tokens": 9}}
    assert read_body(MESSAGES, only_cache).usage == Usage(None, 9, None, None, None)


@pytest.mark.parametrize("wrong", [-1, 1.5, "7", True, None, [], 2**70])
def test_numbers_that_count_nothing_are_unknown(wrong: object) -> None:
    usage = {"prompt_tokens": wrong, "completion_tokens": 2}
    assert read_body(CHAT, {**chat(), "usage": usage}).usage == Usage(tokens_out=2)


# -- tool calls


def test_parallel_calls_of_a_chat_are_put_together_by_their_index() -> None:
    def pieces(*calls: tuple[int, str | None, str | None, str]) -> dict[str, Any]:
        return chunk(
            tool_calls=[
                {"index": n, "id": id, "function": {"name": name, "arguments": text}}
                for n, id, name, text in calls
            ]
        )

    facts = read_stream(
        CHAT,
        pieces((0, "a", "f", ""), (1, "b", "g", '{"y"')),
        pieces((1, None, None, ": 2}")),
        pieces((0, None, None, '{"x": 1}')),
        chunk("tool_calls"),
        "[DONE]",
    )
    assert facts.tool_calls == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", '{"y": 2}'))
    assert facts.may_keep


def test_an_empty_id_or_name_takes_nothing_back() -> None:
    def piece(id: str, name: str, text: str) -> dict[str, Any]:
        call = {"index": 0, "id": id, "function": {"name": name, "arguments": text}}
        return chunk(tool_calls=[call])

    facts = read_stream(CHAT, piece("a", "f", "{"), piece("", "", "}"), chunk("stop"), "[DONE]")
    assert facts.tool_calls == (ToolCall("a", "f", "{}"),)


def test_calls_in_the_older_and_the_custom_form() -> None:
    old = read_body(CHAT, chat(function_call={"name": "f", "arguments": "{}"}))
    assert old.tool_calls == (ToolCall(None, "f", "{}"),)
    custom = {"id": "c", "type": "custom", "custom": {"name": "g", "input": "free text"}}
    assert read_body(CHAT, chat(tool_calls=[custom])).tool_calls == (
        ToolCall("c", "g", "free text"),
    )


def test_calls_of_a_message() -> None:
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    events = [
        block(0, **use),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"x'),
        delta("input_json_delta", partial_json='": 1}'),
        stop(0),
        block(1, type="server_tool_use", id="s", name="web_search", input={}),
        delta("input_json_delta", 1, partial_json="{}"),
        stop(1),
    ]
    facts = read_stream(MESSAGES, START, *events, END_TURN, STOP)
    assert facts.tool_calls == (ToolCall("a", "f", '{"x": 1}'),)
    whole = {"content": [{**use, "input": {"b": 1, "a": 2}}], "stop_reason": "tool_use"}
    assert read_body(MESSAGES, whole).tool_calls == (ToolCall("a", "f", '{"a":2,"b":1}'),)


def test_a_message_call_without_arguments_has_an_empty_object() -> None:
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    events = [block(0, **use), delta("input_json_delta", partial_json=""), stop(0)]
    streamed = read_stream(MESSAGES, START, *events, END_TURN, STOP)
    whole = read_body(MESSAGES, {"content": [use], "stop_reason": "tool_use"})
    assert streamed.tool_calls == whole.tool_calls == (ToolCall("a", "f", "{}"),)


@pytest.mark.parametrize("wire", [MESSAGES, RESPONSES])
def test_the_name_of_an_event_stands_in_for_a_missing_type(wire: str) -> None:
    error = {"message": "overloaded"}
    reading = reader(wire, 200, EVENT_STREAM)
    response = {"status": "completed", "output": [{"type": "message"}]}
    delta = {"index": 0, "delta": "hi" if wire == RESPONSES else {"text": "hi"}}
    for name, data in (
        ("content_block_start", {"index": 0, "content_block": {"type": "text"}}),
        ("content_block_delta", delta),
        ("response.output_text.delta", delta),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}}),
    ):
        reading.feed(write_event(json.dumps(data), event=name))
    if wire == RESPONSES:
        ended = {"response": response}
        reading.feed(write_event(json.dumps(ended), event="response.completed"))
    else:
        reading.feed(write_event("{}", event="message_stop"))
    facts = reading.finish()
    assert (facts.may_keep, facts.text_size) == (True, 2)
    failing = reader(wire, 200, EVENT_STREAM)
    failing.feed(write_event(json.dumps(error), event="error"))
    assert failing.facts().is_error


def test_calls_of_a_response_come_from_its_events_and_the_last_word() -> None:
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""}
    events = [
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"x'},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '": 1}'},
    ]
    custom = {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "text"}
    events.append({"type": "response.output_item.done", "output_index": 2, "item": custom})
    empty = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    found = (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "text"))
    assert read_stream(RESPONSES, *events, empty).tool_calls == found
    last = {**empty, "response": {"status": "completed", "output": [custom]}}
    assert read_stream(RESPONSES, *events, last).tool_calls == found[1:]


# -- content


@pytest.mark.parametrize(
    ("wire", "before", "first"),
    [
        (CHAT, [chunk(role="assistant", content="")], chunk(content="a")),
        (CHAT, [chunk(role="assistant")], chunk(reasoning_content="a")),
        (CHAT, [chunk()], chunk(tool_calls=[{"index": 0, "id": "a"}])),
        (CHAT, [chunk()], chunk(refusal="no")),
        (CHAT, [chunk()], chunk(audio={"id": "a"})),
        (CHAT, [chunk()], chunk(function_call={"name": "f"})),
        (
            RESPONSES,
            [{"type": "response.created", "response": {}}],
            {"type": "response.output_item.added", "item": {"type": "function_call"}},
        ),
        (MESSAGES, [START, block(0, type="text", text="")], delta("text_delta", text="a")),
        (MESSAGES, [START, block(0, type="thinking")], delta("thinking_delta", thinking="a")),
        (MESSAGES, [START, {"type": "ping"}], block(0, type="tool_use", id="a", name="f")),
        (
            RESPONSES,
            [{"type": "response.created", "response": {}}],
            {"type": "response.output_text.delta", "delta": "a"},
        ),
        (
            RESPONSES,
            [{"type": "response.output_item.added", "item": {"type": "message"}}],
            {"type": "response.reasoning_summary_text.delta", "delta": "a"},
        ),
    ],
)
def test_the_first_content_is_found_where_it_begins(
    wire: str, before: list[Any], first: dict[str, Any]
) -> None:
    reading = reader(wire, 200, EVENT_STREAM)
    size = 0
    for event in before:
        written = write_event(json.dumps(event), event=event.get("type"))
        reading.feed(written)
        size += len(written)
        assert reading.first_content_at is None
    reading.feed(b": ping\n\n")
    reading.feed(write_event(json.dumps(first), event=first.get("type")))
    reading.feed(write_event(json.dumps(first), event=first.get("type")))
    assert reading.first_content_at == reading.facts().first_content_at == size + 8


def test_a_body_has_its_content_at_the_start() -> None:
    assert read_body(CHAT, chat()).first_content_at == 0
    assert read_body(CHAT, {"error": {}}).first_content_at is None


def test_text_is_counted_in_characters() -> None:
    parts = [{"type": "text", "text": "ab"}, {"type": "text", "text": "c"}]
    assert read_body(CHAT, chat(content="12 € 🙂")).text_size == 6
    assert read_body(CHAT, chat(content=parts)).text_size == 3
    assert read_body(CHAT, chat(content=None)).text_size == 0


def test_a_stream_is_known_by_its_type_or_by_what_was_asked() -> None:
    stream = write_event(json.dumps(chunk("stop"))) + write_event("[DONE]")
    for headers in (EVENT_STREAM, {"content-type": "Text/Event-Stream"}, {}):
        reading = reader(CHAT, 200, headers)
        reading.feed(stream)
        assert reading.finish().may_keep
    plain = reader(CHAT, 200, {}, stream=False)
    plain.feed(json.dumps(chat()).encode())
    assert plain.finish().may_keep


def test_other_answers_are_kept_when_they_are_good() -> None:
    reading = reader("other", 200, {"content-type": "text/html"})
    reading.feed(b"<html>")
    assert reading.finish().may_keep


# -- strangers


MEMBERS = (
    "choices",
    "delta",
    "message",
    "index",
    "tool_calls",
    "function",
    "content",
    "usage",
    "error",
    "response",
    "item",
    "output",
    "output_index",
    "content_block",
    "data",
    "model",
    "input_tokens",
    "prompt_tokens_details",
    "embedding",
    "finish_reason",
    "stop_reason",
    "status",
    "incomplete_details",
    "function_call",
    "input",
    "arguments",
    "name",
    "id",
)


@pytest.mark.parametrize("wrong", [None, 1, "x", [], {}, [None], [[]], [1], {"a": [1]}, True, -1])
@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES, "openai.embeddings"])
def test_members_of_the_wrong_type_harm_nobody(wire: str, wrong: object) -> None:
    body = dict.fromkeys(MEMBERS, wrong)
    read_body(wire, body)
    read_body(
        wire, {**body, "choices": [body], "output": [body], "content": [body], "data": [body]}
    )
    for kind in (
        *("content_block_start", "content_block_delta", "content_block_stop", "message_start"),
        *("message_delta", "message_stop", "response.output_item.added", "response.completed"),
        *("response.function_call_arguments.delta", "response.function_call_arguments.done"),
        *("response.output_text.delta", "response.output_item.done", "error"),
    ):
        read_stream(wire, {**body, "type": kind}, {**body, "type": kind, "delta": body})
        read_stream(wire, {**body, "type": kind, "choices": [{**body, "delta": body}]}, wrong)


# -- what is kept by many


def test_answers_that_say_the_same_share_it() -> None:
    first, second = (read_body(CHAT, {**chat(), "model": "some-model"}) for _ in range(2))
    assert first.model == "some-model"
    assert first.model is second.model
    assert first.finish_reason is second.finish_reason


def test_texts_are_shared_within_bounds() -> None:
    for number in range(1_000):
        assert known.shared(f"model {number}", "stop") == (f"model {number}", "stop")
        assert known.shared("x" * 1_000 + str(number), None)[0] == "x" * 1_000 + str(number)
    assert len(known._said) <= 256
    assert max(len(model or "") for model, _ in known._said) < 129
