"""What servers, clients and the ways to them do wrong: each failure reaches those it concerns.

And no others: no clean end of what was not clean, nothing left of those who went.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from headway.gateway.gateway import Gateway
from headway.gateway.plan import Plan, Rules, Upstream
from headway.testing import FakeClock
from headway.testing.provider import Fault, Pace, Provider
from tests.contract.every_door import SERVERS
from tests.contract.gateway_door import gateway_to
from tests.contract.wire_doors import Setup, WireDoor, fake_clock
from tests.contract.wire_exchanges import CHAT, EMBEDDINGS, MESSAGES, STREAMS, Ask, ask
from tests.gateway.raw_client import (
    GOOD,
    GOOD_BODY,
    PATHS,
    RawServer,
    chunked,
    connected,
    head_to,
    passing,
    raw_server,
    request_to,
    resets,
)

EVERY = pytest.mark.parametrize("door", SERVERS, ids=lambda door: door.name)
BOTH = pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
pytestmark = pytest.mark.anyio
PASSING, KEPT = Setup(ttl=None), Setup()


@asynccontextmanager
async def gateway_at(url: str, setup: Setup = KEPT) -> AsyncIterator[Gateway]:
    """A gateway in front of *url*, seen from inside too."""
    gateway = gateway_to(url, setup)
    await gateway.listen()
    try:
        yield gateway
    finally:
        await gateway.aclose()


async def until(is_so: Any) -> None:
    """Return when it is so; the test fails by what it looks at next if it never is."""
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.001)


# --- a stream that was not clean never ends cleanly ---------------------------------------------

UNCLEAN = {
    "reset": Fault(cut_after=400),
    "closed": Fault(cut_after=400, ending="close"),
    "ended too soon": Fault(cut_after=400, ending="end"),
    "no last event": Fault(without_terminal=True),
    "reset within the first event": Fault(cut_after=20),
    "closed within the first event": Fault(cut_after=20, ending="close"),
}


@EVERY
@pytest.mark.parametrize("fault", UNCLEAN.values(), ids=UNCLEAN)
@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"], ids=["1.1", "1.0"])
async def test_a_stream_that_was_cut_is_seen_to_be_cut(
    door: WireDoor, name: str, fault: Fault, version: bytes
) -> None:
    async with Provider("word " * 20) as provider, door.open(provider, KEPT) as way:
        provider.fail_next(fault)
        async with connected(way.anthropic_url) as client:
            await client.send(request_to(STREAMS[name]).replace(b"HTTP/1.1", b"HTTP/" + version, 1))
            answer = await client.answer()
        again = await ask(way, STREAMS[name])
    if answer.status == 200:
        is_said = b'"error"' in answer.body or answer.ending != "whole"
        # Some servers leave out the very last event: what tells why it ended has come by then.
        assert is_said or fault.without_terminal
    else:
        assert answer.status == 502
    assert (again.mark, again.error) == ("miss", None)


@EVERY
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_a_plain_body_that_was_cut_is_seen_to_be_cut(door: WireDoor, ending: str) -> None:
    async with Provider() as provider, door.open(provider, KEPT) as way:
        provider.fail_next(cut_after=40, ending=ending)  # type: ignore[arg-type]
        async with connected(way.anthropic_url) as client:
            await client.send(request_to(CHAT))
            answer = await client.answer()
        assert answer.status == 502 or answer.ending != "whole"
        assert (await ask(way, CHAT)).mark == "miss"


SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = SSE + b"transfer-encoding: chunked\r\n\r\n"
TEXT = b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BROKEN_FRAMES = {
    "no size of a chunk": CHUNKED + b"zz\r\n" + TEXT + b"\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"5\r\n" + TEXT + b"\r\n0\r\n\r\n",
    "garbage in the middle": CHUNKED + chunked(TEXT, 500)[:-5] + b"\x00\xff garbage \r\n\r\n",
    "length and chunks": SSE
    + b"content-length: 9999\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunked(TEXT + LAST, 500),
    "two lengths": SSE + b"content-length: 10\r\ncontent-length: 20\r\n\r\n" + b"x" * 20,
    "no number as length": SSE + b"content-length: ten\r\n\r\n" + b"x" * 10,
    "no HTTP at all": b"220 smtp.test ready\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "a bare LF": SSE.replace(b"\r\n", b"\n") + b"\n" + TEXT + LAST,
    "a folded header": SSE + b"x-a: b\r\n c\r\n\r\n" + TEXT + LAST,
    "an endless head": SSE + b"x-a: " + b"b" * 400_000,
    "switching protocols": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n" + b"x" * 10,
    "half a head": SSE[:-10],
}


@EVERY
@pytest.mark.parametrize("data", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
async def test_a_server_that_breaks_the_rules_is_a_failure_and_harms_nobody_else(
    door: WireDoor, data: bytes
) -> None:
    async def say(server: RawServer, writer: asyncio.StreamWriter) -> None:
        writer.write(data if len(server.requests) == 1 else GOOD)
        await passing()
        if len(server.requests) == 1:
            writer.close()

    async with raw_server(say) as server, door.open(server, PASSING) as way:
        async with connected(way.anthropic_url) as client:
            await client.send(request_to(STREAMS["chat"]))
            answer = await client.answer()
        assert answer.status in (500, 502) or answer.ending != "whole"
        assert (await ask(way, CHAT)).status == 200


@EVERY
async def test_a_second_answer_that_nobody_asked_for_goes_to_nobody(door: WireDoor) -> None:
    evil = GOOD.replace(b"caf", b"bad")
    async with raw_server() as server, door.open(server, PASSING) as way:
        for says in (GOOD + evil, [GOOD, evil]):
            server.says = says
            seen = [await ask(way, CHAT) for _ in range(3)]
            assert [one.body for one in seen] == [GOOD_BODY] * 3


GARBAGE = {
    "bytes": b"\x00\xff\xfe\n\n",
    "half of an object": b'data: {"choices": [\n\n',
    "a list": b"data: []\n\n",
    "another shape": b'data: {"choices": "none"}\n\n',
    "a number": b"data: 7\n\n",
    "a huge line": b"data: " + b"x" * 300_000 + b"\n\n",
    "no line end": b"data: and on and on",
}


NO_EVENT = [GARBAGE[name] for name in ("half of an object", "a huge line", "no line end")]


@EVERY
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
async def test_garbage_among_events_passes_through_as_it_is(
    door: WireDoor, name: str, garbage: bytes
) -> None:
    async with Provider(dated=1e9) as direct, Provider(dated=1e9) as provider:
        for one in (direct, provider):
            one.fail_next(garbage=garbage)
        async with httpx2.AsyncClient(verify=False) as http:
            question = STREAMS[name]
            path = PATHS[question.wire]
            expected = await http.post(
                f"{direct.url}{path}", content=question.content, headers=question.all_headers
            )
        async with door.open(provider, KEPT) as way:
            seen, again = [await ask(way, question) for _ in range(2)]
    assert (seen.body, seen.error) == (expected.content, None)
    if garbage in NO_EVENT:
        assert again.mark == "miss"
    else:  # fields and members that nobody knows are no failure
        assert again.mark == "miss" or again.body == seen.body


# --- no answer at all ---------------------------------------------------------------------------


@EVERY
@BOTH
async def test_a_server_that_is_not_there(door: WireDoor, question: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = RawServer(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        async with door.open(nobody, PASSING) as way:
            seen = await ask(way, question)
    assert seen.status == 502
    assert seen.headers["x-headway-refused"] == "upstream_unreachable"
    assert b'"message"' in seen.body


@EVERY
@BOTH
@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_a_server_that_goes_before_it_answers(
    door: WireDoor, question: Ask, ending: str
) -> None:
    async with Provider() as provider, door.open(provider, PASSING) as way:
        provider.fail_next(ending=ending)  # type: ignore[arg-type]
        seen = await ask(way, question)
        assert (seen.status, len(provider.log)) == (502, 1)
        assert (await ask(way, question)).status == 200


@EVERY
async def test_it_is_asked_again_before_the_first_byte(door: WireDoor) -> None:
    async with Provider() as provider, door.open(provider, Setup(attempts=3)) as way:
        provider.fail_next(ending="reset", times=2)
        assert (await ask(way, STREAMS["chat"])).status == 200
    assert len(provider.log) == 3


async def test_after_five_failures_a_server_is_passed_over_at_once() -> None:
    with fake_clock() as clock:
        async with (
            Provider() as provider,
            gateway_at(provider.url, PASSING) as gateway,
            httpx2.AsyncClient(verify=False) as http,
        ):
            provider.fail_next(status=500, times=5)
            statuses = [await status_of(http, gateway) for _ in range(6)]
            assert statuses == [500] * 5 + [503]
            assert len(asked_for_chat(provider)) == 5
            await probed(clock, provider)
            assert await status_of(http, gateway) == 200


async def status_of(http: httpx2.AsyncClient, gateway: Gateway) -> int:
    """What a client gets who asks the gateway."""
    url = f"{gateway.url}/v1/chat/completions"
    answer = await http.post(url, content=CHAT.content, headers=CHAT.all_headers)
    return answer.status_code


def asked_for_chat(provider: Provider) -> list[Any]:
    return [asked for asked in provider.log if asked.wire == "openai.chat"]


async def probed(clock: FakeClock, provider: Provider) -> None:
    """Let time pass until the server was asked in the background."""
    for _ in range(30):
        await clock.advance(1)
        await asyncio.sleep(0.005)
        if any(asked.path.endswith("/models") and asked.status for asked in provider.log):
            break
    await asyncio.sleep(0.02)


# --- clients ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("way_to_go", ["close", "reset"])
@pytest.mark.parametrize("ttft_s", [0.0, 60.0], ids=["in the middle", "before the first byte"])
async def test_a_client_that_goes_takes_its_question_with_it(
    question: Ask, way_to_go: str, ttft_s: float
) -> None:
    pace = Pace(ttft_s=ttft_s, tokens_per_s=1)
    async with (
        Provider("word " * 20, pace=pace) as provider,
        gateway_at(provider.url) as gateway,
        connected(gateway.url) as client,
    ):
        await client.send(request_to(question))
        await until(lambda: provider.log)
        if way_to_go == "reset":
            client.reset()
        else:
            await client.close()
        await until(lambda: provider.log[0].ending == "cancelled")
        assert provider.log[0].ending == "cancelled"
        assert (gateway.under_way, len(gateway.flights)) == (0, 0)


async def test_a_client_that_goes_leaves_the_question_to_those_who_wait() -> None:
    pace = Pace(tokens_per_s=200)
    async with (
        Provider("word " * 20, pace=pace) as provider,
        gateway_at(provider.url) as gateway,
        connected(gateway.url) as first,
        connected(gateway.url) as second,
    ):
        for client in (first, second):
            await client.send(request_to(STREAMS["chat"]))
        await until(lambda: gateway.under_way == 2)
        first.reset()
        answer = await second.answer()
    assert (answer.status, answer.mark, answer.ending) == (200, "joined", "whole")
    assert [asked.ending for asked in provider.log] == ["complete"]


async def test_requests_that_wait_behind_another_go_with_their_client() -> None:
    async with (
        Provider(pace=Pace(latency_s=60)) as provider,
        gateway_at(provider.url) as gateway,
        connected(gateway.url) as client,
    ):
        questions = [CHAT.with_body(seed=number) for number in range(5)]
        await client.send(b"".join(map(request_to, questions)))
        await until(lambda: provider.log)
        client.reset()
        await until(lambda: not gateway.connections)
        assert gateway.under_way == 0
    assert [asked.ending for asked in provider.log] == ["cancelled"]


@EVERY
async def test_a_slow_client_is_served(door: WireDoor) -> None:
    async with (
        Provider() as provider,
        door.open(provider, KEPT) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(request_to(CHAT), in_steps_of=1)
        assert (await client.answer()).status == 200
    assert provider.log[0].body == dict(CHAT.body)


@pytest.mark.parametrize(
    "begun",
    [b"POST /v1/chat/comp", head_to("x-a: b")[:-2], head_to("content-length: 100") + b"{"],
    ids=["in the first line", "in the head", "in the body"],
)
async def test_a_client_that_never_ends_its_request_is_cut(begun: bytes) -> None:
    with fake_clock() as clock:
        async with (
            Provider() as provider,
            gateway_at(provider.url) as gateway,
            connected(gateway.url) as client,
        ):
            await client.send(begun)
            await until(lambda: len(gateway.connections) == 1)
            for _ in range(130):
                await clock.advance(1)
                await asyncio.sleep(0)
                if not gateway.connections:
                    break
            answer = await client.answer()
            assert await client.rest() == b""
    assert (answer.status, answer.header("connection")) == (408, "close")
    assert provider.log == []


async def test_a_head_byte_by_byte_has_no_longer_than_another() -> None:
    """Slow Loris: each byte in time, and the whole never."""
    with fake_clock() as clock:
        async with (
            Provider() as provider,
            gateway_at(provider.url) as gateway,
            connected(gateway.url) as client,
        ):
            data = head_to(*[f"x-{number}: b" for number in range(100)])
            for at in range(100):
                if client.writer.is_closing() or not_open(client.reader):
                    break
                await client.send(data[at : at + 1])
                await clock.advance(1)
            answer = await client.answer()
    assert answer.status == 408


def not_open(reader: asyncio.StreamReader) -> bool:
    return reader.at_eof() or bool(reader._buffer)  # type: ignore[attr-defined]


async def test_a_connection_that_says_nothing_is_closed_in_the_end() -> None:
    with fake_clock() as clock:
        async with (
            Provider() as provider,
            gateway_at(provider.url) as gateway,
            connected(gateway.url) as client,
        ):
            await client.send(request_to(CHAT))
            assert (await client.answer()).status == 200
            await clock.advance(200)
            assert await client.rest() == b""


# --- many at once -------------------------------------------------------------------------------


async def test_a_thousand_identical_streams_are_one_call() -> None:
    count = 1000
    async with Provider("word " * 5, pace=Pace(ttft_s=60)) as provider:
        with fake_clock() as clock:
            async with gateway_at(provider.url) as gateway:
                readers = [asyncio.create_task(one_stream(gateway.url)) for _ in range(count)]
                for _ in range(10_000):
                    if gateway.under_way == count:
                        break
                    await asyncio.sleep(0.001)
                assert gateway.under_way == count
                await clock.advance(61)
                seen = await asyncio.gather(*readers)
    assert len(provider.log) == 1
    assert {(status, ending) for status, _, ending in seen} == {(200, "whole")}
    assert len({body for _, body, _ in seen}) == 1
    assert b"[DONE]" in seen[0][1]


async def one_stream(url: str) -> tuple[int, bytes, str]:
    async with connected(url) as client:
        client.writer.write(request_to(STREAMS["chat"]))
        answer = await client.answer()
    return answer.status, answer.body, answer.ending


async def test_a_gateway_that_closes_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    async with Provider(pace=Pace(latency_s=60)) as provider:
        async with gateway_at(provider.url) as gateway, connected(gateway.url) as client:
            await client.send(request_to(CHAT))
            await until(lambda: provider.log)
            await gateway.aclose()
            with pytest.raises(EOFError):
                await client.answer()
        await until(lambda: provider.connections == 0)
        assert provider.connections == 0
    assert asyncio.all_tasks() == before


async def test_a_gateway_that_drains_finishes_what_is_under_way() -> None:
    async with (
        Provider("word " * 10, pace=Pace(tokens_per_s=200)) as provider,
        gateway_at(provider.url) as gateway,
        connected(gateway.url) as idle,
        connected(gateway.url) as busy,
    ):
        await idle.send(request_to(EMBEDDINGS))
        assert (await idle.answer()).status == 200
        await busy.send(request_to(STREAMS["chat"]))
        await until(lambda: len(provider.log) == 2)
        draining = asyncio.create_task(gateway.drain(5))
        assert await idle.rest() == b""
        answer = await busy.answer()
        assert await draining is True
        assert await busy.rest() == b""
        with pytest.raises(ConnectionError):
            async with connected(gateway.url):
                pass
    assert (answer.status, answer.ending) == (200, "whole")
    assert b"[DONE]" in answer.body


async def test_a_reload_breaks_nothing_off() -> None:
    async with (
        Provider("old", pace=Pace(tokens_per_s=20)) as old,
        Provider("new") as new,
        gateway_at(old.url) as gateway,
        connected(gateway.url) as client,
    ):
        await client.send(request_to(STREAMS["chat"]))
        await until(lambda: old.log)
        gateway.reload(
            Plan(upstreams=(Upstream(name="openai", url=f"{new.url}/v1"),), rules=Rules())
        )
        first = await client.answer()
        await client.send(request_to(STREAMS["chat"]))
        second = await client.answer()
    assert (first.ending, b"old" in first.body) == ("whole", True)
    assert (second.ending, b"new" in second.body) == ("whole", True)
    assert (len(old.log), len(new.log)) == (1, 1)


@EVERY
@pytest.mark.parametrize("question", [CHAT, MESSAGES], ids=["openai", "anthropic"])
@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_refusal_of_the_server_is_its_own_to_the_byte(
    door: WireDoor, question: Ask, status: int
) -> None:
    fault = Fault(status=status, retry_after=7, headers={"x-should-retry": "true", "x-a": "b"})
    async with Provider() as provider, door.open(provider, KEPT) as way:
        provider.fail_next(fault)
        seen = await ask(way, question)
    assert seen.status == status
    assert (seen.headers["retry-after"], seen.headers["x-should-retry"]) == ("7", "true")
    assert seen.headers["x-a"] == "b"
    assert not [name for name in seen.headers if name.startswith("x-headway-refused")]
    assert [name for name in seen.headers if "ratelimit" in name]


async def resetting(server: RawServer, writer: asyncio.StreamWriter) -> None:
    """Answer half, and reset."""
    writer.write(GOOD[:-20])
    await passing()
    resets(writer)


@EVERY
async def test_a_reset_behind_half_a_body_is_no_whole_answer(door: WireDoor) -> None:
    async with (
        raw_server(resetting) as server,
        door.open(server, PASSING) as way,
        connected(way.anthropic_url) as client,
    ):
        await client.send(request_to(CHAT))
        answer = await client.answer()
    assert answer.status == 502 or answer.ending != "whole"
