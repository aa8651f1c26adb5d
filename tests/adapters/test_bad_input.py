"""What servers and networks do wrong: the client sees what it would have seen, nothing is kept."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from headway import MemoryStore
from headway.testing.provider import Answer, Fault, Pace, Provider
from tests.contract.wire_doors import HttpDoor, NoDoor, Setup, Way
from tests.contract.wire_exchanges import (
    CHAT,
    MESSAGES,
    PLAIN,
    STREAMS,
    Ask,
    ask,
    ask_blocking,
    ask_together,
)

pytestmark = pytest.mark.anyio

DIRECT, DOOR, KEPT = NoDoor(), HttpDoor(), Setup()

STREAM = (
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"caf\xc3\xa9"}}]}\n\n'
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
BODY = (
    b'{"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"caf\xc3\xa9"},"finish_reason":"stop"}]}'
)
MESSAGE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"a","model":"m",'
    b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hi"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
SHAPES = {
    "stream of chat": (STREAMS["chat"], STREAM),
    "stream of messages": (STREAMS["messages"], MESSAGE),
    "plain": (CHAT, BODY),
}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.mark.parametrize("ending", ["close", "end"])
@pytest.mark.parametrize(("question", "raw"), SHAPES.values(), ids=SHAPES)
async def test_an_answer_cut_at_every_byte(
    provider: Provider, question: Ask, raw: bytes, ending: str
) -> None:
    provider.answers = Answer(raw=raw, offsets=range(50, len(raw), 50))
    async with DIRECT.open(provider, KEPT) as direct, DOOR.open(provider, KEPT) as door:
        for cut in range(len(raw)):
            asked = question.with_headers(openai_project=f"p-{cut}")
            provider.fail_next(Fault(cut_after=cut, ending=ending), times=2)
            expected, seen = await ask(direct, asked), await ask(door, asked)
            assert seen.answer == expected.answer, cut
            assert len(seen.body) == cut
            again = await ask(door, asked)
            assert (again.mark, again.body) == ("miss", raw), cut


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_a_reset_is_the_reset(provider: Provider, question: Ask) -> None:
    provider.answers = "word " * 50
    async with DIRECT.open(provider, KEPT) as direct, DOOR.open(provider, KEPT) as door:
        for cut in (0, 1, 200, 500):
            provider.fail_next(Fault(cut_after=cut, ending="reset"), times=2)
            expected, seen = await ask(direct, question), await ask(door, question)
            assert (seen.status, len(seen.body), seen.error) == (200, cut, "ReadError")
            assert (expected.status, len(expected.body), expected.error) == (200, cut, "ReadError")
            assert seen.mark == "miss"


@pytest.mark.parametrize("fault", [Fault(ending="reset"), Fault(ending="close")])
async def test_no_answer_at_all_is_the_error_of_the_module(
    provider: Provider, fault: Fault
) -> None:
    async with DIRECT.open(provider, KEPT) as direct, DOOR.open(provider, KEPT) as door:
        found = []
        for way in (direct, door):
            provider.fail_next(fault)
            with pytest.raises(httpx2.TransportError) as caught:
                await ask(way, CHAT)
            found.append((type(caught.value), str(caught.value)))
            assert caught.value.request.url.path == "/v1/chat/completions"
    assert found[0] == found[1]


async def test_nobody_there_is_the_error_of_the_module() -> None:
    async with DOOR.open_to("http://127.0.0.1:9", KEPT) as way:
        with pytest.raises(httpx2.ConnectError):
            await ask(way, CHAT)


FAULTS = {
    "wrong length": Fault(length_error=5),
    "too much": Fault(length_error=-5),
    "garbage": Fault(garbage=b"\xff\xfe{{{\r\n\r\n"),
    "a page of a proxy": Fault(status=502, html=True),
    "413": Fault(status=413),
    "an error event": Fault(error_event="overloaded_error"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(
    "question", [CHAT, MESSAGES, STREAMS["chat"], STREAMS["messages"]], ids=lambda q: q.wire
)
async def test_a_fault_looks_the_same_through_the_door(question: Ask, fault: Fault) -> None:
    seen = []
    for door in (DIRECT, DOOR):
        async with Provider(dated=1.0) as provider, door.open(provider, KEPT) as way:
            provider.fail_next(fault)
            try:
                seen.append((await ask(way, question)).answer)
            except httpx2.TransportError as error:
                seen.append((0, b"", repr(error)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"], PLAIN["embeddings"]])
async def test_an_encoded_answer_is_handed_on_and_kept_as_it_is(
    provider: Provider, question: Ask, encoding: str
) -> None:
    provider.encodings = (encoding,)  # type: ignore[assignment]
    async with DOOR.open(provider, KEPT) as way:
        seen = [await ask(way, question) for _ in range(2)]
        plain = await ask(way, question.with_headers(accept_encoding="identity"))
        read = await way.http.post(
            question.url(way), content=question.content, headers=question.all_headers
        )
    assert [one.mark for one in seen] == ["miss", "hit"]
    assert seen[0].body == seen[1].body
    assert {one.headers["content-encoding"] for one in seen} == {encoding}
    assert (plain.mark, "content-encoding" in plain.headers) == ("miss", False)
    decoded = zlib.decompressobj(47).decompress(seen[0].body)
    assert read.content == decoded


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_what_cannot_be_read_along_is_handed_on_and_not_kept(
    provider: Provider, question: Ask
) -> None:
    accepting = question.with_headers(accept_encoding="br")
    provider.encodings = ("br",)
    async with DIRECT.open(provider, KEPT) as direct, DOOR.open(provider, KEPT) as door:
        expected = await ask(direct, accepting)
        provider.clear()
        seen = [await ask(door, accepting) for _ in range(2)]
    assert seen[0].headers["content-encoding"] == expected.headers["content-encoding"] == "br"
    assert [one.mark for one in seen] == ["miss", "miss"]


async def test_bytes_that_are_not_what_they_say_are_handed_on(provider: Provider) -> None:
    provider.answers = Answer(raw=BODY, headers={"content-encoding": "gzip"})
    async with DOOR.open(provider, KEPT) as way:
        seen = [await ask(way, CHAT) for _ in range(2)]
    assert [(one.mark, one.body) for one in seen] == [("miss", BODY)] * 2


async def test_a_small_answer_that_unfolds_without_end_is_no_danger(provider: Provider) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    provider.answers = Answer(raw=bomb, headers={"content-encoding": "gzip"})
    async with DOOR.open(provider, KEPT) as way:
        seen = await ask(way, CHAT)
    assert (seen.mark, seen.body) == ("miss", bomb)


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_an_answer_of_50_mb_passes_and_is_not_kept(provider: Provider, question: Ask) -> None:
    raw = b" " * 50_000_000 + BODY
    if question is not CHAT:
        raw = b": " + b"x" * 50_000_000 + b"\n\n" + STREAM
    provider.answers = Answer(raw=raw)
    store = MemoryStore()
    async with DOOR.open(provider, Setup(store=store)) as way:
        for _ in range(2):
            url, headers = question.url(way), question.all_headers
            seen = await way.http.post(url, content=question.content, headers=headers)
            assert seen.headers["x-headway-cache"] == "miss"
            assert len(seen.content) == len(raw)
            assert seen.content == raw
    assert store.statistics().entries == 0


async def test_a_client_that_stops_reading_stops_the_server_too(provider: Provider) -> None:
    provider.answers = Answer(raw=b" " * 50_000_000, offsets=range(0, 50_000_000, 100_000))
    question = CHAT.with_body(temperature=1)
    async with DOOR.open(provider, KEPT) as way:
        url, headers = question.url(way), question.all_headers
        async with way.http.stream(
            "POST", url, content=question.content, headers=headers
        ) as response:
            await anext(response.aiter_raw())
            await asyncio.sleep(0.3)
            # What the kernel's buffers and the first limit take, and no more.
            assert provider.log[0].sent_bytes < 20_000_000
    assert provider.log[0].ending in ("open", "cancelled")


async def test_twenty_who_ask_for_a_broken_stream_see_the_same(provider: Provider) -> None:
    provider.answers, provider.pace = "word " * 20, Pace(tokens_per_s=500)
    provider.fail_next(cut_after=3000)
    async with DOOR.open(provider, KEPT) as way:
        seen = await ask_together(way, STREAMS["chat"], 20)
    assert len({one.answer for one in seen}) == 1
    assert len(seen[0].body) == 3000
    assert len(provider.log) == 1


def test_a_loop_that_is_closed_and_another_that_begins() -> None:
    with Provider() as provider:
        store, door = MemoryStore(), HttpDoor()
        way = Way(door.client(Setup(store=store)), provider.openai_url, provider.anthropic_url)

        async def once(question: Ask) -> str:
            return (await ask(way, question)).mark

        seen = [asyncio.run(once(CHAT)) for _ in range(2)]
        seen += [asyncio.run(once(STREAMS["chat"])) for _ in range(2)]
        assert seen == ["miss", "hit", "miss", "hit"]


def test_two_loops_at_once_on_two_threads() -> None:
    with Provider(pace=Pace(latency_s=0.02, ttft_s=0.02)) as provider:
        door = HttpDoor()
        way = Way(door.client(KEPT), provider.openai_url, provider.anthropic_url)

        async def many(number: int) -> set[bytes]:
            asked = [CHAT, STREAMS["messages"], CHAT.with_body(seed=number)] * 3
            seen = await asyncio.gather(*[ask(way, question) for question in asked])
            assert {one.status for one in seen} == {200}
            return {one.body for one in seen[0::3]}

        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda n: asyncio.run(many(n)), range(4)))
    assert len(set.union(*found)) == 1


def test_threads_share_one_blocking_client() -> None:
    with Provider("word " * 30, pace=Pace(tokens_per_s=1000)) as provider:
        with DOOR.open_sync(provider, KEPT) as way, ThreadPoolExecutor(20) as threads:
            seen = list(threads.map(lambda _: ask_blocking(way, STREAMS["chat"]), range(20)))
        assert len(provider.log) == 1
    assert len({one.answer for one in seen}) == 1
    assert sorted({one.mark for one in seen}) in (["joined", "miss"], ["hit", "joined", "miss"])


def test_a_blocking_client_that_leaves_lets_the_server_go() -> None:
    with Provider("word " * 30, pace=Pace(tokens_per_s=1)) as provider:
        question = STREAMS["chat"]
        with DOOR.open_sync(provider, KEPT) as way:
            with way.http.stream(
                "POST",
                question.url(way),
                content=question.content,
                headers=question.all_headers,
            ) as response:
                next(response.iter_raw())
            for _ in range(2000):
                if provider.log[0].ending != "open":
                    break
                time.sleep(0.001)
            assert provider.log[0].ending == "cancelled"
