"""Where answers come from: templates, scripts, recordings, functions, schemas."""

import json
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator

from headway.testing import (
    Always,
    Answer,
    Fault,
    Provider,
    Question,
    Recorded,
    Scripted,
    Templated,
)
from headway.testing.provider.answers import OutOfAnswers, answers_from
from headway.testing.provider.question import read_chat, read_messages, read_responses
from headway.testing.provider.schema_example import example_of
from headway.testing.provider.tokens import fragments, pieces, shortened
from tests.testing.provider.questions import CHAT_TOOL, HELLO


def question(text: str, **body: Any) -> Question:
    return read_chat({"model": "g", "messages": [{"role": "user", "content": text}], **body}, 0)


def test_template_is_filled_from_the_question() -> None:
    template = Templated("{model}/{wire}/{turn}: {last_user} [{system}] {tools}")
    asked = read_chat(
        {
            "model": "g",
            "messages": [
                {"role": "system", "content": "Be {kind}."},
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "two"},
                {"role": "user", "content": [{"type": "text", "text": "three"}]},
            ],
            "tools": [CHAT_TOOL],
        },
        0,
    )
    assert template.answer(asked).text == "g/openai.chat/1: three [Be {kind}.] price"


def test_script_in_order_beside_matchers() -> None:
    script = Scripted(
        [
            "first",
            ("weather", "sunny"),
            lambda asked: Answer(text=asked.last_user.upper()),
            ({"model": "other"}, "matched by model"),
            Fault(status=500),
        ],
        then=Templated("then {last_user}"),
    )
    said = [script.answer(question(text)) for text in ("a", "the weather?", "b", "weather", "c")]
    assert said == ["first", "sunny", Answer(text="B"), "sunny", Fault(status=500)]
    assert script.answer(question("x", model="other")) == "matched by model"
    assert script.unused == 0
    assert script.answer(question("d")) == Answer(text="then d")


def test_script_without_an_end() -> None:
    script = Scripted(["only"])
    assert script.unused == 1
    script.answer(question("a"))
    with pytest.raises(OutOfAnswers, match="'b'"):
        script.answer(question("b"))


def test_recording_is_used_in_order_and_then_repeated() -> None:
    one, two, other = (Answer(raw=raw) for raw in (b"1", b"2", b"x"))
    recorded = Recorded([("a", one), ("b", other), ("a", two)])
    assert [recorded.answer(question("a")) for _ in range(3)] == [one, two, two]
    assert recorded.answer(question("b")) is other
    with pytest.raises(OutOfAnswers, match="nothing was recorded"):
        recorded.answer(question("c"))


@pytest.mark.parametrize("words", ["text", Answer(text="x"), Fault(status=500), lambda _: "said"])
def test_single_words_are_said_always(words: Any) -> None:
    answers = answers_from(words)
    assert isinstance(answers, Always)
    assert answers.answer(question("a")) == answers.answer(question("b"))


def test_a_function_that_raises_is_told(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    def broken(_: Question) -> str:
        raise ZeroDivisionError("as the test wants")

    model_provider.answers = broken
    with pytest.raises(openai.InternalServerError, match="as the test wants"):
        openai_client.chat.completions.create(model="g", messages=HELLO)
    assert model_provider.log[0].problem == "ZeroDivisionError: as the test wants"


def test_the_same_question_on_every_wire() -> None:
    call = {"name": "price", "arguments": "{}"}
    chat = read_chat(
        {
            "model": "g",
            "messages": [
                {"role": "developer", "content": "sys"},
                {"role": "user", "content": "ask"},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": call}]},
                {"role": "tool", "tool_call_id": "1", "content": "12"},
            ],
            "tool_choice": {"type": "function", "function": {"name": "price"}},
        },
        0,
    )
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "ask"}]},
        {"type": "function_call", "call_id": "1", **call},
        {"type": "function_call_output", "call_id": "1", "output": "12"},
    ]
    responses = read_responses(
        {"model": "g", "instructions": "sys", "tool_choice": {"type": "function", "name": "price"}},
        items,
        0,
    )
    use = {"type": "tool_use", "id": "1", "name": "price", "input": {}}
    result = {
        "type": "tool_result",
        "tool_use_id": "1",
        "content": [{"type": "text", "text": "12"}],
    }
    messages = read_messages(
        {
            "model": "g",
            "system": [{"type": "text", "text": "sys"}],
            "messages": [
                {"role": "user", "content": "ask"},
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result]},
            ],
            "tool_choice": {"type": "tool", "name": "price"},
        },
        0,
    )
    for asked in (chat, responses, messages):
        assert (asked.system, asked.last_user, asked.turn) == ("sys", "ask", 1)
        assert asked.forced_tool == "price"
        (given,) = asked.tool_results
        assert (given.call_id, given.name, given.text) == ("1", "price", "12")


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "next"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "string", "minLength": 30},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "date-time"},
        {"enum": ["x", "y"]},
        {"const": 4},
        {"type": ["null", "integer"], "minimum": 5, "maximum": 7},
        {"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "maximum": -2},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        {"type": "array", "items": {"type": "null"}, "maxItems": 0},
        {"oneOf": [{"type": "null"}, {"type": "number"}]},
        {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
        TREE,
        {},
    ],
    ids=json.dumps,
)
def test_examples_follow_their_schema(schema: dict[str, Any]) -> None:
    example = example_of(schema)
    Draft202012Validator(schema).validate(json.loads(json.dumps(example)))
    assert example == example_of(schema)


def test_a_text_is_the_sum_of_its_pieces() -> None:
    for text in ("", "one", " two  words\n", "a\tb c", "x" * 100_001):
        assert "".join(pieces(text)) == text
    assert pieces("one two  three") == ["one", " two", "  three"]
    assert "".join(fragments('{"a": "bcdefghijklmnop"}')) == '{"a": "bcdefghijklmnop"}'
    assert shortened("ääää", 1) == ("ää", True)
    assert shortened("äx漢", 1) == ("äx", True)  # no half of a character
