"""Which headers travel on, and which are kept."""

import pytest

from headway.wire.headers import MARK, MARKS, to_forward, to_keep

ONE_CONNECTION = {
    "Connection": "keep-alive, X-Private",
    "X-Private": "1",
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "Trailer": "x",
    "Transfer-Encoding": "chunked",
    "Upgrade": "h2c",
    "Proxy-Authenticate": "Basic",
    "Proxy-Connection": "keep-alive",
    "Host": "example.org",
    "X-Headway-Cache": "off",
}
FOR_THE_CLIENT = {
    "retry-after": "3",
    "retry-after-ms": "2500",
    "x-ratelimit-remaining-tokens": "12",
    "anthropic-ratelimit-requests-reset": "2026-11-20T10:00:00Z",
    "x-should-retry": "true",
    "content-encoding": "gzip",
    "content-length": "3",
}


def test_headers_of_one_connection_do_not_travel() -> None:
    assert to_forward({**ONE_CONNECTION, "Accept": "*/*"}) == [("Accept", "*/*")]


def test_what_tells_a_client_when_to_come_back_travels_unchanged() -> None:
    assert to_forward(FOR_THE_CLIENT) == list(FOR_THE_CLIENT.items())


def test_order_and_repetition_stay() -> None:
    pairs = [("Set-Cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2")]
    assert to_forward(pairs) == pairs


@pytest.mark.parametrize(
    "name",
    [
        *ONE_CONNECTION,
        "Content-Length",
        "content-encoding",
        "Date",
        "Age",
        "Set-Cookie",
        "X-Request-Id",
        "request-id",
        "X-RateLimit-Limit-Requests",
        "anthropic-ratelimit-tokens-remaining",
        "openai-processing-ms",
        "CF-Ray",
        "Alt-Svc",
        "Server-Timing",
        "Set-Cookie2",
        "X-Envoy-Upstream-Service-Time",
    ],
)
def test_headers_of_one_answer_are_not_kept(name: str) -> None:
    headers = {**ONE_CONNECTION, name: ONE_CONNECTION.get(name, "x"), "Content-Type": "a/b"}
    assert to_keep(headers) == [("Content-Type", "a/b")]


def test_headers_of_the_content_are_kept() -> None:
    headers = {"content-type": "application/json", "openai-version": "2020-10-01", "x-own": "1"}
    assert to_keep(headers) == list(headers.items())


def test_the_mark_has_five_values() -> None:
    assert MARK == "x-headway-cache"
    assert set(MARKS) == {"hit", "miss", "joined", "stale", "bypass"}
