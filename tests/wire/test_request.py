"""What a request asks for."""

import json
from hashlib import sha256
from typing import Any

import pytest

from headway.wire.exchange import RequestFacts, read_request, wire_of


def ask(path: str, body: Any, method: str = "POST", **headers: str) -> RequestFacts:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_request(method, path, headers, content)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("method", "path", "wire", "provider"),
    [
        ("POST", "/v1/chat/completions", "openai.chat", "openai"),
        ("POST", "/openai/deployments/d/chat/completions", "openai.chat", "openai"),
        ("post", "/v1/responses", "openai.responses", "openai"),
        ("POST", "/v1/embeddings?api-version=1", "openai.embeddings", "openai"),
        ("POST", "/v1/messages?beta=true", "anthropic.messages", "anthropic"),
        ("POST", "/proxy/anthropic/v1/messages/", "anthropic.messages", "anthropic"),
        ("POST", "/v1/messages/count_tokens", "anthropic.count_tokens", "anthropic"),
        ("GET", "/v1/models", "models", "openai"),
        ("GET", "/v1/models/org/name", "models", "openai"),
        ("GET", "/cars/models", "other", "other"),
        ("POST", "/v1/models", "other", "other"),
        ("GET", "/v1/chat/completions", "other", "other"),
        ("GET", "/v1/responses/resp_1", "other", "other"),
        ("POST", "/v1/threads/t/messages", "other", "other"),
        ("POST", "/v1/messages/batches", "other", "other"),
        ("POST", "/v1/completions", "other", "other"),
        ("POST", "", "other", "other"),
    ],
)
def test_the_wire_is_known_by_method_and_path(
    method: str, path: str, wire: str, provider: str
) -> None:
    facts = ask(path, {}, method)
    assert (facts.wire, facts.provider) == (wire, provider)
    assert wire_of(method, path) == wire
    assert wire_of(method, "/far" * 100 + path) == wire


def test_facts_without_their_body_are_the_same_but_for_what_is_read_from_it() -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "tool", "content": "t"}]
    facts = ask("/v1/chat/completions", {"model": "m", "temperature": 0, "messages": messages})
    kept = facts.without_body()
    assert (kept.model, kept.why_not, kept.message_count) == ("m", None, 2)
    assert (kept.body, kept.canonical, kept.tool_results, kept.system_digest) == (
        None,
        None,
        (),
        None,
    )
    assert len(facts.tool_results) == 1
    assert facts.system_digest == digest("s")


def test_the_list_of_models_is_of_whom_the_headers_name() -> None:
    facts = read_request("GET", "/v1/models", {"anthropic-version": "2023-06-01"}, b"")
    assert (facts.provider, facts.is_repeatable, facts.body) == ("anthropic", True, None)


def test_model_stream_and_usage_chunk() -> None:
    body = {"model": "gpt-x", "stream": True, "stream_options": {"include_usage": True}}
    facts = ask("/v1/chat/completions", body)
    assert (facts.model, facts.streams, facts.wants_usage_chunk) == ("gpt-x", True, True)
    assert facts.body == body
    plain = ask("/v1/chat/completions", {"model": "gpt-x"})
    assert (plain.streams, plain.wants_usage_chunk) == (False, False)
    assert not ask("/v1/embeddings", {"stream": True}).streams


def test_without_a_model_in_the_body_the_deployment_is_the_model() -> None:
    assert ask("/openai/deployments/mine/chat/completions", {}).model == "mine"


def test_tool_results_of_a_chat() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42 €"},
        {"role": "tool", "tool_call_id": "c9", "content": [{"type": "text", "text": "42 €"}]},
        {"role": "function", "name": "old", "content": "7"},
    ]
    facts = ask("/v1/chat/completions", {"messages": messages})
    first, second, third = facts.tool_results
    assert (first.id, first.name, first.digest, first.size) == ("c1", "price", digest("42 €"), 6)
    assert (second.id, second.name, second.digest) == ("c9", None, digest("42 €"))
    assert (third.id, third.name, third.digest) == (None, "old", digest("7"))
    assert facts.system_digest == digest("be brief")
    assert facts.message_count == 5


def test_tool_results_of_a_message() -> None:
    used = {"type": "tool_use", "id": "t1", "name": "price", "input": {}}
    image = [{"type": "image", "source": {"type": "url", "url": "u"}}]
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": "42"},
        {"type": "tool_result", "tool_use_id": "t2", "content": image},
        {"type": "tool_result", "tool_use_id": "t3"},
    ]
    messages = [{"role": "assistant", "content": [used]}, {"role": "user", "content": results}]
    system = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    facts = ask("/v1/messages", {"messages": messages, "system": system})
    assert [(one.id, one.name) for one in facts.tool_results] == [
        ("t1", "price"),
        ("t2", None),
        ("t3", None),
    ]
    assert facts.tool_results[0].digest == digest("42")
    assert facts.tool_results[1].size == len(json.dumps(image, separators=(",", ":")))
    assert facts.system_digest == digest("be brief")
    assert facts.message_count == 2


def test_tool_results_of_a_response() -> None:
    items = [
        {"role": "developer", "content": "b"},
        {"type": "function_call", "call_id": "c1", "name": "price", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "43"},
    ]
    facts = ask("/v1/responses", {"instructions": "a", "input": items})
    assert [(one.id, one.name, one.digest) for one in facts.tool_results] == [
        ("c1", "price", digest("42")),
        ("c2", None, digest("43")),
    ]
    assert facts.system_digest == digest("a\n\nb")
    assert facts.message_count == 4
    assert ask("/v1/responses", {"input": "hello"}).message_count == 1


@pytest.mark.parametrize(
    ("given", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), (None, 0)]
)
def test_texts_to_embed_are_counted(given: object, count: int) -> None:
    assert ask("/v1/embeddings", {"input": given}).message_count == count


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"temperature": NaN}', "not JSON"),
        (b'{"temperature": 1e999}', "not JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"temperature": 0, "temperature": 0}', "duplicate keys"),
        (b'{"a": [{"b": 1, "\\u0062": 2}], "temperature": 0}', "duplicate keys"),
        (b'{"a": "\\u003a", "b": 1, "b": 2}', "duplicate keys"),
        (b"[" * 10_000 + b"]" * 10_000, "too deep"),
        (b'{"a":' * 10_000, "too deep"),
        (b" " * (32 * 1024 * 1024 + 1), "longer than"),
        (b"[]", "no JSON object"),
        (b"3", "no JSON object"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/messages"])
def test_a_body_that_cannot_be_relied_on_is_not_repeatable(
    path: str, body: bytes, why: str
) -> None:
    facts = ask(path, body)
    assert not facts.is_repeatable
    assert facts.why_not is not None
    assert why in facts.why_not
    assert facts.body is None or why == "no JSON object"


def test_unusual_but_legal_json_is_read() -> None:
    body = b'{"temperature": 0, "messages": [{"role": "system", "content": "\\ud83d"}], "a:b": 1}'
    facts = ask("/v1/chat/completions", body)
    assert facts.is_repeatable
    assert facts.message_count == 1
    assert facts.system_digest is not None
    huge = ask("/v1/chat/completions", b'{"temperature": 0, "x": 123456789012345678901234567890}')
    assert huge.body == {"temperature": 0, "x": 123456789012345678901234567890}


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [None], [[]], {"a": 1}, True])
@pytest.mark.parametrize(
    "name", ["messages", "input", "tools", "system", "model", "stream_options", "modalities"]
)
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"]
)
def test_members_of_the_wrong_type_harm_nobody(path: str, name: str, value: object) -> None:
    ask(path, {name: value})
    ask(path, {"messages": [{name: value, "role": "tool", "content": value, "tool_calls": value}]})
    ask(path, {"input": [{"type": value, name: value}], "tools": [{"type": value, "tools": value}]})
