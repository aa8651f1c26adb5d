"""When two requests are the same question (traps 4 to 8 and 10)."""

import json
from typing import Any

import pytest

from headway.wire.canonical import LONG
from headway.wire.exchange import read_request
from headway.wire.key import (
    ExchangeKey,
    canonical_key,
    exact_key,
    exchange_key,
    head_part,
    raw_key,
    tenant_of,
)

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
SERVER = "https://api.example.org"
SECRET = b"0123456789abcdef"
CREDENTIALS = (
    *("authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie"),
)
IGNORED = ("stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key")
NOT_SHAPING = (
    *("accept-encoding", "connection", "content-encoding", "content-length", "expect", "host"),
    *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "http-referer"),
    *("referer", "origin", "x-title", "idempotency-key", "x-should-retry", "cache-control"),
    *("anthropic-dangerous-direct-browser-access", "pragma", "if-none-match", "date"),
    *("if-modified-since", "traceparent", "tracestate", "baggage", "b3", "sentry-trace"),
    *("request-id", "x-request-id", "x-client-request-id", "x-correlation-id", "forwarded", "via"),
    *("x-amzn-trace-id", "x-cloud-trace-context", "x-real-ip", "x-forwarded-for", "sec-fetch-mode"),
    *("x-stainless-retry-count", "x-headway-cache", "x-b3-traceid", "x-datadog-trace-id"),
)
QUESTION: dict[str, Any] = {
    "model": "m",
    "temperature": 0,
    "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "name": "g"}],
    "stop": ["x", "y"],
}


def key(
    body: Any,
    path: str = CHAT,
    headers: dict[str, str] | None = None,
    tenant: str = "t",
    method: str = "POST",
    server: str = SERVER,
) -> ExchangeKey:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = headers or {}
    request = read_request(method, path, headers, content)
    return exchange_key(
        request, tenant=tenant, method=method, url=server + path, headers=headers, body=content
    )


def canonical(body: Any, *args: Any, **given: Any) -> str:
    found = key(body, *args, **given).canonical
    assert found is not None
    return found


def test_equal_bytes_have_equal_keys_and_the_two_levels_never_meet() -> None:
    assert key(QUESTION) == key(QUESTION)
    assert key(QUESTION).raw != key(QUESTION).canonical
    assert key(b"", path="/v1/models", method="GET").canonical is not None


def test_white_space_and_the_order_of_keys_change_only_the_raw_key() -> None:
    other = json.dumps(dict(reversed(QUESTION.items())), indent=1).encode()
    assert key(other).raw != key(QUESTION).raw
    assert canonical(other) == canonical(QUESTION)
    assert canonical(b'{"a": "\\u0041", "c": 1e0}') == canonical(b'{"c": 1.0, "a": "A"}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1}', b'{"a": 1.0}'),
        (b'{"a": 0.0}', b'{"a": -0.0}'),
        (b'{"a": 1}', b'{"a": true}'),
        (b'{"a": 1}', b'{"a": "1"}'),
        (b'{"a": null}', b"{}"),
        (b'{"a": []}', b'{"a": {}}'),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}'),
        (b'{"a": 10000000000000000}', b'{"a": 1e16}'),
        (b'{"a": 9007199254740993}', b'{"a": 9007199254740992}'),
        (b'{"a": 123456789012345678901234567890}', b'{"a": 123456789012345678901234567891}'),
        ('{"a": "é"}'.encode(), '{"a": "e\u0301"}'.encode()),
        (b'{"a": "\\ud800"}', b'{"a": "\\ud801"}'),
        (b'{"a": "\\ud800"}', b'{"a": "?"}'),
    ],
)
def test_different_values_have_different_keys(one: bytes, other: bytes) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("name", ["messages", "tools", "stop"])
def test_the_order_of_lists_counts(name: str) -> None:
    assert canonical(QUESTION) != canonical({**QUESTION, name: QUESTION[name][::-1]})


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("name", ["guided_json", "top_p", "seed", "model", "response_format", "x"])
def test_every_member_counts_known_or_not(path: str, name: str) -> None:
    seen = {canonical({**QUESTION, name: value}, path) for value in (None, 1, 1.0, "1", {"b": 2})}
    assert len(seen) == 5


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", IGNORED)
def test_documented_members_do_not_count(path: str, name: str) -> None:
    assert canonical({**QUESTION, name: {"a": "b"}}, path) == canonical(QUESTION, path)
    inside = {**QUESTION, "messages": [{"role": "user", "content": "a", name: "b"}]}
    outside = {**QUESTION, "messages": [{"role": "user", "content": "a"}]}
    assert canonical(inside, path) != canonical(outside, path)


@pytest.mark.parametrize("name", ["user", "metadata", "safety_identifier", "prompt_cache_key"])
def test_what_a_response_repeats_counts_there(name: str) -> None:
    assert canonical({**QUESTION, name: "b"}, RESPONSES) != canonical(QUESTION, RESPONSES)


def test_unknown_wires_ignore_nothing() -> None:
    assert canonical({"user": "a"}, "/v1/other") != canonical({"user": "b"}, "/v1/other")


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_a_stream_and_a_whole_answer_are_two_records(path: str) -> None:
    whole = canonical(QUESTION, path)
    assert canonical({**QUESTION, "stream": False}, path) == whole
    assert canonical({**QUESTION, "stream": True}, path) != whole


@pytest.mark.parametrize("said", [1, "true", 0, "no", True])
def test_what_only_some_servers_take_for_a_stream_is_a_record_of_its_own(said: object) -> None:
    assert canonical({**QUESTION, "stream": said}) != canonical(QUESTION)
    assert canonical({**QUESTION, "stream": None}) == canonical({**QUESTION, "stream": False})


@pytest.mark.parametrize(
    "name", ["x-forwarded-user", "x-forwarded-email", "x-forwarded-access-token"]
)
def test_who_a_proxy_says_is_asking_counts(name: str) -> None:
    one, other = key(QUESTION, headers={name: "a"}), key(QUESTION, headers={name: "b"})
    assert one.raw != other.raw
    assert one.canonical != other.canonical


def test_a_stream_with_a_usage_chunk_is_another_record() -> None:
    def of(options: Any) -> str:
        return canonical({**QUESTION, "stream": True, "stream_options": options})

    assert of({"include_usage": True}) != of({"include_usage": False})
    assert of({"include_usage": False}) == of({}) == of(None)
    assert of({"include_obfuscation": False}) != of({})


def test_cache_markers_of_anthropic_do_not_count_at_any_depth() -> None:
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}

    def question(**extra: Any) -> dict[str, Any]:
        text = {"type": "text", "text": "a", **extra}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [text], **extra}
        return {
            "system": [text],
            "tools": [{"name": "f", "input_schema": {}, **extra}],
            "messages": [{"role": "user", "content": [result]}],
            **extra,
        }

    marked, plain = key(question(**marker), MESSAGES), key(question(), MESSAGES)
    assert marked.canonical == plain.canonical
    assert marked.raw != plain.raw
    assert canonical(question(cache_control=None), MESSAGES) == plain.canonical
    assert canonical(question(**marker), CHAT) != canonical(question(), CHAT)
    count = "/v1/messages/count_tokens"
    assert canonical(question(**marker), count) == canonical(question(), count)


def test_what_only_looks_like_a_marker_counts() -> None:
    def question(value: object) -> dict[str, Any]:
        use = {"type": "tool_use", "id": "t", "name": "f", "input": {"cache_control": value}}
        return {"messages": [{"role": "assistant", "content": [use]}]}

    marker = {"type": "ephemeral"}
    assert canonical(question(marker), MESSAGES) != canonical(question(None), MESSAGES)
    schema = {"tools": [{"input_schema": {"properties": {"cache_control": marker}}}]}
    without = {"tools": [{"input_schema": {"properties": {}}}]}
    assert canonical(schema, MESSAGES) != canonical(without, MESSAGES)
    assert canonical({"cache_control": {"new": 1}}, MESSAGES) != canonical({}, MESSAGES)


def test_a_request_is_not_changed_by_taking_its_key() -> None:
    body = {"user": "u", "cache_control": {"type": "ephemeral"}}
    content = json.dumps(body).encode()
    request = read_request("POST", MESSAGES, {}, content)
    exchange_key(request, tenant="t", method="POST", url=SERVER, headers={}, body=content)
    assert request.body == body


@pytest.mark.parametrize(
    "body", [b"{", b'{"a": 1, "a": 1}', b"\xff", b'{"a": NaN}', b"[" * 10_000, b"\x1f\x8b"]
)
def test_a_body_that_cannot_be_relied_on_has_only_a_raw_key(body: bytes) -> None:
    assert key(body).canonical is None
    assert key(body).raw == key(body).raw != key(body + b" ").raw


@pytest.mark.parametrize(
    "name",
    [
        "anthropic-version",
        "anthropic-beta",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "x-some-extra",
        "accept",
    ],
)
def test_headers_that_shape_the_answer_count(name: str) -> None:
    seen = [key(QUESTION, headers={name: "a"}), key(QUESTION, headers={name: "b"}), key(QUESTION)]
    assert len({one.raw for one in seen}) == len({one.canonical for one in seen}) == 3


@pytest.mark.parametrize("name", [*NOT_SHAPING, *CREDENTIALS])
def test_headers_that_do_not_shape_it_do_not_count(name: str) -> None:
    assert key(QUESTION, headers={name: "a"}) == key(QUESTION)


def test_the_order_of_headers_does_not_count_and_they_do_not_run_together() -> None:
    assert key(QUESTION, headers={"a": "1", "b": "2"}) == key(
        QUESTION, headers={"b": "2", "a": "1"}
    )
    assert key(QUESTION, headers={"a": "bc"}) != key(QUESTION, headers={"ab": "c"})


def test_tenant_method_and_url_count() -> None:
    keys = [
        key(QUESTION),
        key(QUESTION, tenant="u"),
        key(QUESTION, server="https://other.example.org"),
        key(QUESTION, server="http://api.example.org"),
        key(QUESTION, server=SERVER + "/proxy"),
        key(QUESTION, path=CHAT + "?api-version=2"),
        key(QUESTION, path="/v2/chat/completions"),
        key(QUESTION, path="/v1/other", method="PUT"),
        key(QUESTION, path="/v1/other"),
    ]
    assert len({one.raw for one in keys}) == len({one.canonical for one in keys}) == len(keys)


@pytest.mark.parametrize(
    "server",
    ["HTTPS://API.example.org", "https://api.example.org:443", "https://user:pw@api.example.org"],
)
def test_a_server_written_differently_is_the_same(server: str) -> None:
    assert key(QUESTION, server=server) == key(QUESTION)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_each_credential_makes_a_tenant_of_its_own(name: str) -> None:
    tenants = {tenant_of({name: value}, SERVER, SECRET) for value in ("a", "b")}
    assert len(tenants | {tenant_of({}, SERVER, SECRET)}) == 3
    assert tenant_of({name: "a"}, SERVER, SECRET) in tenants


def test_a_tenant_is_of_one_server_whatever_the_path() -> None:
    who = {"authorization": "Bearer k"}
    here = tenant_of(who, SERVER + CHAT, SECRET)
    assert here == tenant_of(who, SERVER + RESPONSES + "?a=b", SECRET)
    for url in ("http://api.example.org", "https://api.example.org:8443", "https://b.example.org"):
        assert tenant_of(who, url + CHAT, SECRET) != here


def test_credentials_in_the_url_count() -> None:
    tenants = {
        tenant_of({}, url, SECRET)
        for url in (SERVER, f"{SERVER}/?key=a", f"{SERVER}/?key=b", "https://u:p@api.example.org")
    }
    assert len(tenants) == 4


def test_a_tenant_tells_nothing_without_the_secret() -> None:
    who = {"x-api-key": "sk-very-secret"}
    tenant = tenant_of(who, SERVER, SECRET)
    assert "secret" not in tenant
    assert tenant != tenant_of(who, SERVER, b"another secret..")


def test_credentials_do_not_run_together() -> None:
    one = {"x-api-key": "a", "api-key": "b"}
    other = {"x-api-key": "b", "api-key": "a"}
    assert tenant_of(one, SERVER, SECRET) != tenant_of(other, SERVER, SECRET)


@pytest.mark.parametrize("url", ["", "http://[::1", "x", "http://h:port/", "\ud800"])
def test_urls_that_are_none_harm_nobody(url: str) -> None:
    request = read_request("POST", CHAT, {}, b"{}")
    tenant = tenant_of({"cookie": "\ud800"}, url, SECRET)
    found = exchange_key(request, tenant=tenant, method="POST", url=url, headers={}, body=b"{}")
    assert found.canonical is not None


@pytest.mark.parametrize(
    "cookie", ["__cf_bm=x", "_cfuvid=1; AWSALB=2;AWSALBCORS=3", "__cflb=a; GCLB=b"]
)
def test_cookies_of_load_balancers_make_no_tenant(cookie: str) -> None:
    nobody = tenant_of({}, SERVER, SECRET)
    somebody = tenant_of({"cookie": "session=7"}, SERVER, SECRET)
    assert tenant_of({"cookie": cookie}, SERVER, SECRET) == nobody
    assert tenant_of({"cookie": f"{cookie}; session=7"}, SERVER, SECRET) == somebody != nobody
    assert tenant_of({"cookie": f"session=7;{cookie}"}, SERVER, SECRET) == somebody
    assert tenant_of({"cookie": f"x{cookie}"}, SERVER, SECRET) != nobody


def test_a_key_is_made_of_its_head_and_the_body() -> None:
    body = json.dumps(QUESTION).encode()
    head = head_part(tenant="t", method="post", url=SERVER + CHAT, headers={})
    request = read_request("POST", CHAT, {}, body)
    by_parts = canonical_key(head, request)
    assert by_parts is not None
    assert (raw_key(head, body).hex(), by_parts.hex()) == (key(QUESTION).raw, canonical(QUESTION))
    assert [len(one) for one in (head, raw_key(head, body), by_parts)] == [32, 32, 32]
    assert canonical_key(head, request.without_body()) is None


@pytest.mark.parametrize("size", [0, 500, LONG - 1, LONG, 3 * LONG])
def test_exact_keys_are_equal_for_equal_bytes_alone(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    known = {exact_key(b"1:", body): "known"}
    assert known.get(exact_key(b"1:", bytes(bytearray(body)))) == "known"
    assert exact_key(b"1", b":" + body) not in known
    assert exact_key(b"2:", body) not in known
    assert exact_key(b"1:", body + b"x") not in known
    for place in {0, size // 2, size - 1} if size else set():
        changed = bytearray(body)
        changed[place] ^= 1
        assert exact_key(b"1:", bytes(changed)) not in known


def test_long_bodies_that_were_made_to_have_one_hash_are_told_apart() -> None:
    bodies = []
    for place in range(LONG // 2, LONG // 2 + 100):
        changed = bytearray(LONG)
        changed[place] = 1
        bodies.append(bytes(changed))
    keys = [exact_key(b"1:", body) for body in bodies]
    assert len(set(map(hash, keys))) < 10
    known = dict(zip(keys, bodies, strict=True))
    assert [known[exact_key(b"1:", body)] for body in bodies] == bodies
    assert keys[0] != (b"1:", bodies[0])


def test_a_head_of_any_length_does_not_run_into_the_body() -> None:
    request = read_request("POST", CHAT, {}, b"{}")
    assert raw_key(b"ab", b"c") != raw_key(b"a", b"bc")
    assert canonical_key(b"a", request) != canonical_key(b"awhole", request)


def test_long_bodies_have_keys_by_the_same_rules() -> None:
    messages = [{"role": "user", "content": f"{n} é " * 300} for n in range(40)]
    asked = {**QUESTION, "messages": messages}
    backward = dict(reversed(asked.items()))
    indented = json.dumps(asked, indent=2, ensure_ascii=False).encode()
    assert canonical(asked) == canonical(backward) == canonical(indented)
    assert canonical({**asked, "user": "u", "metadata": {"a": "b"}}) == canonical(asked)
    for changed in ({"messages": messages[::-1]}, {"messages": messages[1:]}, {"seed": 1}):
        assert canonical({**asked, **changed}) != canonical(asked)
    marked = [{**one, "cache_control": {"type": "ephemeral"}} for one in messages]
    assert canonical({**asked, "messages": marked}, MESSAGES) == canonical(asked, MESSAGES)
    assert canonical({**asked, "messages": marked}) != canonical(asked)
