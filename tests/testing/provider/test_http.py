"""The provider's own HTTP: requests in any framing, whatever way their bytes arrive."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.testing import Provider
from headway.testing.provider.http_request import (
    BODY_LIMIT_BYTES,
    BadRequest,
    Request,
    RequestReader,
)
from tests.testing.provider.questions import HELLO, body_of, connect, everything, request_bytes

BODY = json.dumps({"model": "g", "messages": HELLO}).encode()
CHUNKED = (
    b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nAuthorization: Bearer k\r\nX-Two:  a b \r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n"
)
COUNTED = b"POST /p HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
BARE = b"\r\nGET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"


def read(data: bytes, cuts: list[int]) -> list[Request]:
    reader, found, start = RequestReader(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        reader.feed(data[start:cut])
        start = max(start, cut)
        while (request := reader.next_request()) is not None:
            found.append(request)
    return found


@given(st.lists(st.integers(0, len(CHUNKED + COUNTED + BARE)), max_size=12))
def test_any_split_gives_the_same_requests(cuts: list[int]) -> None:
    chunked, counted, bare = read(CHUNKED + COUNTED + BARE, cuts)
    assert (chunked.path, chunked.query, chunked.body) == ("/v1/chat/completions", "x=1", b"hello!")
    assert chunked.header("x-two") == "a b"
    assert (counted.body, counted.keeps_alive) == (b"abc", True)
    assert (bare.method, bare.body, bare.version, bare.keeps_alive) == ("GET", b"", "1.0", True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname: a\n b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
        (f"POST / HTTP/1.1\r\ncontent-length: {BODY_LIMIT_BYTES + 1}\r\n\r\n".encode(), 413),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
    ],
)
def test_what_is_no_request(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        read(data, [])
    assert caught.value.status == status


def test_nonsense_gets_an_answer_and_the_door(model_provider: Provider) -> None:
    with connect(model_provider) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer, _ = everything(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"no HTTP/1.1 request line\n")


def test_continue_is_said_before_the_body(model_provider: Provider) -> None:
    request = request_bytes("/v1/chat/completions", BODY, expect="100-continue")
    head, blank, body = request.partition(b"\r\n\r\n")
    with connect(model_provider) as connection:
        connection.sendall(head + blank)
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert everything(connection)[0].startswith(b"HTTP/1.1 200 OK")


def test_chunked_request_and_pipelining(model_provider: Provider) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\n"
    chunked = head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    with connect(model_provider) as connection:
        connection.sendall(chunked + request_bytes("/v1/chat/completions", BODY))
        answer, _ = everything(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [one.body for one in model_provider.log] == [json.loads(BODY)] * 2


def test_head_and_get(model_provider: Provider) -> None:
    answers = []
    for method in ("HEAD", "GET"):
        with connect(model_provider) as connection:
            connection.sendall(request_bytes("/v1/models", b"", method=method))
            answers.append(everything(connection)[0])
    head, got = answers
    assert head.endswith(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert length == len(body_of(got)) > 0


def test_no_event_waits_for_an_acknowledgement(model_provider: Provider) -> None:
    """Without TCP_NODELAY each of these streams would stand still for 40 ms."""
    body = json.dumps({"model": "g", "messages": HELLO, "stream": True}).encode()
    request = request_bytes("/v1/chat/completions", body).replace(b"connection: close\r\n", b"")
    begun = time.perf_counter()
    with connect(model_provider) as connection:
        for _ in range(25):
            connection.sendall(request)
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received += connection.recv(65536)
    assert time.perf_counter() - begun < 25 * 0.040


def test_http_1_0_gets_no_chunks(model_provider: Provider) -> None:
    body = json.dumps({"model": "g", "messages": HELLO, "stream": True})
    request = request_bytes("/v1/chat/completions", body.encode())
    with connect(model_provider) as connection:
        connection.sendall(request.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        answer, _ = everything(connection)
    assert b"chunked" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


def test_a_client_that_reads_nothing_holds_up_nobody(model_provider: Provider) -> None:
    model_provider.answers = "x" * 20_000_000
    body = {"model": "g", "messages": HELLO, "stream": True}
    with connect(model_provider) as idle:
        idle.sendall(request_bytes("/v1/chat/completions", body))
        model_provider.wait_until(lambda log: bool(log) and log[0].first_at is not None)
        model_provider.answers = "quick"
        with connect(model_provider) as other:
            other.sendall(request_bytes("/v1/chat/completions", body))
            assert everything(other)[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert model_provider.log[0].ending == "open"
    model_provider.wait_until(lambda log: log[0].ending == "cancelled")


def test_headers_of_every_answer() -> None:
    with Provider(headers={"set-cookie": "a=b"}) as provider:
        with connect(provider) as connection:
            connection.sendall(request_bytes("/v1/chat/completions", BODY))
            head = everything(connection)[0].partition(b"\r\n\r\n")[0].decode()
        names = [line.partition(":")[0] for line in head.split("\r\n")[1:]]
        assert {"date", "x-request-id", "openai-processing-ms", "set-cookie"} <= set(names)
        assert "x-ratelimit-remaining-tokens" in names
        assert len(names) == len(set(names))
        with connect(provider) as connection:
            connection.sendall(
                request_bytes("/v1/messages", {"model": "c"}, anthropic_version="2023-06-01")
            )
            other = everything(connection)[0]
        assert b"\r\nrequest-id: req_" in other
        assert b"anthropic-ratelimit-requests-remaining" in other
