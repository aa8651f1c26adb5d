"""The official clients notice no door: what they get is what they would have got without.

Each use is done directly, with one provider, and then through a door, with another that gives the
same bytes for the same requests: fresh, joined, and from the cache.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from headway.testing.provider import Answer, Pace, Provider
from headway.wire.headers import MARK, to_keep
from tests.contract.every_door import DOORS
from tests.contract.official_clients import QUESTION, USES, Use, client
from tests.contract.wire_doors import NoDoor, Setup, Way, WireDoor
from tests.contract.wire_exchanges import PLAIN, STREAMS, Ask, Seen, ask, ask_blocking

DATED = 1_790_000_000.0
DIRECT, KEPT = NoDoor(), Setup()
RICH = Answer(
    text="A moat keeps rivals out.",
    tool_calls=[("price", {"symbol": "NVDA"}), ("price", {"symbol": "AMD"})],
)
IN_TIME = Pace(latency_s=0.08, ttft_s=0.08)

EVERY_DOOR = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
EVERY_USE = pytest.mark.parametrize("use", USES.values(), ids=USES)
EVERY_QUESTION = pytest.mark.parametrize(
    "question",
    [*PLAIN.values(), *STREAMS.values()],
    ids=[*PLAIN, *(f"{name}, streamed" for name in STREAMS)],
)


class Got:
    """What one use gave: the response, and what the client made of it."""

    def __init__(self, response: Any, parsed: list[Any]) -> None:
        self.status: int = response.status_code
        self.headers = {n.lower(): v for n, v in response.headers.multi_items()}
        self.parsed = [each.model_dump() for each in parsed]

    @property
    def mark(self) -> str | None:
        return self.headers.get(MARK)


def blocking(use: Use, way: Way) -> Got:
    """What the blocking client gets."""
    raw = use.of(client(use, way, sync=True), raw=True)
    answer = raw.parse()
    return Got(raw.http_response, list(answer) if use.streams else [answer])


async def awaited(use: Use, way: Way) -> Got:
    """What the asynchronous client gets."""
    raw = await use.of(client(use, way, sync=False), raw=True)
    answer = raw.parse()
    answer = await answer if inspect.isawaitable(answer) else answer
    parsed = [event async for event in answer] if use.streams else [answer]
    return Got(raw.http_response, parsed)


@pytest.fixture
def new_provider() -> Iterator[Callable[[], Provider]]:
    """Providers on threads of their own; the same requests get the same bytes from each."""
    running: list[Provider] = []

    def start() -> Provider:
        running.append(Provider(RICH, dated=DATED, pace=IN_TIME).start())
        return running[-1]

    yield start
    for provider in running:
        provider.stop()


def same_as(direct: Got | Seen, other: Got | Seen, door: WireDoor) -> None:
    """Fail unless *other* is what a client gets directly, as far as its source allows."""
    assert other.status == direct.status
    if isinstance(direct, Got) and isinstance(other, Got):
        assert other.parsed == direct.parsed
    if isinstance(direct, Seen) and isinstance(other, Seen):
        assert (other.body, other.error) == (direct.body, direct.error)
    seen = {n: v for n, v in other.headers.items() if n not in (MARK, "age", "date")}
    expected = {n: v for n, v in direct.headers.items() if n != "date"}
    if other.headers[MARK] not in ("miss", "bypass"):
        of_the_bytes = {"content-length", "content-encoding"}
        kept = {name for name, _ in to_keep(expected)} | of_the_bytes
        expected = {n: v for n, v in expected.items() if n in kept}
        if door.is_server and "transfer-encoding" in direct.headers:
            frames = {"transfer-encoding", "content-length"}  # each connection's own affair
            assert len(frames & seen.keys()) == 1
            seen = {n: v for n, v in seen.items() if n not in frames}
    assert seen == expected


@EVERY_DOOR
@EVERY_USE
def test_a_blocking_client_notices_no_door(
    door: WireDoor, use: Use, new_provider: Callable[[], Provider]
) -> None:
    with DIRECT.open_sync(new_provider(), KEPT) as way:
        direct = blocking(use, way)
    provider = new_provider()
    with door.open_sync(provider, KEPT) as way, ThreadPoolExecutor(4) as threads:
        leading = threads.submit(blocking, use, way)
        while not provider.log:
            time.sleep(0.001)
        joining = [threads.submit(blocking, use, way) for _ in range(3)]
        got = [one.result() for one in (leading, *joining)]
        got.append(blocking(use, way))
    assert [one.mark for one in got][0::4] == ["miss", "hit"]
    assert {one.mark for one in got[1:4]} <= {"joined", "hit"}
    for one in got:
        same_as(direct, one, door)
    assert len(provider.log) == 1


@EVERY_DOOR
@EVERY_USE
async def test_an_asynchronous_client_notices_no_door(
    door: WireDoor, use: Use, new_provider: Callable[[], Provider]
) -> None:
    async with DIRECT.open(new_provider(), KEPT) as way:
        direct = await awaited(use, way)
    provider = new_provider()
    async with door.open(provider, KEPT) as way:
        got = list(await asyncio.gather(*[awaited(use, way) for _ in range(4)]))
        got.append(await awaited(use, way))
    assert sorted(str(one.mark) for one in got) == ["hit", "joined", "joined", "joined", "miss"]
    for one in got:
        same_as(direct, one, door)
    assert len(provider.log) == 1


@EVERY_DOOR
@EVERY_QUESTION
async def test_the_very_bytes_come_through(
    door: WireDoor, question: Ask, new_provider: Callable[[], Provider]
) -> None:
    async with DIRECT.open(new_provider(), KEPT) as way:
        direct = await ask(way, question)
    async with door.open(new_provider(), KEPT) as way:
        got = list(await asyncio.gather(*[ask(way, question) for _ in range(2)]))
        got.append(await ask(way, question))
    assert sorted(one.mark for one in got) == ["hit", "joined", "miss"]
    for one in got:
        same_as(direct, one, door)


@EVERY_DOOR
@EVERY_QUESTION
def test_the_very_bytes_come_through_to_those_who_block(
    door: WireDoor, question: Ask, new_provider: Callable[[], Provider]
) -> None:
    with DIRECT.open_sync(new_provider(), KEPT) as way:
        direct = ask_blocking(way, question)
    with door.open_sync(new_provider(), KEPT) as way:
        got = [ask_blocking(way, question) for _ in range(2)]
    assert [one.mark for one in got] == ["miss", "hit"]
    for one in got:
        same_as(direct, one, door)


ERRORS = {
    "wrong key": (401, openai.AuthenticationError, anthropic.AuthenticationError),
    "unknown model": (404, openai.NotFoundError, anthropic.NotFoundError),
    "too many": (429, openai.RateLimitError, anthropic.RateLimitError),
    "broken": (500, openai.InternalServerError, anthropic.InternalServerError),
    "overloaded": (529, openai.InternalServerError, anthropic.InternalServerError),
}
SPEAKING = {name: USES[name] for name in ("chat", "chat stream", "message", "message stream")}


def failure(use: Use, way: Way) -> Any:
    """The error that the blocking client raises, without trying again."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        use.of(client(use, way, sync=True, max_retries=0))
    return caught.value


@EVERY_DOOR
@pytest.mark.parametrize("use", SPEAKING.values(), ids=SPEAKING)
@pytest.mark.parametrize(("status", "of_openai", "of_anthropic"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_the_error(
    door: WireDoor,
    use: Use,
    status: int,
    of_openai: type[Exception],
    of_anthropic: type[Exception],
    new_provider: Callable[[], Provider],
) -> None:
    found = []
    for way_of in (DIRECT, door):
        provider = new_provider()
        provider.fail_next(status=status)
        with way_of.open_sync(provider, KEPT) as way:
            found.append(failure(use, way))
    direct, through = found
    assert type(direct) is type(through)
    assert isinstance(direct, of_openai if use.sdk == "openai" else of_anthropic)
    assert (direct.status_code, direct.body, str(direct)) == (status, through.body, str(through))
    assert direct.response.content == through.response.content


async def used(door: WireDoor, provider: Provider, setup: Setup, use: Use, *, sync: bool) -> None:
    """Do it once, with a client as it is."""
    if sync:
        with door.open_sync(provider, setup) as way:
            await asyncio.to_thread(lambda: use.of(client(use, way, sync=True)))
    else:
        async with door.open(provider, setup) as way:
            await use.of(client(use, way, sync=False))


@EVERY_DOOR
@pytest.mark.parametrize("use", SPEAKING.values(), ids=SPEAKING)
@pytest.mark.parametrize("sync", [True, False], ids=["blocking", "asynchronous"])
async def test_show_2_one_layer_repeats(
    door: WireDoor, use: Use, sync: bool, new_provider: Callable[[], Provider]
) -> None:
    provider, broken = new_provider(), (openai.APIStatusError, anthropic.APIStatusError)
    provider.fail_next(status=503, times=100)
    repeating = Setup(attempts=3)
    with pytest.raises(broken) as caught:
        await used(door, provider, repeating, use, sync=sync)
    assert len(provider.log) == 3
    assert caught.value.response.status_code == 503


@EVERY_DOOR
@pytest.mark.parametrize("use", SPEAKING.values(), ids=SPEAKING)
async def test_without_retry_the_client_repeats_as_ever(
    door: WireDoor, use: Use, new_provider: Callable[[], Provider]
) -> None:
    provider = new_provider()
    provider.fail_next(status=503, times=2, headers={"retry-after-ms": "1"})
    async with door.open(provider, KEPT) as way:
        await awaited(use, way)
    assert [asked.status for asked in provider.log] == [503, 503, 200]


class Verdict(BaseModel):
    """What a model is to say in this shape."""

    has_moat: bool
    reason: str


SHAPED: dict[str, Any] = {"messages": QUESTION, "model": "gpt-5.6", "temperature": 0}


async def shaped(way: Way) -> list[object]:
    """What the clients' own ways to structured output and to streams make of the answers."""
    of_openai = client(USES["chat"], way, sync=False)
    of_anthropic = client(USES["message"], way, sync=False)
    parsed = await of_openai.chat.completions.parse(**SHAPED, response_format=Verdict)
    responded = await of_openai.responses.parse(
        model="gpt-5.6", input="What is a moat?", temperature=0, text_format=Verdict
    )
    async with of_openai.chat.completions.stream(**SHAPED, response_format=Verdict) as stream:
        streamed = await stream.get_final_completion()
    async with of_openai.responses.stream(
        model="gpt-5.6", input="What is a moat?", temperature=0, text_format=Verdict
    ) as events:
        responding = await events.get_final_response()
    async with of_anthropic.messages.stream(**USES["message"].arguments) as messages:
        text = "".join([piece async for piece in messages.text_stream])
        message = await messages.get_final_message()
    verdicts = [parsed.choices[0].message.parsed, responded.output_parsed]
    verdicts += [streamed.choices[0].message.parsed, responding.output_parsed]
    return [*verdicts, text, message.model_dump()]


@EVERY_DOOR
async def test_structured_output_and_the_clients_own_streams(
    door: WireDoor,
) -> None:
    with Provider(dated=DATED) as provider, Provider(dated=DATED) as second:
        async with DIRECT.open(second, KEPT) as way:
            direct = await shaped(way)
        async with door.open(provider, KEPT) as way:
            assert await shaped(way) == direct
            assert len(provider.log) == 5
            assert await shaped(way) == direct
        assert len(provider.log) == 5
    assert all(isinstance(verdict, Verdict) for verdict in direct[:4])


def test_structured_output_of_the_blocking_clients() -> None:
    for door in DOORS:
        with Provider(dated=DATED) as provider, door.open_sync(provider, KEPT) as way:
            blocking_client = client(USES["chat"], way, sync=True)
            answers = [
                blocking_client.chat.completions.parse(**SHAPED, response_format=Verdict)
                for _ in range(2)
            ]
        assert len(provider.log) == 1
        first, second = [answer.choices[0].message.parsed for answer in answers]
        assert isinstance(first, Verdict)
        assert first == second
