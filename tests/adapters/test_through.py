"""Clients made by ``through``: either module, their options, their own transports, their events."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import pytest

import headway
from headway import (
    BadSetup,
    Batch,
    Cache,
    Fallback,
    Limit,
    LimitExceeded,
    Retry,
    Share,
    Timeout,
    UpstreamFailed,
    Watch,
    events,
)
from headway.adapters.http import elsewhere, through
from headway.testing.provider import Pace, Provider
from tests.contract.wire_doors import Way
from tests.contract.wire_exchanges import CHAT, MESSAGES, STREAMS, Ask, Seen, ask, ask_blocking

pytestmark = pytest.mark.anyio

MODULES = pytest.mark.parametrize("module", [httpx2, httpx], ids=lambda module: module.__name__)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


def way_of(http: Any, provider: Provider) -> Way:
    return Way(http, provider.openai_url, provider.anthropic_url)


@MODULES
async def test_either_module_gives_its_own_client(module: Any, provider: Provider) -> None:
    async with through(module, Cache("1h")) as http:
        assert type(http) is module.AsyncClient
        for question in (CHAT, STREAMS["messages"]):
            seen = [await ask(way_of(http, provider), question) for _ in range(2)]
            assert [one.mark for one in seen] == ["miss", "hit"]
            assert seen[0].answer == seen[1].answer


@MODULES
def test_either_module_gives_its_blocking_client(module: Any) -> None:
    with Provider() as provider, through(module, Cache("1h"), sync=True) as http:
        assert type(http) is module.Client
        for question in (CHAT, STREAMS["messages"]):
            seen = [ask_blocking(way_of(http, provider), question) for _ in range(2)]
            assert [one.mark for one in seen] == ["miss", "hit"]
            assert seen[0].answer == seen[1].answer


async def test_a_blocking_client_works_inside_a_running_loop() -> None:
    with Provider() as provider, through(httpx2, Cache("1h"), sync=True) as http:
        seen = [ask_blocking(way_of(http, provider), STREAMS["chat"]) for _ in range(2)]
    assert [one.mark for one in seen] == ["miss", "hit"]


async def test_what_is_no_model_passes_with_a_mark(provider: Provider) -> None:
    async with through(httpx2, Cache("1h")) as http:
        for _ in range(2):
            response = await http.get(f"{provider.url}/somewhere")
            assert response.status_code == 404
            assert response.headers["x-headway-cache"] == "bypass"
    assert len(provider.log) == 2


async def test_large_bodies_and_files_pass(provider: Provider) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield CHAT.content

    async with through(httpx2, Cache("1h"), Retry(3, on=UpstreamFailed)) as http:
        headers = CHAT.all_headers
        url = f"{provider.openai_url}/chat/completions"
        response = await http.post(url, content=pieces(), headers=headers)
        assert (response.status_code, response.headers["x-headway-cache"]) == (200, "bypass")
        provider.fail_next(status=503)
        response = await http.post(url, content=pieces(), headers=headers)
        assert response.status_code == 503
        assert "x-should-retry" not in response.headers
        sent = await http.post(f"{provider.openai_url}/files", files={"file": b"x" * 100_000})
    assert sent.status_code == 404
    assert provider.log[-1].body_size > 100_000


async def test_a_transport_of_ones_own_stands_at_the_end() -> None:
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"data": [], "object": "list"})

    base = httpx2.MockTransport(answer)
    async with through(httpx2, Watch(), base=base) as http:
        assert (await http.get("http://model.test/v1/models")).json()["object"] == "list"
    with through(httpx2, Watch(), base=base, sync=True) as blocking:
        assert blocking.get("http://model.test/v1/models").json()["object"] == "list"
    assert [str(request.url) for request in asked] == ["http://model.test/v1/models"] * 2


async def test_a_connection_to_keep_is_left_alone() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(101, extensions={"network_stream": request})

    base, asked = httpx2.MockTransport(answer), {"connection": "upgrade", "upgrade": "websocket"}
    async with through(httpx2, Cache("1h"), base=base) as http:
        response = await http.get("http://model.test/v1/realtime", headers=asked)
        assert response.extensions["network_stream"] is response.request
    with through(httpx2, Cache("1h"), base=base, sync=True) as blocking:
        response = blocking.get("http://model.test/v1/realtime", headers=asked)
        assert response.extensions["network_stream"] is response.request


async def test_options_go_where_they_belong(provider: Provider) -> None:
    options = {"verify": False, "headers": {"x-own": "1"}, "timeout": 3, "follow_redirects": True}
    async with through(httpx2, base=None, base_url=provider.openai_url, **options) as http:
        assert (http.timeout.read, http.follow_redirects) == (3, True)
        await http.post("/chat/completions", content=CHAT.content, headers=CHAT.all_headers)
    assert provider.log[0].headers["x-own"] == "1"


async def test_a_proxy_is_used(provider: Provider) -> None:
    async with through(httpx2, Cache("1h"), proxy=provider.url) as http:
        response = await http.get("http://elsewhere.test/v1/x")
    assert response.status_code in (400, 404)
    assert provider.log == [] or "elsewhere.test" in provider.log[0].path


def test_what_cannot_stand_there_is_refused() -> None:
    with pytest.raises(BadSetup, match="Batch"):
        through(httpx2, Batch())
    with pytest.raises(BadSetup, match="no policy"):
        through(httpx2, Cache)  # type: ignore[arg-type]
    with pytest.raises(BadSetup, match="base="):
        through(httpx2, transport=httpx2.AsyncHTTPTransport())
    with pytest.raises(BadSetup, match="http://"):
        elsewhere("api.test/v1")


# --- policies -----------------------------------------------------------------------------------


async def test_a_timeout_is_the_modules_own(provider: Provider) -> None:
    provider.pace = Pace(ttft_s=30, latency_s=30)
    async with through(httpx2, Timeout("30ms")) as http:
        for question in (CHAT, MESSAGES):
            with pytest.raises(httpx2.ReadTimeout, match=r"within 0\.03 s"):
                await ask(way_of(http, provider), question)


async def test_a_gap_in_a_stream_is_a_timeout(provider: Provider) -> None:
    provider.answers, provider.pace = "word " * 9, Pace(tokens_per_s=4)
    async with through(httpx2, Timeout("100ms"), Cache("1h")) as http:
        seen = await ask(way_of(http, provider), STREAMS["chat"])
    assert seen.error == "ReadTimeout"


def test_a_blocking_client_gets_the_timeout_too() -> None:
    with (
        Provider(pace=Pace(latency_s=30)) as provider,
        through(httpx2, Timeout("30ms"), sync=True) as http,
        pytest.raises(httpx2.ReadTimeout),
    ):
        ask_blocking(way_of(http, provider), CHAT)


async def test_a_full_limit_says_so(provider: Provider) -> None:
    provider.pace = Pace(latency_s=30)
    async with through(httpx2, Limit(at_once=1, max_waiting=0)) as http:
        first = asyncio.create_task(ask(way_of(http, provider), CHAT))
        while not provider.log:  # noqa: ASYNC110 - the provider has no event for it
            await asyncio.sleep(0.001)
        with pytest.raises(LimitExceeded):
            await ask(way_of(http, provider), MESSAGES)
        first.cancel()


async def test_a_stream_holds_its_place_until_its_end(provider: Provider) -> None:
    provider.answers, provider.pace = "word " * 9, Pace(tokens_per_s=200)
    limit, question = Limit(at_once=1), STREAMS["chat"]
    async with through(httpx2, limit) as http:
        url, headers = question.url(way_of(http, provider)), question.all_headers
        async with http.stream("POST", url, content=question.content, headers=headers) as stream:
            pieces = stream.aiter_raw()
            await anext(pieces)
            assert limit.inside == 1
            _ = [piece async for piece in pieces]
            assert limit.inside == 0


async def test_another_server_answers_when_the_first_cannot(provider: Provider) -> None:
    provider.fail_next(status=503, times=9)
    async with Provider("from the other") as other:
        there = elsewhere(other.openai_url, headers={"Authorization": "Bearer o"}, model="gpt-b")
        policies = (Cache("1h"), Fallback(there, on=UpstreamFailed))
        async with through(httpx2, *policies) as http:
            for question in (CHAT, STREAMS["chat"]):
                seen = [await ask(way_of(http, provider), question) for _ in range(2)]
                assert [one.mark for one in seen] == ["miss", "miss"]
                assert all(one.status == 200 for one in seen)
            assert b"from the other" in (await ask(way_of(http, provider), CHAT)).body
            unknown = await http.get(f"{provider.url}/other")
            assert unknown.status_code == 404
    first, second = provider.log[0], other.log[0]
    assert second.credential not in (None, first.credential)
    assert (first.model, second.model) == ("gpt-5.6", "gpt-b")


async def test_a_failure_of_all_servers_is_the_first_failure(provider: Provider) -> None:
    provider.fail_next(status=503)
    async with Provider() as other:
        other.fail_next(status=500)
        there = elsewhere(other.openai_url, headers={"authorization": "Bearer o"})
        async with through(httpx2, Fallback(there, on=UpstreamFailed)) as http:
            assert (await ask(way_of(http, provider), CHAT)).status == 503


async def test_two_layers_that_repeat_are_warned_of_once(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    retry = Retry(2, on=httpx2.TransportError, first_wait="1ms")
    async with through(httpx2, retry) as http:
        way = way_of(http, provider)
        again = CHAT.with_headers(x_stainless_retry_count="1")
        await ask(way, again)
        assert caplog.records == []
        for question in (CHAT, again, again):
            provider.fail_next(ending="reset", times=2)
            with pytest.raises(httpx2.TransportError):
                await ask(way, question)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "max_retries=0" in caplog.records[0].getMessage()


# --- events -------------------------------------------------------------------------------------


@pytest.fixture
def told() -> Iterator[list[events.Event]]:
    heard: list[events.Event] = []
    with headway.listen(heard.append):
        yield heard


def answered(told: list[events.Event]) -> list[events.ModelAnswered]:
    return [event for event in told if isinstance(event, events.ModelAnswered)]


@pytest.mark.parametrize("question", [CHAT, STREAMS["messages"]], ids=["plain", "stream"])
async def test_an_exchange_is_told_once_with_its_call(
    provider: Provider, told: list[events.Event], question: Ask
) -> None:
    with headway.scope(run="r", agent="analyst"):
        async with through(httpx2, Cache("1h")) as http:
            await asyncio.gather(*[ask(way_of(http, provider), question) for _ in range(3)])
            await ask(way_of(http, provider), question)
    started = [event for event in told if isinstance(event, events.CallStarted)]
    ended = [event for event in told if isinstance(event, events.CallEnded)]
    models = answered(told)
    assert len(started) == len(ended) == len(models) == 4
    assert sorted(one.source for one in models) == ["hit", "joined", "joined", "ran"]
    sources = {event.call: event.source for event in ended}
    assert {one.call: one.source for one in models} == sources
    name = f"{question.wire} {question.body['model']}"
    assert {(one.operation, one.agent, one.run) for one in models} == {(name, "analyst", "r")}
    assert {event.kind for event in started} == {"model"}
    asked = provider.log[0]
    assert asked.usage is not None
    for one in models:
        assert (one.tokens_in, one.tokens_out) == (asked.usage.tokens_in, asked.usage.tokens_out)
        assert one.streamed is bool(question.body.get("stream"))


async def test_failures_and_broken_streams_are_told_as_such(
    provider: Provider, told: list[events.Event]
) -> None:
    async with through(httpx2, Cache("1h")) as http:
        way = way_of(http, provider)
        provider.fail_next(status=503)
        await ask(way, CHAT)
        provider.fail_next(cut_after=700, ending="close")
        await ask(way, STREAMS["messages"])
        provider.fail_next(cut_after=100, ending="close")
        await ask(way, CHAT)
        provider.fail_next(ending="reset")
        with pytest.raises(httpx2.TransportError):
            await ask(way, CHAT)
    models = answered(told)
    assert [(one.status, one.complete) for one in models] == [
        (503, False),
        (200, False),
        (200, False),
        (None, False),
    ]
    assert models[1].tokens_in is not None  # said at the beginning of the stream


async def test_why_something_was_not_kept_is_told(
    provider: Provider, told: list[events.Event]
) -> None:
    async with through(httpx2, Cache("1h"), Share()) as http:
        await ask(way_of(http, provider), CHAT.with_body(temperature=1))
        await ask(way_of(http, provider), CHAT.with_headers(cache_control="no-store"))
    notes = [event for event in told if isinstance(event, events.PolicyActed)]
    assert [note.action for note in notes] == ["bypassed"] * 2
    assert "temperature" in str(notes[0].detail)
    assert "no-store" in str(notes[1].detail)


async def test_tools_are_no_model_and_are_told_as_http(
    provider: Provider, told: list[events.Event]
) -> None:
    async with through(httpx2) as http:
        await http.get(f"{provider.url}/x")
    assert answered(told) == []
    started = [event for event in told if isinstance(event, events.CallStarted)]
    assert [(event.operation, event.kind) for event in started] == [("http GET 127.0.0.1", "http")]


async def test_off_means_off(provider: Provider) -> None:
    async with through(httpx2, Cache("1h")) as http:
        with headway.off():
            seen: list[Seen] = [await ask(way_of(http, provider), CHAT) for _ in range(2)]
    assert [one.mark for one in seen] == ["miss", "miss"]
    assert len(provider.log) == 2
