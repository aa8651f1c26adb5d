"""The wire under arbitrary bytes: however they are cut, whatever they are."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headway.wire.exchange import AnswerReader, read_request
from headway.wire.key import exchange_key
from headway.wire.reading import Reading
from headway.wire.reading_chat import ChatReading
from headway.wire.reading_lists import EmbeddingReading
from headway.wire.reading_messages import MessageReading
from headway.wire.reading_responses import ResponseReading
from headway.wire.recording import cut_into_events, without_comments
from headway.wire.rewriting import with_model
from headway.wire.sse import EventReader, ServerEvent, size_as_usual, write_event
from tests.wire.exchanges import EVENT_STREAM, JSON, PATHS

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(
    ["", "", "data: a", "data:b", "data", "event: e", "id: 1", "retry: 5", ": c", "x: y", "dé: 価"]
)
STREAMS = st.one_of(
    st.lists(st.tuples(LINES, ENDS)).map(lambda all: "".join(a + b for a, b in all).encode()),
    st.lists(st.tuples(LINES, ENDS)).map(
        lambda all: b"\xef\xbb\xbf" + "".join(a + b for a, b in all).encode()
    ),
    st.lists(st.sampled_from([b"data", b":", b" ", b"\r", b"\n", b"\xff", b"\xef\xbb\xbf"])).map(
        b"".join
    ),
    st.binary(),
)
CUTS = st.lists(st.integers(0, 200), max_size=20)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))

JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inside: st.one_of(st.lists(inside), st.dictionaries(st.text(), inside)),
    max_leaves=20,
)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(places)]


def events_of(parts: list[bytes]) -> tuple[list[ServerEvent], Any]:
    reader = EventReader(max_event_bytes=60)
    events = [event for part in parts for event in reader.feed(part)]
    events += reader.finish()
    return events, (reader.comments, reader.oversized, reader.incomplete, reader.size)


def as_specified(stream: bytes) -> list[tuple[str | None, str, str | None]]:
    """Name, data and id of each event, by the letter of the specification."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    *lines, _ = re.split("\r\n|\n|\r", text)
    events, data, name, last = [], list[str](), None, None
    for line in lines:
        if line == "":
            if data:
                events.append((name, "\n".join(data), last))
            data, name, last = [], None, None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last = value
    return events


@given(STREAMS, CUTS)
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [9, 10, 11])
@example(b"data: a\r\r\ndata: b\n\r", [8, 9])
def test_events_do_not_depend_on_how_the_bytes_are_cut(stream: bytes, cuts: list[int]) -> None:
    assert events_of(pieces(stream, cuts)) == events_of([stream])
    assert events_of([stream[at : at + 1] for at in range(len(stream))]) == events_of([stream])


@given(STREAMS)
def test_events_are_those_of_the_specification(stream: bytes) -> None:
    reader = EventReader()
    events = [*reader.feed(stream), *reader.finish()]
    assert [(one.event, one.data, one.id) for one in events] == as_specified(stream)


@given(STREAMS)
def test_events_lie_one_after_the_other_and_each_is_whole(stream: bytes) -> None:
    reader = EventReader()
    at = 0
    for event in [*reader.feed(stream), *reader.finish()]:
        assert at <= event.start < event.end <= len(stream)
        at = event.end
        again = EventReader()
        (alone,) = [*again.feed(stream[event.start : event.end]), *again.finish()]
        assert (alone.event, alone.data, alone.id) == (event.event, event.data, event.id)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT.filter(bool))), CUTS)
def test_what_is_written_is_read(events: list[tuple[str, str | None]], cuts: list[int]) -> None:
    sent = [(re.sub("\r\n|\r", "\n", data), _one_line(name)) for data, name in events]
    stream = b"".join(write_event(data, event=name) for data, name in sent)
    reader = EventReader()
    read = [event for part in pieces(stream, cuts) for event in reader.feed(part)]
    assert [(event.data, event.event) for event in read] == sent
    assert (reader.finish(), reader.incomplete) == ([], False)
    assert stream == b"".join(write_event(event.data, event=event.event) for event in read)


def _one_line(name: str | None) -> str | None:
    return None if name is None else re.sub("[\r\n]", "_", name)


@given(STREAMS)
@example(b"event: e\n: c\n\ndata: a\n\n")
def test_a_recording_adds_up_to_the_stream(stream: bytes) -> None:
    recorded = cut_into_events(stream)
    assert b"".join(recorded) == stream
    assert all(recorded)
    kept = without_comments(stream)
    assert as_specified(kept) == as_specified(stream)
    assert len(kept) <= len(stream)


@given(
    st.sampled_from(sorted(PATHS.values())),
    st.one_of(st.binary(), JSON_VALUES.map(json.dumps).map(str.encode)),
)
def test_any_bytes_can_be_a_request(path: str, body: bytes) -> None:
    facts = read_request("POST", path, {}, body)
    assert facts.is_repeatable == (facts.why_not is None)
    key = exchange_key(facts, tenant="t", method="POST", url=path, headers={}, body=body)
    assert (key.canonical is None) == (facts.body is None and body != b"")


HOSTILE = st.sampled_from(
    [None, True, -1, 0, 1.5, 2**70, "", "stop", "\ud800", [], {}, [None], [{}], {"type": "text"}]
)
NAMES = st.sampled_from(
    [
        "type",
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
        "finish_reason",
        "stop_reason",
        "status",
        "name",
        "id",
        "arguments",
        "prompt_tokens",
        "input_tokens",
        "partial_json",
        "text",
        "messages",
        "input",
        "tools",
        "temperature",
        "stream",
    ]
)
ODD_OBJECTS = st.recursive(
    st.dictionaries(NAMES, HOSTILE),
    lambda inside: st.dictionaries(NAMES, st.one_of(HOSTILE, inside, st.lists(inside))),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "message_stop",
        "error",
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.completed",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    ]
)
EVENTS = st.one_of(
    st.tuples(KINDS, ODD_OBJECTS).map(lambda pair: json.dumps({**pair[1], "type": pair[0]})),
    ODD_OBJECTS.map(json.dumps),
    st.sampled_from(["[DONE]", "NaN", "{", "[" * 2000, "null", '{"a": "\\ud800"}']),
)


@given(st.sampled_from(sorted(PATHS.values())), st.lists(EVENTS, max_size=6), CUTS, st.booleans())
def test_any_events_can_be_an_answer(
    path: str, events: list[str], cuts: list[int], clean: bool
) -> None:
    request = read_request("POST", path, {}, b"{}")
    stream = b"".join(write_event(event) for event in events)
    whole, cut = (AnswerReader(request, 200, EVENT_STREAM) for _ in range(2))
    whole.feed(stream)
    for part in pieces(stream, cuts):
        cut.feed(part)
    facts = whole.finish(clean=clean)
    assert cut.finish(clean=clean) == facts
    assert facts.may_keep == (facts.why_not is None)
    assert not facts.may_keep or (facts.is_complete and not facts.is_error and clean)


@given(
    st.sampled_from(sorted(PATHS.values())),
    st.one_of(st.binary(), ODD_OBJECTS.map(json.dumps).map(str.encode), st.just(b"[" * 10_000)),
    st.sampled_from([200, 201, 404, 500]),
    CUTS,
)
def test_any_body_can_be_an_answer(path: str, body: bytes, status: int, cuts: list[int]) -> None:
    request = read_request("POST", path, {}, b"{}")
    whole, cut = (AnswerReader(request, status, JSON) for _ in range(2))
    whole.feed(body)
    for part in pieces(body, cuts):
        cut.feed(part)
    facts = whole.finish()
    assert cut.finish() == facts
    assert not facts.may_keep or (status == 200 and not facts.is_error)


@given(JSON_VALUES, st.randoms(use_true_random=False))
def test_the_canonical_key_does_not_see_how_json_is_written(value: object, rng: Any) -> None:
    def shuffled(one: object) -> object:
        if isinstance(one, list):
            return [shuffled(inside) for inside in one]
        if isinstance(one, dict):
            items = list(one.items())
            rng.shuffle(items)
            return {name: shuffled(inside) for name, inside in items}
        return one

    def key(body: bytes) -> str | None:
        facts = read_request("POST", "/v1/chat/completions", {}, body)
        return exchange_key(
            facts, tenant="t", method="POST", url="u", headers={}, body=body
        ).canonical

    written = json.dumps({"a": value}).encode()
    again = json.dumps({"a": shuffled(value)}, indent=1).encode()
    assert key(written) == key(again) is not None
    assert key(json.dumps({"a": [value]}).encode()) != key(written)


TEXTS_WITH_MODEL = st.lists(
    st.sampled_from(['"model":', '"', "\\", ":", "model", "{", "}", ",", " ", "é", "\ud800"])
).map("".join)
VALUES_WITH_MODEL = st.recursive(
    st.one_of(TEXTS_WITH_MODEL, st.none(), st.integers()),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.dictionaries(st.sampled_from(["model", "a", '"model":']), inside),
    ),
    max_leaves=6,
)
MEMBERS_BESIDE = st.dictionaries(
    TEXTS_WITH_MODEL.filter(lambda name: name != "model"), VALUES_WITH_MODEL
)
BLANKS = st.sampled_from(["", " ", "\n\t", "\r\n"])


@given(
    MEMBERS_BESIDE,
    MEMBERS_BESIDE,
    VALUES_WITH_MODEL | TEXT,
    st.sampled_from(['"model"', '"mod\\u0065l"']),
    TEXT,
    BLANKS,
    BLANKS,
    st.booleans(),
)
def test_a_new_model_changes_only_its_own_bytes(
    before: dict[str, Any],
    after: dict[str, Any],
    old: object,
    written_name: str,
    model: str,
    blank: str,
    other_blank: str,
    is_ascii: bool,
) -> None:
    def written(value: object) -> bytes:
        return json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "replace")

    def members(of: dict[str, Any]) -> list[bytes]:
        return [written(name) + b": " + written(value) for name, value in of.items()]

    after = {name: value for name, value in after.items() if name not in before}
    named = f"{blank}{written_name}{other_blank}:{blank}".encode()
    behind = other_blank.encode()

    def body(of_model: object) -> bytes:
        parts = [*members(before), named + written(of_model) + behind, *members(after)]
        return blank.encode() + b"{" + b",".join(parts) + b"}"

    asked = body(old)
    facts = read_request("POST", "/v1/chat/completions", {}, asked)
    found = with_model(asked, facts.without_body(), model)
    assert found == body("@").replace(named + b'"@"', named + msgspec.json.encode(model), 1)
    assert json.loads(found)["model"] == model


USUAL = st.lists(
    st.sampled_from(
        [
            b"data: a",
            b"data: ",
            b"data:  b",
            "data: é価".encode(),
            b"data: \xff",
            b"event: e\ndata: a",
            b"event: \ndata: b",
            b"event: \xff\ndata: c",
            b"event: e",
            b"data: a\ndata: b",
            b": c",
            b"data:a",
            b"id: 1\ndata: a",
            b"data: a\rdata: b",
            b"data: a\r\n",
            b"",
        ]
    )
).map(lambda events: b"".join(event + b"\n\n" for event in events))


@given(STREAMS | USUAL, USUAL)
@example(b"data: a\r\r", b"data: b\n\n")
@example(b"data: a\n", b"data: b\n\n")
@example(b"event: a\n", b"data: b\n\n")
@example(b"", b"data: a\rdata: b\n\n")
@example(b"", b"event: e\rx\ndata: a\n\n")
@example(b"", b"event: e\ndata: a\ndata: b\n\n")
@example(b"", b"event: e\ndata: a\n\ndata: b\n\n")
def test_events_read_as_usual_are_those_of_any_way(before: bytes, stream: bytes) -> None:
    quick, slow = EventReader(max_event_bytes=200), EventReader(max_event_bytes=200)
    assert quick.feed(before) == slow.feed(before)
    at = quick.size
    plain = quick.feed_plain(stream)
    if plain is None:
        assert quick.feed(stream) == slow.feed(stream)
    else:
        data, names = plain
        events = slow.feed(stream)
        assert [one.decode("utf-8", "replace") for one in data] == [one.data for one in events]
        given_names = [None] * len(data) if names is None else names
        assert [None if one is None else one.decode("utf-8", "replace") for one in given_names] == [
            one.event for one in events
        ]
        starts = [at + size_as_usual(plain, count) for count in range(len(data) + 1)]
        assert starts == [*(one.start for one in events), slow.size]
    assert quick.feed(b"data: z\n\n") == slow.feed(b"data: z\n\n")
    assert (quick.finish(), quick.size, quick.incomplete) == (
        slow.finish(),
        slow.size,
        slow.incomplete,
    )


def test_usual_streams_are_read_as_usual() -> None:
    for stream in (b"data: a\n\n", b"data: a\n\ndata: b\n\n", b"event: e\ndata: a\n\n" * 3):
        assert EventReader().feed_plain(stream) is not None


PARTS = st.dictionaries(
    st.sampled_from(["content", "tool_calls", "function_call", "refusal", "reasoning", "role"]),
    HOSTILE | st.lists(ODD_OBJECTS, max_size=2),
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": HOSTILE,
        "delta": PARTS | HOSTILE,
        "message": PARTS | HOSTILE,
        "finish_reason": HOSTILE,
        "error": HOSTILE,
        "type": st.sampled_from(["error", "x", None]),
        "other": HOSTILE,
    },
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "model": HOSTILE,
        "choices": st.lists(CHOICES | st.none(), max_size=3) | HOSTILE,
        "usage": ODD_OBJECTS | HOSTILE,
        "error": HOSTILE,
        "type": st.sampled_from(["error", "x", None]),
        "other": HOSTILE,
    },
)
PIECE: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "a"}}]}


def piece(**other: Any) -> dict[str, Any]:
    return {"choices": [{**PIECE["choices"][0], **other}]}


PIECES = st.one_of(
    st.just(PIECE),
    st.sampled_from(["index", "finish_reason", "error", "usage", "other"]).flatmap(
        lambda name: HOSTILE.map(lambda value: piece(**{name: value}))
    ),
    st.sampled_from(["model", "error", "usage", "type"]).flatmap(
        lambda name: HOSTILE.map(lambda value: {**PIECE, name: value})
    ),
    st.sampled_from(
        [
            piece(type="error"),
            piece(index=1),
            piece(delta={"content": "a", "tool_calls": [{"function": {"name": "f"}}]}),
            {**PIECE, "type": "error"},
            {**PIECE, "usage": {"prompt_tokens": 1}},
            {"choices": [*PIECE["choices"], *PIECE["choices"]]},
        ]
    ),
)


@given(st.lists(PIECES | CHUNKS, max_size=6), st.sampled_from([None, "error", "x"]), st.booleans())
@example([piece(finish_reason="stop"), piece(index=1)], None, True)
@example([PIECE, piece(index=False)], None, True)
@example([PIECE, piece(type="error")], None, True)
@example([PIECE, {**PIECE, "usage": {"prompt_tokens": 1}}], None, True)
@example([PIECE, {**PIECE, "model": ""}, {**PIECE, "model": "m"}], None, True)
def test_chats_decoded_at_once_say_what_they_say_taken_apart(
    chunks: list[dict[str, Any]], name: str | None, in_pieces: bool
) -> None:
    at_once, apart = ChatReading(), ChatReading()
    for chunk in chunks:
        written = json.dumps(chunk).encode()
        if in_pieces:
            found = at_once.read_data(name, written)
            assert apart.read_event(name, json.loads(written)) == found
        else:
            at_once.read_whole(written)
            apart.read_body(json.loads(written))
        assert known(at_once) == known(apart)


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT: Any = {
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"content": "hi", "refusal": None, "tool_calls": [CALL]},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}
MESSAGE: Any = {
    "type": "message",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"b": 1, "a": 2}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 9,
        "output_tokens": 3,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 1,
        "output_tokens_details": {"thinking_tokens": 1},
    },
}
RESPONSE: Any = {
    "status": "completed",
    "model": "m",
    "error": None,
    "incomplete_details": None,
    "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ],
    "usage": {
        "input_tokens": 9,
        "output_tokens": 3,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 1},
    },
}
VECTORS: Any = {
    "model": "m",
    "data": [{"embedding": [0.5, -1, 2e3]}, {"embedding": "AAA="}],
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}
READINGS: list[tuple[Callable[[], Reading], Any]] = [
    (ChatReading, CHAT),
    (MessageReading, MESSAGE),
    (ResponseReading, RESPONSE),
    (lambda: EmbeddingReading(2), VECTORS),
]
GONE = object()


def changed(data: st.DataObject, value: Any) -> Any:
    """*value* with one of its members, however deep inside, gone or another."""
    names = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not names:
        return value
    name, copy = data.draw(st.sampled_from(names)), value.copy()
    if isinstance(value[name], dict | list) and data.draw(st.booleans()):
        copy[name] = changed(data, value[name])
        return copy
    new = data.draw(HOSTILE | st.sampled_from([GONE, "error", False, "length", [0], ["a"]]))
    if new is GONE:
        del copy[name]
    else:
        copy[name] = new
    return copy


def known(reading: Reading) -> tuple[object, ...]:
    return (
        *(reading.model, reading.usage, reading.finish_reason, reading.text_size),
        *(reading.has_failed, reading.tool_calls(), reading.objection()),
    )


@given(st.sampled_from(READINGS), st.integers(0, 2), st.data())
def test_whole_answers_decoded_at_once_say_what_they_say_taken_apart(
    kind: tuple[Callable[[], Reading], Any], changes: int, data: st.DataObject
) -> None:
    new_reading, answer = kind
    for _ in range(changes):
        answer = changed(data, answer)
    beside = data.draw(st.dictionaries(NAMES, ODD_OBJECTS | HOSTILE, max_size=1))
    written = json.dumps({**beside, **answer}, indent=data.draw(st.sampled_from([None, 1])))
    at_once, apart = new_reading(), new_reading()
    at_once.read_whole(written.encode())
    apart.read_body(json.loads(written))
    assert known(at_once) == known(apart)


def test_usual_answers_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for new_reading, answer in READINGS:
        reading = new_reading()
        monkeypatch.setattr(reading, "read_body", None)
        reading.read_whole(json.dumps(answer).encode())
        assert reading.objection() is None
        assert reading.model == "m"


def test_what_a_chat_passes_over_has_to_be_json_as_well() -> None:
    request = read_request("POST", "/v1/chat/completions", {}, b"{}")
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"id":%b}'
    good = AnswerReader(request, 200, JSON)
    good.feed(body % b'"x"')
    assert good.finish().may_keep
    for bad in (b'"\xff"', b'"\\x"', b"tru", b"1.2.3", b"[" * 10_000 + b"]" * 10_000):
        whole, stream = AnswerReader(request, 200, JSON), AnswerReader(request, 200, EVENT_STREAM)
        whole.feed(body % bad)
        assert not whole.finish().is_complete
        stream.feed(b"data: " + body.replace(b"message", b"delta") % bad + b"\n\ndata: [DONE]\n\n")
        assert stream.finish().may_keep == (bad == b'"\xff"')
