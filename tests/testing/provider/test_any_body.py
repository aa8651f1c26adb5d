"""Whatever JSON arrives, the client gets an answer or a refusal in the provider's shape."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.testing import Templated
from headway.testing.provider.fault import NO_FAULT
from headway.testing.provider.http_request import Request
from headway.testing.provider.replies import Outcome, Replies
from headway.testing.provider.speaking import Model

CALL = {"id": "c1", "type": "function", "function": {"name": "p", "arguments": "{}"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "g",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": "p", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "n": 2,
        "max_tokens": 5,
        "stop": ["a"],
        "logprobs": True,
    },
    "/v1/responses": {
        "model": "g",
        "input": [
            {"role": "user", "content": "x"},
            {"type": "function_call", "call_id": "1", "name": "p", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "o"},
        ],
        "instructions": "i",
        "tools": [{"type": "function", "name": "p", "parameters": SCHEMA}],
        "text": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "reasoning": {"effort": "low"},
        "tool_choice": {"type": "function", "name": "p"},
    },
    "/v1/embeddings": {"model": "g", "input": ["a", "b"], "dimensions": 4},
    "/v1/messages": {
        "model": "c",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "p", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "text", "text": "r"}],
                    }
                ],
            },
        ],
        "tools": [{"name": "p", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "cache_control": {"type": "ephemeral"},
        "stop_sequences": ["a"],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "stream": True,
    },
}
ODD: list[Any] = [
    None, True, 0, -1, 3.5, "", "x", [], {}, [None], [[]], [{}], ["a", 1], 10**30,
    {"type": "function"}, {"$ref": "#/nope"}, {"$ref": "#"}, "required",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a body."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def changed(body: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """The body with something odd in one place."""
    if not path:
        return odd
    copy = body.copy()
    copy[path[0]] = changed(copy[path[0]], path[1:], odd)
    return copy


def outcome(path: str, body: Any) -> Outcome:
    headers = (("authorization", "Bearer k"), ("anthropic-version", "1"))
    request = Request("POST", path, "", "1.1", headers, json.dumps(body).encode())
    replies = Replies(Model(1.0), Templated(), None, None)
    return replies.outcome(request, "req_1", lambda question: NO_FAULT)


@pytest.mark.parametrize("path", BODIES)
def test_the_body_itself_is_answered(path: str) -> None:
    assert outcome(path, BODIES[path]).reply.status == 200


@settings(max_examples=400)
@given(st.data())
def test_any_change_is_answered_or_refused(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body: Any = BODIES[path]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(body)))
        body = changed(body, place, data.draw(st.sampled_from(ODD)))
    found = outcome(path, body)
    assert found.problem is None
    assert found.reply.status in {200, 400}
    sent = b"".join(piece.data for piece in found.reply.pieces or ()) or found.reply.body
    assert sent
    if found.reply.status == 400:
        error = json.loads(sent)["error"]
        assert error["message"]
        assert error["type"] == "invalid_request_error"
