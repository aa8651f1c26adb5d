"""Trap 15: the time-out of one who joined is its own."""

import asyncio
import time

import httpx2
from openai import APITimeoutError, AsyncOpenAI

from headway import Cache, CallEnded, Event, ModelAnswered, listen
from headway.adapters.http import through
from headway.testing import Provider
from headway.testing.provider import Pace

SLOW = Pace(latency_s=1.0)


async def ask(client: AsyncOpenAI, timeout_s: float) -> str:
    try:
        answer = await client.with_options(timeout=timeout_s).chat.completions.create(
            model="gpt-4o", temperature=0, messages=[{"role": "user", "content": "hi"}]
        )
    except APITimeoutError:
        return "timed out"
    return answer.choices[0].message.content or ""


async def test_one_who_joined_waits_no_longer_than_it_said() -> None:
    async with Provider("hello", pace=SLOW) as provider, through(httpx2, Cache("1h")) as http:
        client = AsyncOpenAI(
            api_key="k", base_url=provider.openai_url, http_client=http, max_retries=0
        )

        async def in_a_hurry() -> tuple[str, float]:
            await asyncio.sleep(0.05)
            began = time.monotonic()
            return await ask(client, 0.1), time.monotonic() - began

        patient, (hurried, waited_s) = await asyncio.gather(ask(client, 10), in_a_hurry())
        assert (patient, hurried) == ("hello", "timed out")
        assert waited_s < 0.9
        assert len(provider.log) == 1


async def test_the_time_of_the_first_is_not_the_time_of_the_others() -> None:
    async with Provider("hello", pace=SLOW) as provider, through(httpx2, Cache("1h")) as http:
        client = AsyncOpenAI(
            api_key="k", base_url=provider.openai_url, http_client=http, max_retries=0
        )
        answers = await asyncio.gather(ask(client, 0.15), ask(client, 10), ask(client, 10))
        assert answers == ["timed out", "hello", "hello"]
        assert len(provider.log) == 2


async def test_a_hostile_model_name_is_plain_in_every_record() -> None:
    seen: list[Event] = []
    name = "a\n\x1b[31mred" + "x" * 5000
    async with Provider("hello") as provider, through(httpx2, Cache("1h")) as http:
        with listen(seen.append):
            await http.post(
                f"{provider.openai_url}/chat/completions",
                headers={"authorization": "Bearer k"},
                json={"model": name, "messages": [{"role": "user", "content": "hi"}]},
            )
    models = [event.model for event in seen if isinstance(event, ModelAnswered)]
    names = {event.operation for event in seen if isinstance(event, CallEnded)}
    assert len(models) == len(names) == 1
    for shown in [*models, *names]:
        assert shown.isprintable()
        assert len(shown) < 160
