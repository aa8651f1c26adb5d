"""Bytes that no honest client sends: each is one request or none, and never hides a second one.

The server behind is a plain one that writes down every byte: what it never heard was not passed on.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.testing.provider import Provider
from tests.contract.every_door import SERVERS
from tests.contract.wire_doors import Setup, WireDoor
from tests.contract.wire_exchanges import CHAT, MESSAGES, STREAMS, Ask
from tests.gateway.raw_client import (
    GOOD,
    GOOD_BODY,
    RawAnswer,
    RawClient,
    RawServer,
    chunked,
    connected,
    head_to,
    raw_server,
    request_to,
)

EVERY = pytest.mark.parametrize("door", SERVERS, ids=lambda door: door.name)
pytestmark = [pytest.mark.anyio, EVERY]

PASSING, KEPT = Setup(ttl=None), Setup()
BODY = CHAT.content
SIZE = f"content-length: {len(BODY)}"
HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: model.test\r\n\r\n"
REFUSED = {400, 411, 413, 414, 431, 501, 505}


@asynccontextmanager
async def opened(
    door: WireDoor, setup: Setup = PASSING
) -> AsyncIterator[tuple[RawClient, RawServer]]:
    """A raw client of the door, and the raw server behind it."""
    async with (
        raw_server() as server,
        door.open(server, setup) as way,
        connected(way.anthropic_url) as client,
    ):
        yield client, server


async def everything(client: RawClient, quiet_s: float = 1.0) -> tuple[list[RawAnswer], bool]:
    """All answers that come, and whether the connection was closed behind them."""
    answers: list[RawAnswer] = []
    while True:
        try:
            patience_s = (30.0, quiet_s, 0.15)[min(len(answers), 2)]
            answers.append(await asyncio.wait_for(client.answer(), patience_s))
        except EOFError:
            return answers, True
        except TimeoutError:
            return answers, False


def hiding(*lines: str, body: bytes = BODY) -> bytes:
    """A request with these header lines and body, and a second one right behind it."""
    return head_to(*lines) + body + HIDDEN


TE = "transfer-encoding: chunked"
CHUNKS = chunked(BODY)
AMBIGUOUS = {
    "length and chunks": hiding(SIZE, TE, body=CHUNKS),
    "chunks and length": hiding(TE, SIZE, body=CHUNKS),
    "length 0 and chunks": hiding("content-length: 0", TE, body=CHUNKS),
    "length in capitals and chunks": hiding("CONTENT-LENGTH: 5", TE, body=CHUNKS),
    "two lengths": hiding(SIZE, "content-length: 5"),
    "two lengths, the first less": hiding("content-length: 5", SIZE),
    "a list of lengths": hiding(f"content-length: {len(BODY)}, 5"),
    "negative length": hiding("content-length: -5"),
    "signed length": hiding(f"content-length: +{len(BODY)}"),
    "length in hexadecimal": hiding("content-length: 0x10"),
    "length with a space in it": hiding("content-length: 1 0"),
    "length with an exponent": hiding("content-length: 1e2"),
    "length beyond 64 bits": hiding("content-length: 18446744073709551621"),
    "empty length": hiding("content-length:"),
    "length behind a space": hiding(f"content-length : {len(BODY)}"),
    "unknown transfer-encoding": hiding("transfer-encoding: xchunked", body=CHUNKS),
    "chunked is not the last": hiding("transfer-encoding: chunked, identity", body=CHUNKS),
    "chunked, then another line": hiding(TE, "transfer-encoding: identity", body=CHUNKS),
    "another line, then length": hiding("transfer-encoding: identity", SIZE),
    "vertical tab before chunked": hiding("transfer-encoding: \x0bchunked", body=CHUNKS),
    "quoted chunked": hiding('transfer-encoding: "chunked"', body=CHUNKS),
    "chunked behind a space": hiding("transfer-encoding : chunked", body=CHUNKS),
    "chunked on a folded line": hiding("transfer-encoding:\r\n chunked", body=CHUNKS),
    "folded line": hiding(SIZE, "x-a: b\r\n c: d"),
    "folded first line": head_to()[:-2].replace(b"\r\nhost", b"\r\n host") + b"\r\n" + HIDDEN,
    "zero byte in a value": hiding(SIZE, "x-a: b\x00c"),
    "zero byte in a name": hiding(SIZE, "x\x00a: b"),
    "line without a colon": hiding(SIZE, "x-a"),
    "empty name": hiding(SIZE, ": b"),
    "space in a name": hiding(SIZE, "x a: b"),
    "bare CR in a value": hiding(SIZE, "x-a: b\rtransfer-encoding: chunked"),
    "bare LF in a value": hiding(SIZE, "x-a: b\ncontent-length: 0"),
    "bare LF everywhere": hiding(SIZE).replace(b"\r\n", b"\n"),
    "bare LF at the end of the head": head_to(SIZE)[:-4] + b"\n\n" + BODY + HIDDEN,
    "bare LF behind the first line": head_to(SIZE).replace(b"1.1\r\n", b"1.1\n") + BODY + HIDDEN,
    "signed size of a chunk": hiding(TE, body=b"+5\r\nhello\r\n0\r\n\r\n"),
    "negative size of a chunk": hiding(TE, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "size of a chunk with 0x": hiding(TE, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "size of a chunk beyond 64 bits": hiding(TE, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "size of a chunk ends with LF": hiding(TE, body=b"5\nhello\r\n0\r\n\r\n"),
    "chunk longer than its size": hiding(TE, body=b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk ends with LF": hiding(TE, body=b"5\r\nhello\n0\r\n\r\n"),
    "LF in a chunk's extension": hiding(TE, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "version 2.0": head_to(SIZE).replace(b"HTTP/1.1", b"HTTP/2.0") + BODY + HIDDEN,
    "version 1.2": head_to(SIZE).replace(b"HTTP/1.1", b"HTTP/1.2") + BODY + HIDDEN,
    "version in small letters": head_to(SIZE).replace(b"HTTP/1.1", b"http/1.1") + BODY,
    "no version": b"GET /hidden\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00" * 3,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    "nonsense": b"\x00\x01\x02 hello\r\n\r\n",
    "unknown method": head_to(SIZE).replace(b"POST", b"P0ST") + BODY,
    "tab in the first line": head_to(SIZE).replace(b"POST /", b"POST\t/") + BODY,
    "space in the path": head_to(SIZE, path="/v1/chat completions") + BODY,
    "two hosts": hiding(SIZE, "host: other.test"),
    "no host": hiding(SIZE).replace(b"host: model.test\r\n", b"", 1),
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_trap_17_what_can_be_read_in_two_ways_is_refused(door: WireDoor, data: bytes) -> None:
    async with opened(door) as (client, server):
        await client.send(data)
        answers, is_closed = await everything(client)
    assert [answer.status in REFUSED for answer in answers] == [True]
    assert is_closed
    assert bytes(server.heard) == b""


ONE_REQUEST = {
    "two equal lengths": hiding(SIZE, SIZE),
    "a list of equal lengths": hiding(f"content-length: {len(BODY)}, {len(BODY)}"),
    "chunked twice": hiding(TE, TE, body=CHUNKS),
    "gzip and chunked": hiding("transfer-encoding: gzip, chunked", body=CHUNKS),
    "chunks and the name in capitals": hiding("TRANSFER-ENCODING: Chunked", body=CHUNKS),
    "length in capitals": hiding(SIZE.upper()),
    "length with zeros before it": hiding(f"content-length: 000{len(BODY)}"),
    "length with spaces around": hiding(f"content-length:   {len(BODY)}  "),
    "an extension of a chunk": hiding(TE, body=CHUNKS.replace(b"10\r\n", b"10;a=b\r\n")),
    "framing among the trailers": hiding(
        TE, body=CHUNKS[:-2] + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    ),
    "underscores": hiding(SIZE, "transfer_encoding: chunked", "content_length: 5"),
    "connection names the length": hiding(SIZE, "connection: content-length"),
    "connection names the encoding": hiding(TE, "connection: transfer-encoding", body=CHUNKS),
    "line ends before the request": b"\r\n\r\n" + hiding(SIZE),
    "a length and no body on GET": (
        b"GET /v1/models HTTP/1.1\r\nhost: model.test\r\ncontent-length: 0\r\n\r\n" + HIDDEN
    ),
    "the whole address as the path": (
        hiding(SIZE).replace(b"POST /", b"POST http://evil.test/", 1)
    ),
    "a line end in the path, encoded": (
        head_to(SIZE, path="/v1/chat/completions%0d%0ahost:%20evil.test") + BODY + HIDDEN
    ),
}


@pytest.mark.parametrize("data", ONE_REQUEST.values(), ids=ONE_REQUEST)
async def test_trap_17_what_is_odd_is_read_in_one_way_here_and_behind(
    door: WireDoor, data: bytes
) -> None:
    async with opened(door) as (client, server):
        await client.send(data)
        answers, _ = await everything(client)
    # Refused at once, or two requests in a row, each framed by one length of its own.
    if answers[0].status in REFUSED:
        assert bytes(server.heard) == b""
        return
    assert len(server.requests) <= 2
    for request in server.requests:
        assert len(request.all_of("content-length")) <= 1
        assert not request.all_of("transfer-encoding")
        assert len(request.all_of("host")) == 1
        assert "evil" not in str(request.all_of("host"))
    assert all(is_asked_by(door, request.body) for request in server.requests)
    assert [request.line.startswith("GET /") for request in server.requests[1:]] in ([True], [])
    assert b"".join(request.body for request in server.requests).count(b"hidden") == 0


def is_asked_by(door: WireDoor, body: bytes, question: Ask = CHAT) -> bool:
    """Whether *body* is the question, or none at all."""
    if door.passes_bytes or not body:
        return body in (question.content, b"")
    return json.loads(body)["messages"] == question.body["messages"]


async def test_trap_17_chunks_of_version_1_0_end_the_connection(door: WireDoor) -> None:
    old = (
        b"POST /v1/chat/completions HTTP/1.0\r\nhost: model.test\r\n"
        b"transfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n"
    )
    async with opened(door) as (client, server):
        await client.send(old + CHUNKS + HIDDEN)
        answers, is_closed = await everything(client, 0.5)
    assert (len(answers), is_closed) == (1, True)
    assert b"hidden" not in server.heard


async def test_trap_17_a_body_that_looks_like_a_request_stays_a_body(door: WireDoor) -> None:
    question = CHAT.with_body(messages=[{"role": "user", "content": HIDDEN.decode()}])
    async with opened(door) as (client, server):
        await client.send(request_to(question) + request_to(CHAT))
        answers, _ = await everything(client)
    assert [answer.status for answer in answers] == [200, 200]
    lines = ["POST /v1/chat/completions HTTP/1.1"] * 2
    assert [request.line for request in server.requests] == lines
    assert is_asked_by(door, server.requests[0].body, question)


LARGE = {
    "one header": head_to("x-a: " + "b" * 100_000),
    "many headers": head_to(*[f"x-{number}: {'b' * 100}" for number in range(1000)]),
    "a path": head_to(path="/v1/" + "a" * 100_000),
    "a name": head_to("x" * 100_000 + ": b"),
    "a head without end": head_to("x-a: " + "b" * 200_000)[:-8],
    "a first line without end": b"POST /" + b"a" * 200_000,
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("step", [None, 8192], ids=["at once", "in pieces"])
async def test_trap_17_a_head_that_is_too_large_is_refused(
    door: WireDoor, data: bytes, step: int | None
) -> None:
    async with opened(door) as (client, server):
        await client.send(data, in_steps_of=step)
        answers, is_closed = await everything(client)
    expected = {431} if door.is_in_process else REFUSED
    assert [answer.status in expected for answer in answers] == [True]
    assert is_closed
    assert bytes(server.heard) == b""


ENDLESS = {
    "trailers": CHUNKS[:-2] + b"".join(b"x-%d: %b\r\n" % (n, b"b" * 100) for n in range(3000)),
    "an extension of a chunk": b"5;" + b"a" * 300_000,
    "zeros before the size of a chunk": b"0" * 300_000,
}


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
async def test_trap_17_what_surrounds_a_body_has_an_end(door: WireDoor, data: bytes) -> None:
    async with opened(door) as (client, server):
        await client.send(head_to(TE) + data, in_steps_of=8192)
        answers, is_closed = await everything(client)
    assert [answer.status in REFUSED for answer in answers] == [True]
    assert is_closed
    assert bytes(server.heard) == b""


SMALL = Setup(ttl=None, max_body_bytes=10_000)
WIDE = CHAT.with_body(user="x" * 20_000)
TOO_MUCH = {
    "announced": request_to(WIDE),
    "announced, not sent": head_to("content-length: 20000"),
    "in chunks": head_to(TE) + chunked(WIDE.content, 1000),
    "in chunks without end": head_to(TE) + b"3e8\r\n%b\r\n" % (b"x" * 1000) * 30,
    "an immense chunk": head_to(TE) + b"fffffff\r\n" + b"x" * 20_000,
}


@pytest.mark.parametrize("data", TOO_MUCH.values(), ids=TOO_MUCH)
async def test_trap_17_a_body_that_is_too_large_is_refused(door: WireDoor, data: bytes) -> None:
    async with opened(door, SMALL) as (client, server):
        await client.send(data)
        answers, is_closed = await everything(client)
    assert [answer.status for answer in answers] == [413]
    assert is_closed
    assert bytes(server.heard) == b""


async def test_trap_17_a_large_body_within_bounds_passes(door: WireDoor) -> None:
    question = CHAT.with_body(messages=[{"role": "user", "content": "x" * 3_000_000}])
    async with opened(door, KEPT) as (client, server):
        await client.send(request_to(question))
        answer = await client.answer()
    assert answer.status == 200
    assert is_asked_by(door, server.requests[0].body, question)
    assert server.requests[0].body


# --- bad JSON and the like: the server's affair, and never kept ---------------------------------

DEEP = b'{"model":"gpt-5.6","temperature":0,"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"
NO_QUESTION = {
    "half": BODY[:-20],
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"model"',
    "null": b"null",
    "no UTF-8": BODY.replace(b"moat", b"mo\xff\xfeat"),
    "behind a BOM": b"\xef\xbb\xbf" + BODY,
    "two documents": BODY + BODY,
    "a comma too many": BODY[:-1] + b",}",
    "NaN": BODY.replace(b'"temperature":0', b'"temperature":NaN'),
    "duplicate keys": BODY[:-1] + b',"temperature":0}',
    "duplicate keys inside": BODY.replace(b'"role"', b'"role":"user","role"'),
    "duplicate keys, one escaped": BODY[:-1] + b',"mode\\u006c":"gpt-5.6-mini"}',
    "too deep": DEEP,
    "another content-type": None,
}


@pytest.mark.parametrize("body", NO_QUESTION.values(), ids=NO_QUESTION)
async def test_what_is_no_question_passes_as_it_is_and_is_not_kept(
    door: WireDoor, body: bytes | None
) -> None:
    question = CHAT if body is None else CHAT.as_bytes(body)
    if body is None:
        question = question.with_headers(content_type="multipart/form-data; boundary=a")
        question = question.as_bytes(b'--a\r\ncontent-disposition: form-data; name="a"\r\n\r\nb')
    async with opened(door, KEPT) as (client, server):
        await client.send(request_to(question) * 2)
        answers = [await client.answer() for _ in range(2)]
    assert [(answer.status, answer.mark) for answer in answers] == [(200, "bypass")] * 2
    assert [request.body for request in server.requests] == [question.content] * 2


async def test_an_encoded_body_of_a_request_passes_as_it_is(door: WireDoor) -> None:
    question = CHAT.as_bytes(gzip.compress(BODY)).with_headers(content_encoding="gzip")
    async with opened(door, KEPT) as (client, server):
        await client.send(request_to(question) * 2)
        answers = [await client.answer() for _ in range(2)]
    assert [(answer.status, answer.mark) for answer in answers] == [(200, "bypass")] * 2
    assert [request.all_of("content-encoding") for request in server.requests] == [["gzip"]] * 2
    assert server.requests[0].body == question.content


# --- legal, and seldom seen ---------------------------------------------------------------------


async def test_a_body_in_chunks_is_the_same_question(door: WireDoor) -> None:
    async with opened(door, KEPT) as (client, server):
        await client.send(head_to("content-type: application/json", TE) + CHUNKS)
        first = await client.answer()
        await client.send(head_to("content-type: application/json", SIZE) + BODY)
        second = await client.answer()
    assert (first.mark, second.mark) == ("miss", "hit")
    assert [request.body for request in server.requests] == [BODY]


async def test_requests_in_a_row_are_answered_in_their_order(door: WireDoor) -> None:
    questions = [CHAT.with_body(seed=number) for number in range(40)]
    async with Provider() as provider, door.open(provider, PASSING) as way:
        provider.answers = lambda question: f"seed {question.body['seed']}"
        async with connected(way.anthropic_url) as client:
            await client.send(b"".join(map(request_to, questions)))
            answers = [await client.answer() for _ in questions]
    said = [json.loads(answer.body)["choices"][0]["message"]["content"] for answer in answers]
    assert said == [f"seed {number}" for number in range(40)]
    assert [asked.body["seed"] for asked in provider.log] == list(range(40))


async def test_a_slow_first_request_holds_its_place(door: WireDoor) -> None:
    async with Provider() as provider, door.open(provider, KEPT) as way:
        provider.fail_next(wait_s=0.05, status=503)
        async with connected(way.anthropic_url) as client:
            await client.send(request_to(CHAT) + request_to(MESSAGES) + request_to(STREAMS["chat"]))
            answers = [await client.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 200, 200]
    kinds = [str(answer.header("content-type")) for answer in answers]
    assert kinds[2].startswith("text/event-stream")


async def test_a_client_that_waits_for_continue_is_told_to(door: WireDoor) -> None:
    async with opened(door) as (client, server):
        await client.send(head_to(SIZE, "expect: 100-continue"))
        assert (await client.answer()).status == 100
        await client.send(BODY)
        assert (await client.answer()).status == 200
    assert server.requests[0].body == BODY
    assert server.requests[0].all_of("expect") == []


async def test_continue_is_not_promised_for_a_body_that_is_too_large(door: WireDoor) -> None:
    async with opened(door, SMALL) as (client, server):
        await client.send(head_to("content-length: 20000", "expect: 100-continue"))
        answers, is_closed = await everything(client)
    assert ([answer.status for answer in answers], is_closed) == ([413], True)
    assert bytes(server.heard) == b""


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_version_1_0_gets_no_chunks_and_a_closed_connection(
    door: WireDoor, question: Ask
) -> None:
    async with Provider() as provider, door.open(provider, KEPT) as way:
        bodies = []
        for _ in range(2):
            async with connected(way.anthropic_url) as client:
                await client.send(request_to(question).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
                answer = await client.answer()
                assert await client.rest() == b""
            assert answer.status == 200
            assert answer.header("transfer-encoding") is None
            bodies.append(answer.body)
    assert bodies[0] == bodies[1]
    assert len(provider.log) == 1


async def test_version_1_0_may_keep_the_connection(door: WireDoor) -> None:
    old = request_to(CHAT, add=["connection: keep-alive"]).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with opened(door, KEPT) as (client, server):
        await client.send(old)
        first = await client.answer()
        if first.header("connection") != "keep-alive":  # then it must not be kept
            assert await client.rest() == b""
            return
        await client.send(old)
        assert (await client.answer()).status == 200
    assert len(server.requests) == 1


async def test_head_has_no_body_and_the_next_answer_is_in_its_place(door: WireDoor) -> None:
    head = request_to(CHAT).replace(b"POST", b"HEAD", 1)
    async with (
        Provider() as provider,
        door.open(provider, KEPT) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(head + request_to(CHAT))
        first = await client.answer(to_head=True)
        second = await client.answer()
    assert first.body == b""
    assert second.status == 200
    assert json.loads(second.body)["object"] == "chat.completion"


UPGRADES = {
    "websocket": ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"],
    "h2c": ["connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk"],
}


@pytest.mark.parametrize("lines", UPGRADES.values(), ids=UPGRADES)
async def test_upgrades_are_declined_in_clear_words(door: WireDoor, lines: list[str]) -> None:
    get = head_to(*lines, path="/v1/realtime").replace(b"POST", b"GET", 1)
    async with opened(door) as (client, server):
        await client.send(get + HIDDEN)
        answers, is_closed = await everything(client)
    assert ([answer.status for answer in answers], is_closed) == ([501], True)
    assert b"upgrade" in answers[0].body
    assert bytes(server.heard) == b""


async def test_no_tunnel_is_dug(door: WireDoor) -> None:
    async with opened(door) as (client, server):
        await client.send(b"CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test:443\r\n\r\n" + HIDDEN)
        answers, is_closed = await everything(client)
    assert ([answer.status for answer in answers], is_closed) == ([501], True)
    assert bytes(server.heard) == b""


# --- any cut of the bytes -----------------------------------------------------------------------

cuts = st.lists(st.integers(1, 700), max_size=12)


def pieces_of(data: bytes, places: list[int]) -> list[bytes]:
    """*data*, cut at these places."""
    edges = [0, *sorted({place for place in places if place < len(data)}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


REQUESTS = {
    "plain": request_to(CHAT),
    "in chunks": head_to("content-type: application/json", TE) + CHUNKS,
    "two in a row": request_to(CHAT) + request_to(STREAMS["chat"]),
    "refused": hiding(SIZE, TE, body=CHUNKS),
    "no JSON": request_to(CHAT.as_bytes(b'{"half')),
}


def reduced(answers: list[RawAnswer]) -> list[tuple[object, ...]]:
    """What must be the same in each run."""
    return [(one.status, one.mark, one.ending, one.header("content-type")) for one in answers]


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_any_cut_of_a_request_is_the_same_request(door: WireDoor, data: bytes) -> None:
    with asyncio.Runner() as runner:

        async def seen(pieces: list[bytes]) -> tuple[object, ...]:
            async with opened(door, KEPT) as (client, server):
                await client.send_pieces(pieces)
                answers = []
                for _ in range(data.count(b"POST")):
                    answers.append(await client.answer())
            return reduced(answers), [(one.line, one.body) for one in server.requests]

        whole = runner.run(seen([data]))

        @settings(max_examples=12)
        @given(cuts)
        def check(places: list[int]) -> None:
            assert runner.run(seen(pieces_of(data, places))) == whole

        check()
        if data is REQUESTS["plain"]:
            assert runner.run(seen([data[at : at + 1] for at in range(len(data))])) == whole


STREAM = (
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"caf\xc3\xa9"}}]}\n\n'
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
ZIPPED = gzip.compress(GOOD_BODY, mtime=0)
ANSWERS: dict[str, tuple[Ask, bytes, bytes]] = {
    "plain": (CHAT, GOOD, GOOD_BODY),
    "plain in chunks": (
        CHAT,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n" + chunked(GOOD_BODY, 30),
        GOOD_BODY,
    ),
    "stream": (
        STREAMS["chat"],
        SSE + b"transfer-encoding: chunked\r\n\r\n" + chunked(STREAM, 40),
        STREAM,
    ),
    "stream with a length": (
        STREAMS["chat"],
        SSE + b"content-length: %d\r\n\r\n" % len(STREAM) + STREAM,
        STREAM,
    ),
    "gzip": (
        CHAT,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        b"content-length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
        ZIPPED,
    ),
    "behind early hints": (
        CHAT,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + GOOD,
        GOOD_BODY,
    ),
}


@pytest.mark.parametrize(("question", "data", "body"), ANSWERS.values(), ids=ANSWERS)
def test_any_cut_of_an_answer_is_the_same_answer(
    door: WireDoor, question: Ask, data: bytes, body: bytes
) -> None:
    with asyncio.Runner() as runner:

        async def seen(pieces: list[bytes]) -> list[tuple[object, ...]]:
            async with opened(door, KEPT) as (client, server):
                server.says = pieces
                found = []
                for _ in range(2):
                    await client.send(request_to(question, add=["accept-encoding: gzip"]))
                    answer = await client.answer()
                    found.append((answer.status, answer.mark, answer.body, answer.ending))
            return found

        expected = [(200, "miss", body, "whole"), (200, "hit", body, "whole")]
        assert runner.run(seen([data])) == expected

        @settings(max_examples=12)
        @given(cuts)
        def check(places: list[int]) -> None:
            assert runner.run(seen(pieces_of(data, places))) == expected

        check()
        if question is STREAMS["chat"]:
            assert runner.run(seen([data[at : at + 1] for at in range(len(data))])) == expected


@settings(max_examples=60)
@given(data=st.binary(max_size=300))
def test_no_bytes_at_all_bring_it_down(door: WireDoor, data: bytes) -> None:
    async def check() -> None:
        async with opened(door) as (client, _):
            await client.send(data)
            await client.close()
            async with connected(client.url) as second:
                await second.send(request_to(CHAT))
                assert (await second.answer()).status == 200

    asyncio.run(check())
