"""The stand-in speaks as fast as it is told, on the clock of the test."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from headway import clock
from headway.testing import Answer, FakeClock, Pace, Provider, Reported
from tests.testing.provider.questions import HELLO, anthropic_in_loop, openai_in_loop

T = TypeVar("T")


async def advanced(fake: FakeClock, awaitable: Awaitable[T], step: str = "10ms") -> T:
    """Moves the clock until the answer is there."""
    task = asyncio.ensure_future(awaitable)
    while not task.done():
        await fake.advance(step)
        await asyncio.sleep(0.0005)  # the bytes pass through real sockets
    return task.result()


async def test_first_token_then_steadily() -> None:
    fake = FakeClock()
    pace = Pace(ttft_s=5.0, tokens_per_s=2.0, scale=0.1)
    with clock.use(fake):
        async with (
            Provider(Answer(chunks=["four", "four", "four"]), pace=pace) as provider,
            openai_in_loop(provider) as client,
        ):
            stream = await client.chat.completions.create(model="g", messages=HELLO, stream=True)
            arrived: list[float] = []

            async def read() -> None:
                async for chunk in stream:
                    if chunk.choices[0].delta.content:
                        arrived.append(fake.monotonic())

            await advanced(fake, read())
            first_at, at = provider.log[0].first_at, provider.log[0].at
    assert first_at is not None
    assert first_at - at == pytest.approx(0.5, abs=0.02)
    assert arrived == pytest.approx([0.5, 0.55, 0.6], abs=0.025)


async def test_a_plain_answer_takes_as_long_as_the_stream() -> None:
    fake = FakeClock()
    with clock.use(fake):
        pace = Pace(ttft_s=1, tokens_per_s=10)
        async with (
            Provider("four" * 10, pace=pace) as provider,
            anthropic_in_loop(provider) as client,
        ):
            begun = fake.monotonic()
            raw = client.messages.with_raw_response.create(model="c", max_tokens=99, messages=HELLO)
            await advanced(fake, raw, "50ms")
            assert fake.monotonic() - begun == pytest.approx(2.0, abs=0.15)
            provider.pace = Pace(latency_s=0.25)
            begun = fake.monotonic()
            await advanced(fake, client.messages.create(model="c", max_tokens=99, messages=HELLO))
            assert fake.monotonic() - begun == pytest.approx(0.25, abs=0.05)


async def test_slow_headers_and_errors_at_once() -> None:
    fake = FakeClock()
    with clock.use(fake):
        async with (
            Provider(pace=Pace(latency_s=60)) as provider,
            openai_in_loop(provider) as client,
        ):
            provider.fail_next(status=503)
            with pytest.raises(Exception, match="overloaded"):
                await client.chat.completions.create(model="g", messages=HELLO)
            provider.pace = Pace()
            provider.fail_next(wait_s=30)
            begun = fake.monotonic()
            asking = client.chat.completions.create(model="g", messages=HELLO)
            await advanced(fake, asking, "1s")
            assert fake.monotonic() - begun >= 30


async def test_a_client_that_hangs_up_is_noticed() -> None:
    fake = FakeClock()
    with clock.use(fake):
        pace = Pace(tokens_per_s=1)
        async with Provider(Answer(chunks=["four"] * 50), pace=pace) as provider:
            async with openai_in_loop(provider) as client:
                stream = await client.chat.completions.create(
                    model="g", messages=HELLO, stream=True
                )
                seen = 0

                async def read_some() -> None:
                    nonlocal seen
                    async for chunk in stream:
                        seen += bool(chunk.choices[0].delta.content)
                        if seen == 3:
                            break

                await advanced(fake, read_some(), "1s")
                await stream.close()
                await provider.until(lambda log: log[0].ending != "open")
            asked = provider.log[0]
            assert asked.ending == "cancelled"
            assert asked.usage is not None
            assert 3 <= asked.usage.tokens_out <= 5
            assert not asked.was_told


async def test_a_client_that_hangs_up_before_the_first_token_is_noticed() -> None:
    async with Provider(pace=Pace(latency_s=60)) as provider, openai_in_loop(provider) as client:
        asking = asyncio.ensure_future(client.chat.completions.create(model="g", messages=HELLO))
        await provider.until(bool)
        asking.cancel()
        await provider.until(lambda log: log[0].ending != "open")
        asked = provider.log[0]
    assert (asked.ending, asked.first_at) == ("cancelled", None)
    assert asked.usage is not None
    assert asked.usage.tokens_out == 0


async def test_two_hundred_streams_at_once() -> None:
    async with Provider(lambda question: question.last_user * 3) as provider:
        async with openai_in_loop(provider) as client:

            async def ask(number: int) -> str:
                stream = await client.chat.completions.create(
                    model="g",
                    messages=[{"role": "user", "content": f"number {number} "}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
                chunks = [chunk async for chunk in stream if chunk.choices]
                return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

            answers = await asyncio.gather(*(ask(number) for number in range(200)))
        totals = provider.totals()
    assert answers == [f"number {number} " * 3 for number in range(200)]
    assert (totals.requests, totals.complete) == (200, 200)
    assert totals.by_wire == {"openai.chat": 200}
    assert totals.usage == Reported(
        tokens_in=sum(one.usage.tokens_in for one in provider.log if one.usage),
        tokens_out=sum(-(-len(answer) // 4) for answer in answers),
    )


async def test_stopping_breaks_off_what_is_open() -> None:
    provider = Provider(pace=Pace(latency_s=60))
    async with openai_client_of(provider) as asking:
        await provider.until(bool)
        await provider.__aexit__(None, None, None)
        with pytest.raises(Exception, match="Connection error"):
            await asking
    assert provider.log[0].ending == "stopped"
    assert provider.connections == 0


class openai_client_of:  # noqa: N801
    """One question under way at a provider that the test stops itself."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __aenter__(self) -> "asyncio.Future[object]":
        await self._provider.__aenter__()
        self._clients = openai_in_loop(self._provider)
        client = await self._clients.__aenter__()
        return asyncio.ensure_future(client.chat.completions.create(model="g", messages=HELLO))

    async def __aexit__(self, *_: object) -> None:
        await self._clients.__aexit__(None, None, None)


def test_pace_must_make_sense() -> None:
    with pytest.raises(ValueError, match="tokens_per_s is above zero"):
        Pace(tokens_per_s=0)
    with pytest.raises(ValueError, match="zero or more"):
        Pace(ttft_s=-1)
