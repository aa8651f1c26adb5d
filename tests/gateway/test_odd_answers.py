"""Answers that are odd, but answers: handed on as they are, once, and with their own time-outs."""

import asyncio
import gzip

import pytest

from headway import events
from headway.gateway.plan import Plan, Rules, Timeouts
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import GOOD, GOOD_BODY, RawServer, connected, raw_server
from tests.gateway.raw_rig import (
    STREAM_HEAD,
    answer_of,
    chat,
    event,
    gateway_by,
    rig,
    upstream_at,
)

pytestmark = pytest.mark.anyio
QUICK = Rules(first_wait_s=0.01)
ONCE = Rules(attempts=1)
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"


async def test_a_whole_answer_with_junk_behind_it_is_given() -> None:
    async with rig(GOOD + b"\r\n\r\n{}junk", rules=QUICK) as here:
        answer = await here.ask(chat())
    assert (answer.status, answer.body) == (200, GOOD_BODY)
    assert len(here.server.requests) == 1


async def test_no_content_with_a_body_by_mistake_is_given() -> None:
    says = b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{}"
    async with rig(says, rules=QUICK) as here:
        answer = await here.ask(b"DELETE /v1/files/x HTTP/1.1\r\nhost: model.test\r\n\r\n")
    assert answer.status == 204
    assert len(here.server.requests) == 1


async def test_an_interim_answer_leaves_the_time_of_the_first_byte_as_it_was() -> None:
    async def says_late(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(EARLY_HINTS)
        await asyncio.sleep(0.1)
        writer.write(GOOD)

    times = Timeouts(first_byte_s=5.0, between_chunks_s=0.02)
    async with rig(says_late, rules=ONCE, timeouts=times) as here:
        assert (await here.ask(chat())).status == 200


async def test_an_interim_answer_does_not_take_the_time_of_the_first_byte_away() -> None:
    times = Timeouts(first_byte_s=0.05, between_chunks_s=None)
    async with rig(EARLY_HINTS, rules=ONCE, timeouts=times) as here:
        assert (await here.ask(chat())).status == 504


async def test_a_coding_below_chunked_is_not_dropped_in_silence() -> None:
    packed = gzip.compress(GOOD_BODY)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    coding = b"transfer-encoding: gzip, chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    async with rig(head + coding + body, rules=ONCE) as here:
        answer = await here.ask(chat())
    assert answer.body == GOOD_BODY or answer.status == 502


async def test_a_folded_header_injects_none() -> None:
    folded = ["x-one: 1\r\n evil: 2"]
    async with rig(answer_of(GOOD_BODY, lines=folded), rules=ONCE) as here:
        answer = await here.ask(chat())
    assert "evil" not in {name.strip() for name, _ in answer.headers}
    assert not any("\n" in value for _, value in answer.headers)


async def test_an_encoded_stream_is_kept_byte_for_byte() -> None:
    """Of a stream that is not encoded, comments are not kept."""
    parts = (event({"content": "a"}), b": ping\n\n", event({}, "stop"), b"data: [DONE]\n\n")
    packed = gzip.compress(b"".join(parts), 0, mtime=0)  # stored: the comment can be seen in it
    says = answer_of(packed, lines=["content-encoding: gzip"], kind="text/event-stream")
    async with rig(says) as here:
        for mark in ("miss", "hit"):
            answer = await here.ask(chat(stream=True, lines=["accept-encoding: gzip"]))
            assert (answer.mark, answer.body) == (mark, packed)


async def test_the_head_of_a_stream_does_not_wait_for_its_first_byte() -> None:
    """Neither for the one who asked first nor for one who joins."""
    async with rig(STREAM_HEAD) as here, connected(here.gateway.url) as follower:
        for client, mark in ((here.client, b"miss"), (follower, b"joined")):
            await client.send(chat(stream=True))
            head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 20)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"x-headway-cache: " + mark in head
        assert len(here.server.requests) == 1


# --- bodies that are no answers of a model ------------------------------------------------------

ODD_BODIES = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "choices are a number": b'{"choices": 5}',
    "a choice is a number": b'{"choices":[5],"usage":7}',
    "a message is a list": (
        b'{"choices":[{"message":[],"finish_reason":{}}],"usage":{"prompt_tokens":"x"}}'
    ),
    "very many tokens": b'{"usage":{"prompt_tokens":' + b"9" * 5000 + b"}}",
    "infinite tokens": b'{"usage":{"prompt_tokens":1e999,"completion_tokens":-1}}',
    "no utf-8": b"\xff\xfe",
    "half a surrogate pair": b'{"model":"\\ud800"}',
    "null": b"null",
    "a text": b'"x"',
    "calls of chat": (
        b'{"choices":[{"message":{"tool_calls":[{"function":{"name":3,"arguments":[]}}, null, 7]},'
        b'"finish_reason":"tool_calls"}]}'
    ),
    "calls of responses": (
        b'{"output":[null,{"type":"function_call","call_id":{},"name":[]}],"status":"completed"}'
    ),
    "calls of messages": (
        b'{"content":[{"type":"tool_use","id":1,"name":null,"input":"x"}],'
        b'"stop_reason":"end_turn","type":"message","usage":{"input_tokens":{}}}'
    ),
}
ODD_PATHS = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"]


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
@pytest.mark.parametrize("path", ODD_PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_an_odd_body_is_handed_on_as_it_is(body: bytes, path: str, stream: bool) -> None:
    data = b"data: %b\n\ndata: [DONE]\n\n" % body if stream else body
    says = answer_of(data, kind="text/event-stream" if stream else "application/json")
    async with raw_server(says) as server:
        upstreams = (upstream_at(server), upstream_at(server, "c", provider="anthropic"))
        with events.listen(lambda happened: None):
            async with gateway_by(Plan(upstreams=upstreams, rules=ONCE)) as gateway:
                async with connected(gateway.url) as client:
                    await client.send(chat(path=path, stream=stream, input="x"))
                    answer = await client.answer()
                await until(lambda: not gateway.flights, within_s=3)
    assert (answer.status, answer.body) == (200, data)
