"""``wrap``: an official client in one line, with all its settings."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

import headway
from headway import BadSetup, Cache, Retry, UpstreamFailed
from headway.testing.provider import Pace, Provider
from tests.contract.official_clients import QUESTION, ZERO

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {"model": "gpt-5.6", "messages": QUESTION, "temperature": 0}
ASKED_OF_CLAUDE: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "messages": QUESTION,
    "max_tokens": 50,
    **ZERO,
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def test_a_blocking_client_of_openai(provider: Provider) -> None:
    with headway.wrap(openai.OpenAI(api_key="k", base_url=provider.openai_url)) as llm:
        assert type(llm) is openai.OpenAI
        answers = [llm.chat.completions.create(**ASKED) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(provider.log) == 1


async def test_an_asynchronous_client_of_openai(provider: Provider) -> None:
    client = openai.AsyncOpenAI(api_key="k", base_url=provider.openai_url)
    async with headway.wrap(client) as llm:
        answers = await asyncio.gather(*[llm.chat.completions.create(**ASKED) for _ in range(3)])
    assert answers[0] == answers[1] == answers[2]
    assert len(provider.log) == 1


def test_a_blocking_client_of_anthropic(provider: Provider) -> None:
    client = anthropic.Anthropic(api_key="k", base_url=provider.anthropic_url)
    with headway.wrap(client) as llm:
        answers = [llm.messages.create(**ASKED_OF_CLAUDE) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(provider.log) == 1


async def test_an_asynchronous_client_of_anthropic(provider: Provider) -> None:
    client = anthropic.AsyncAnthropic(api_key="k", base_url=provider.anthropic_url)
    async with headway.wrap(client) as llm:
        answers = [await llm.messages.create(**ASKED_OF_CLAUDE) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(provider.log) == 1


def test_settings_of_the_client_and_of_its_http_client_stay(provider: Provider) -> None:
    http = httpx2.Client(headers={"x-own": "1"}, follow_redirects=True, timeout=7)
    client = openai.OpenAI(
        api_key="k",
        base_url=provider.openai_url,
        http_client=http,
        max_retries=5,
        timeout=11,
        default_headers={"x-mine": "2"},
    )
    with headway.wrap(client, Cache("1m")) as llm:
        llm.chat.completions.create(**ASKED)
        assert (llm.max_retries, llm.timeout) == (5, 11)
        assert llm._client.follow_redirects is True
    sent = provider.log[0].headers
    assert (sent["x-own"], sent["x-mine"]) == ("1", "2")


def test_the_client_it_was_made_of_may_be_thrown_away(provider: Provider) -> None:
    import gc

    llm = headway.wrap(openai.OpenAI(api_key="k", base_url=provider.openai_url))
    for number in range(3):
        gc.collect()
        llm.chat.completions.create(**ASKED, seed=number)
    assert provider.connections == 1
    llm.close()


def test_a_client_built_on_httpx_is_one_too(provider: Provider) -> None:
    client = openai.OpenAI(api_key="k", base_url=provider.openai_url, http_client=httpx.Client())
    with headway.wrap(client) as llm:
        answers = [llm.chat.completions.create(**ASKED) for _ in range(2)]
        assert isinstance(llm._client, httpx.Client)
    assert answers[0] == answers[1]
    assert len(provider.log) == 1


def test_only_one_layer_repeats(provider: Provider) -> None:
    client = openai.OpenAI(api_key="k", base_url=provider.openai_url, max_retries=4)
    retry = Retry(2, on=(UpstreamFailed, httpx2.TransportError), first_wait="1ms")
    with headway.wrap(client, retry) as llm:
        assert llm.max_retries == 0
        provider.fail_next(status=503, times=9)
        with pytest.raises(openai.InternalServerError):
            llm.chat.completions.create(**ASKED)
        assert len(provider.log) == 2
        provider.clear()
        provider.fail_next(ending="reset", times=9)
        with pytest.raises(openai.APIConnectionError):
            llm.chat.completions.create(**ASKED)
        assert len(provider.log) == 2


def test_a_time_out_is_the_clients_own(provider: Provider) -> None:
    provider.pace = Pace(latency_s=30)
    client = openai.OpenAI(api_key="k", base_url=provider.openai_url, max_retries=0)
    with (
        headway.wrap(client, headway.Timeout("30ms")) as llm,
        pytest.raises(openai.APITimeoutError),
    ):
        llm.chat.completions.create(**ASKED)


@pytest.mark.parametrize("other", [object(), httpx2.Client(verify=False), None])
def test_anything_else_is_refused(other: object) -> None:
    with pytest.raises(BadSetup, match="through"):
        headway.wrap(other)
