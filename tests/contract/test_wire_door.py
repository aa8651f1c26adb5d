"""What every door on a model's wire must do: the traps, one test each, by their numbers.

The provider is the stand-in on loopback and counts what it was asked. It gives every answer ids of
its own, so an answer that is equal to an earlier one was replayed, not asked for again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

import headway
from headway import MemoryStore, events
from headway.testing.provider import Answer, Fault, Pace, Provider
from headway.testing.provider.log import digest_of
from tests.contract.every_door import DOORS
from tests.contract.wire_doors import GoneStore, NoDoor, Setup, Way, WireDoor
from tests.contract.wire_exchanges import (
    CHAT,
    EMBEDDINGS,
    MESSAGES,
    PLAIN,
    RESPONSES,
    SPOKEN,
    STREAMS,
    TOOL,
    Ask,
    ask,
    ask_together,
)

EVERY = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
pytestmark = [pytest.mark.anyio, EVERY]

KEPT = Setup()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


async def marks(
    door: WireDoor, provider: Provider, *questions: Ask, setup: Setup = KEPT
) -> list[str]:
    """Where the answers to *questions*, asked one after the other, came from."""
    async with door.open(provider, setup) as way:
        return [(await ask(way, question)).mark for question in questions]


# --- which exchanges are kept -------------------------------------------------------------------

NEVER = {
    "several choices": CHAT.with_body(n=2),
    "stored": RESPONSES.with_body(store=True),
    "in the background": RESPONSES.with_body(background=True),
    "in a conversation": RESPONSES.with_body(conversation="conv_1"),
    "tool of the server": RESPONSES.with_body(tools=[{"type": "web_search"}]),
    "tool of Anthropic's server": MESSAGES.with_body(
        tools=[{"type": "web_search_20250305", "name": "web_search"}]
    ),
    "audio": CHAT.with_body(modalities=["text", "audio"], audio={"voice": "a"}),
}
RANDOM = {
    "chat": CHAT.with_body(temperature=1),
    "chat by default": CHAT.with_body(temperature=...),
    "responses": RESPONSES.with_body(temperature=0.7),
    "messages": MESSAGES.with_body(temperature=...),
}


@pytest.mark.parametrize("question", PLAIN.values(), ids=PLAIN)
async def test_trap_01_a_repeatable_exchange_is_asked_once(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    assert await marks(door, provider, question, question) == ["miss", "hit"]
    assert len(provider.log) == 1


@pytest.mark.parametrize("question", RANDOM.values(), ids=RANDOM)
async def test_trap_01_chance_is_asked_every_time_unless_wanted(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    assert await marks(door, provider, question, question) == ["bypass", "bypass"]
    wanted = Setup(every=True)
    assert await marks(door, provider, question, question, setup=wanted) == ["miss", "hit"]


@pytest.mark.parametrize("question", NEVER.values(), ids=NEVER)
async def test_trap_01_what_leaves_something_behind_is_never_kept(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    for setup in (KEPT, Setup(every=True)):
        assert await marks(door, provider, question, question, setup=setup) == ["bypass", "bypass"]


async def test_trap_01_a_seed_makes_chat_repeatable(door: WireDoor, provider: Provider) -> None:
    seeded = CHAT.with_body(temperature=1, seed=7)
    assert await marks(door, provider, seeded, seeded) == ["miss", "hit"]


BAD = {
    "400": Fault(status=400),
    "401": Fault(status=401),
    "404": Fault(status=404),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "529": Fault(status=529),
    "a page of a proxy": Fault(status=502, html=True),
}


@pytest.mark.parametrize("fault", BAD.values(), ids=BAD)
async def test_trap_02_a_failure_is_never_kept(
    door: WireDoor, provider: Provider, fault: Fault
) -> None:
    for question in (CHAT, STREAMS["messages"]):
        provider.fail_next(fault)
        async with door.open(provider, KEPT) as way:
            failed, good, again = [await ask(way, question) for _ in range(3)]
        assert failed.status >= 400
        assert failed.mark == "miss"
        assert (good.status, good.mark, again.mark) == (200, "miss", "hit")


BROKEN = {
    "no last event": Fault(without_terminal=True),
    "an error in the stream": Fault(error_event="overloaded_error"),
    "garbage": Fault(garbage=b"data: {half\n\n"),
    "cut by a reset": Fault(cut_after=150),
    "cut by a close": Fault(cut_after=150, ending="close"),
    "ended too soon": Fault(cut_after=150, ending="end"),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("question", STREAMS.values(), ids=STREAMS)
async def test_trap_02_a_broken_stream_is_never_kept(
    door: WireDoor, provider: Provider, question: Ask, fault: Fault
) -> None:
    provider.fail_next(fault)
    assert await marks(door, provider, question, question, question) == ["miss", "miss", "hit"]


async def test_trap_02_a_body_cut_short_is_never_kept(door: WireDoor, provider: Provider) -> None:
    for fault in (Fault(cut_after=40, ending="close"), Fault(cut_after=40, ending="end")):
        provider.fail_next(fault)
        question = CHAT.with_body(seed=int(fault.ending == "end"))
        async with door.open(provider, KEPT) as way:
            cut, good = [await ask(way, question) for _ in range(2)]
        assert len(cut.body) == 40 or (door.is_server and cut.status >= 500)
        assert (good.status, good.mark) == (200, "miss")


UNFINISHED = {
    "too long": Answer(text="it goes on and", finish_reason="length"),
    "filtered": Answer(text="it", finish_reason="content_filter"),
    "an error of 200": Answer(raw=b'{"error": {"message": "overloaded"}}'),
    "no choices": Answer(raw=b'{"id": "a", "object": "chat.completion", "choices": []}'),
}


@pytest.mark.parametrize("answer", UNFINISHED.values(), ids=UNFINISHED)
async def test_trap_02_an_unfinished_answer_is_never_kept(
    door: WireDoor, provider: Provider, answer: Answer
) -> None:
    provider.answers = answer
    assert await marks(door, provider, CHAT, CHAT) == ["miss", "miss"]


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_trap_02_what_is_too_large_is_handed_on_and_not_kept(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    provider.answers = "long " * 1_000
    async with door.open(provider, Setup(max_bytes="2KB")) as way:
        first, second = [await ask(way, question) for _ in range(2)]
    assert len(first.body) > 5_000
    assert (first.mark, second.mark) == ("miss", "miss")


async def test_trap_03_a_hit_lives_no_longer_for_it(door: WireDoor) -> None:
    with door.clock() as clock:
        async with Provider() as provider, door.open(provider, Setup(ttl="60s")) as way:
            seen = [await ask(way, CHAT)]
            for _ in range(2):
                await clock.advance(35)
                seen.append(await ask(way, CHAT))
    assert [one.mark for one in seen] == ["miss", "hit", "miss"]


async def test_trap_03_a_hit_tells_its_age(door: WireDoor) -> None:
    with door.clock() as clock:
        async with Provider() as provider, door.open(provider, Setup(ttl="60s")) as way:
            seen = [await ask(way, CHAT)]
            await clock.advance(35)
            seen += [await ask(way, CHAT), await ask(way, CHAT.with_body(seed=1))]
    assert [one.headers.get("age") for one in seen] == [None, "35", None]


# --- the key ------------------------------------------------------------------------------------

OTHERS = {
    "temperature": CHAT.with_body(temperature=0.0, seed=1),
    "top_p": CHAT.with_body(top_p=0.5),
    "tools": CHAT.with_body(tools=[TOOL]),
    "tool_choice": CHAT.with_body(tools=[TOOL], tool_choice="none"),
    "response_format": CHAT.with_body(response_format={"type": "json_object"}),
    "unknown member": CHAT.with_body(guided_json={"type": "object"}),
    "null beside absent": CHAT.with_body(stop=None),
    "organisation": CHAT.with_headers(openai_organization="org-2"),
    "project": CHAT.with_headers(openai_project="p-2"),
    "beta": CHAT.with_headers(openai_beta="assistants=v2"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_trap_04_the_whole_body_is_the_question(
    door: WireDoor, provider: Provider, other: Ask
) -> None:
    assert await marks(door, provider, CHAT, other, CHAT) == ["miss", "miss", "hit"]


async def test_trap_04_what_shapes_an_answer_of_anthropic_counts(
    door: WireDoor, provider: Provider
) -> None:
    beta = MESSAGES.with_headers(anthropic_beta="context-1m-2025-08-07")
    assert await marks(door, provider, MESSAGES, beta) == ["miss", "miss"]


async def test_trap_04_who_asks_for_whom_does_not_count(door: WireDoor, provider: Provider) -> None:
    same = [
        CHAT.with_body(user="u-1"),
        CHAT.with_body(metadata={"run": "1"}),
        CHAT.with_body(prompt_cache_key="p"),
        CHAT.with_headers(x_request_id="r-1", traceparent="00-1-2-01"),
    ]
    assert await marks(door, provider, CHAT, *same) == ["miss", *["hit"] * len(same)]


async def test_trap_05_order_of_keys_is_nothing_order_of_lists_is_all(
    door: WireDoor, provider: Provider
) -> None:
    turned = Ask(CHAT.wire, dict(reversed(list(CHAT.body.items()))))
    spaced = CHAT.as_bytes(json.dumps(CHAT.body, indent=2).encode())
    assert await marks(door, provider, CHAT, turned, spaced) == ["miss", "hit", "hit"]
    one, two = {"role": "user", "content": "one"}, {"role": "user", "content": "two"}
    lists = [CHAT.with_body(messages=[one, two]), CHAT.with_body(messages=[two, one])]
    assert await marks(door, provider, *lists) == ["miss", "miss"]


async def test_trap_05_numbers_and_texts_stay_what_they_are(
    door: WireDoor, provider: Provider
) -> None:
    def seeded(text: str) -> Ask:
        body = json.dumps({**CHAT.body, "seed": 0}).replace('"seed": 0', f'"seed": {text}')
        return CHAT.as_bytes(body.encode())

    large = [seeded("9007199254740993"), seeded("9007199254740992")]
    assert await marks(door, provider, *large) == ["miss", "miss"]
    zeros = [CHAT.with_body(temperature=0), CHAT.with_body(temperature=0.0)]
    assert await marks(door, provider, *zeros) == ["miss", "miss"]
    spelled = [CHAT.with_body(stop="\u00e9"), CHAT.with_body(stop="e\u0301")]
    assert await marks(door, provider, *spelled) == ["miss", "miss"]


async def test_trap_05_duplicate_keys_bypass(door: WireDoor, provider: Provider) -> None:
    twice = CHAT.as_bytes(CHAT.content[:-1] + b',"temperature":0}')
    assert await marks(door, provider, twice, twice) == ["bypass", "bypass"]


async def test_trap_06_one_credential_never_sees_the_answer_of_another(
    door: WireDoor, provider: Provider
) -> None:
    other = CHAT.with_headers(authorization="Bearer key-of-b")
    async with door.open(provider, KEPT) as way:
        seen = [await ask(way, question) for question in (CHAT, other, CHAT, other)]
    assert [one.mark for one in seen] == ["miss", "miss", "hit", "hit"]
    assert [asked.credential for asked in provider.log] == [
        digest_of("key-of-a"),
        digest_of("key-of-b"),
    ]
    assert seen[2].body == seen[0].body != seen[1].body == seen[3].body


async def test_trap_06_no_digest_of_a_key_is_shown(door: WireDoor, provider: Provider) -> None:
    async with door.open(provider, KEPT) as way:
        seen = [await ask(way, CHAT) for _ in range(2)]
    own = {name for name in seen[1].headers.keys() - seen[0].headers.keys() if name != "age"}
    assert not own
    shown = [value for name, value in seen[1].headers.items() if name.startswith("x-headway")]
    assert shown == ["hit"]


async def test_trap_07_another_model_is_another_question(
    door: WireDoor, provider: Provider
) -> None:
    smaller = CHAT.with_body(model="gpt-5.6-mini")
    assert await marks(door, provider, CHAT, smaller, CHAT) == ["miss", "miss", "hit"]


async def test_trap_07_another_server_is_another_question(
    door: WireDoor, provider: Provider
) -> None:
    setup = Setup(store=MemoryStore())
    assert await marks(door, provider, CHAT, setup=setup) == ["miss"]
    async with Provider() as second:
        assert await marks(door, second, CHAT, setup=setup) == ["miss"]


async def test_trap_08_cache_markers_do_not_count_and_are_not_touched(
    door: WireDoor, provider: Provider
) -> None:
    part = {"type": "text", "text": "You know moats.", "cache_control": {"type": "ephemeral"}}
    marked = MESSAGES.with_body(system=[part])
    bare = MESSAGES.with_body(system=[{"type": "text", "text": "You know moats."}])
    assert await marks(door, provider, marked, bare) == ["miss", "hit"]
    assert [asked.body for asked in provider.log] == [dict(marked.body)]


# --- replay -------------------------------------------------------------------------------------

RICH = Answer(
    text="A moat keeps rivals out.",
    reasoning="They ask for a word.",
    tool_calls=[("price", {"symbol": "NVDA"}), ("price", {"symbol": "AMD"})],
)


@pytest.mark.parametrize("question", STREAMS.values(), ids=STREAMS)
async def test_trap_09_a_replayed_stream_is_the_stream(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    provider.answers = RICH
    with_tools = question.with_body(logprobs=True) if "chat" in question.wire else question
    async with door.open(provider, KEPT) as way:
        first, second = [await ask(way, with_tools) for _ in range(2)]
    assert (first.mark, second.mark) == ("miss", "hit")
    assert first.answer == second.answer
    assert len(provider.log) == 1


async def test_trap_10_streamed_and_plain_are_two_records(
    door: WireDoor, provider: Provider
) -> None:
    asked = [CHAT, STREAMS["chat"], STREAMS["chat with usage"]] * 2
    assert await marks(door, provider, *asked) == ["miss"] * 3 + ["hit"] * 3


async def test_trap_11_headers_of_a_moment_are_not_replayed(
    door: WireDoor, provider: Provider
) -> None:
    provider.headers |= {"set-cookie": "__cf_bm=b", "x-own": "stays", "keep-alive": "timeout=5"}
    for question in (CHAT, STREAMS["chat"], MESSAGES):
        async with door.open(provider, KEPT) as way:
            first, second = [await ask(way, question) for _ in range(2)]
        assert second.mark == "hit"
        gone = first.headers.keys() - second.headers.keys()
        if not door.is_server:  # a server has a connection and a date of its own
            assert {"set-cookie", "keep-alive", "date"} <= gone
            assert gone & {"x-request-id", "request-id"}
        of_a_moment = {"set-cookie", "x-request-id", "request-id", "openai-processing-ms"}
        assert not of_a_moment & second.headers.keys()
        assert not [name for name in second.headers if "ratelimit" in name]
        if door.is_in_process:
            assert not {"transfer-encoding", "connection"} & second.headers.keys()
        assert second.headers.get("x-own") == ("stays" if door.passes_bytes else None)
        assert second.headers["content-type"] == first.headers["content-type"]


async def test_trap_12_a_hit_tells_its_usage_and_that_it_was_a_hit(
    door: WireDoor, provider: Provider
) -> None:
    told: list[events.ModelAnswered] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.ModelAnswered):
            told.append(event)

    with headway.listen(note):
        await marks(door, provider, CHAT, CHAT)
        await marks(door, provider, STREAMS["messages"], STREAMS["messages"])
    assert [one.source for one in told] == ["ran", "hit", "ran", "hit"]
    for one, asked in zip(told, [provider.log[0]] * 2 + [provider.log[1]] * 2, strict=True):
        assert asked.usage is not None
        assert one.tokens_in == asked.usage.tokens_in
        assert one.tokens_out == asked.usage.tokens_out
        assert (one.status, one.complete) == (200, True)


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat with usage"]], ids=["plain", "stream"])
async def test_trap_12_a_hit_shows_the_usage_of_its_answer(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    async with door.open(provider, KEPT) as way:
        first, second = [await ask(way, question) for _ in range(2)]
    assert second.mark == "hit"
    assert b'"usage"' in first.body
    assert usage_in(second.body) == usage_in(first.body)


def usage_in(body: bytes) -> list[object]:
    """Every usage that an answer or an event of it tells."""
    texts = [line.removeprefix(b"data:") for line in body.splitlines() if b'"usage"' in line]
    told = [json.loads(text).get("usage") for text in texts]
    return [usage for usage in told if usage]


# --- coalescing ---------------------------------------------------------------------------------

SLOW = Pace(tokens_per_s=200)
LONG = "word " * 20


async def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so; the test fails by what it looks at next if it never is."""
    for _ in range(2000):
        if is_so():
            break
        await asyncio.sleep(0.001)


async def until_asked(provider: Provider) -> None:
    await until(lambda: bool(provider.log))


async def until_in(way: Way, readers: int) -> None:
    """Return when so many requests are in the door."""
    under_way = way.under_way
    if under_way is not None:
        await until(lambda: under_way() >= readers)
    else:
        await asyncio.sleep(0.02)


async def until_ended(provider: Provider) -> str:
    await until(lambda: provider.log[-1].ending != "open")
    return provider.log[-1].ending


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
async def test_trap_13_the_leader_may_leave_and_the_others_stay(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    provider.answers, provider.pace = LONG, SLOW
    async with door.open(provider, KEPT) as way:
        leader = asyncio.create_task(ask(way, question))
        await until_asked(provider)
        followers = asyncio.gather(*[ask(way, question) for _ in range(3)])
        await until_in(way, 4)
        leader.cancel()
        seen = await followers
    assert len(provider.log) == 1
    assert len({one.answer for one in seen}) == 1
    assert [one.mark for one in seen] == ["joined"] * 3


@pytest.mark.parametrize("question", [CHAT, STREAMS["chat"]], ids=["plain", "stream"])
@pytest.mark.parametrize("ttft_s", [0.0, 60.0], ids=["in the middle", "before the first byte"])
async def test_trap_13_when_the_last_one_leaves_the_server_is_let_go(
    door: WireDoor, provider: Provider, question: Ask, ttft_s: float
) -> None:
    provider.answers, provider.pace = LONG, Pace(ttft_s=ttft_s, tokens_per_s=1)
    async with door.open(provider, KEPT) as way:
        readers = [asyncio.create_task(ask(way, question)) for _ in range(3)]
        await until_asked(provider)
        await until_in(way, 3)
        for reader in readers:
            reader.cancel()
        assert await until_ended(provider) == "cancelled"
        provider.pace = Pace()
        assert (await ask(way, question)).mark == "miss"


async def test_trap_14_followers_get_all_and_a_slow_one_holds_nobody_back(
    door: WireDoor, provider: Provider
) -> None:
    provider.answers, provider.pace = LONG, SLOW
    question = STREAMS["chat"]
    async with door.open(provider, KEPT) as way:
        url, headers = question.url(way), question.all_headers
        async with way.http.stream("POST", url, content=question.content, headers=headers) as stuck:
            pieces = stuck.aiter_raw()
            read = await anext(pieces)
            whole = await asyncio.wait_for(ask(way, question), 10)
            assert whole.mark == "joined"
            async for piece in pieces:
                read += piece
    assert read == whole.body
    assert len(provider.log) == 1


async def test_trap_15_a_failure_before_the_first_byte_reaches_all(
    door: WireDoor, provider: Provider
) -> None:
    provider.pace = Pace(latency_s=0.02)
    provider.fail_next(status=503, wait_s=0.05)
    async with door.open(provider, KEPT) as way:
        failed = await ask_together(way, STREAMS["chat"], 5)
        again = await ask(way, STREAMS["chat"])
    assert {one.status for one in failed} == {503}
    assert (again.status, again.mark) == (200, "miss")
    assert len(provider.log) == 2


async def test_trap_15_a_failure_in_the_middle_reaches_all_and_is_not_kept(
    door: WireDoor, provider: Provider
) -> None:
    provider.fail_next(cut_after=400, wait_s=0.02)
    async with door.open(provider, KEPT) as way:
        broken = await ask_together(way, STREAMS["chat"], 5)
        again = await ask(way, STREAMS["chat"])
    assert len({one.answer for one in broken}) == 1
    assert broken[0].error is not None
    assert len(broken[0].body) == 400
    assert (again.error, again.mark) == (None, "miss")
    assert len(provider.log) == 2


async def test_trap_15_chance_and_strangers_are_not_coalesced(
    door: WireDoor, provider: Provider
) -> None:
    provider.pace = Pace(latency_s=0.05)
    other = CHAT.with_headers(authorization="Bearer key-of-b")
    random = CHAT.with_body(temperature=1)
    async with door.open(provider, Setup(shares=True)) as way:
        await asyncio.gather(*[ask(way, q) for q in (CHAT, other, random, random)])
    assert len(provider.log) == 4


async def fails(door: WireDoor, way: Way, question: Ask) -> bool:
    """Whether a client hears that there is no answer: from the door if it speaks for itself."""
    if door.is_server:
        return (await ask(way, question)).status in (500, 502)
    with pytest.raises(httpx2.TransportError):
        await ask(way, question)
    return True


async def test_trap_16_nothing_stays_locked(door: WireDoor, provider: Provider) -> None:
    provider.pace = Pace(latency_s=30)
    before = asyncio.all_tasks()
    async with door.open(provider, KEPT) as way:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(way, CHAT), 0.03)
        provider.pace = Pace()
        provider.fail_next(ending="reset")
        assert await fails(door, way, CHAT)
        seen = [await ask(way, CHAT) for _ in range(2)]
    assert [one.mark for one in seen] == ["miss", "hit"]
    if door.is_in_process:
        await until(lambda: provider.connections == 0)
        assert asyncio.all_tasks() == before


# --- passing through ----------------------------------------------------------------------------

_EVENTS = [
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"caf\xc3\xa9"}}]}',
    b'data:{"id":"a","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    b"data: [DONE]",
]
PINGED = b": PROCESSING\n\n" + b"\n\n: ping\n\n".join([*_EVENTS, b""])
FRAMINGS = {
    "LF": b"\n\n".join([*_EVENTS, b""]),
    "CRLF": b"\r\n\r\n".join([*_EVENTS, b""]),
    "CR": b"\r\r".join([*_EVENTS, b""]),
    "BOM": b"\xef\xbb\xbf" + b"\n\n".join([*_EVENTS, b""]),
    "comments": PINGED,
    "named and numbered": b"\n\n".join(b"event: x\nid: 1\nretry: 5\n" + e for e in _EVENTS)
    + b"\n\n",
}


@pytest.mark.parametrize("raw", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_trap_18_every_legal_framing_passes_and_is_understood(
    door: WireDoor, provider: Provider, raw: bytes, step: int
) -> None:
    provider.answers = Answer(raw=raw, offsets=range(step, len(raw), step))
    async with door.open(provider, KEPT) as way:
        seen = [await ask(way, STREAMS["chat"]) for _ in range(2)]
    if not door.passes_bytes:
        assert [said_in(one.body) for one in seen] == ["caf\u00e9"] * 2
    elif door.is_server and raw == PINGED:  # comments keep a connection alive; a hit needs none
        assert seen[0].body == raw
        assert seen[1].body in (raw, b"\n\n".join([*_EVENTS, b""]))
    else:
        assert [one.body for one in seen] == [raw, raw]
    assert [one.mark for one in seen] == ["miss", "hit"]


def said_in(body: bytes) -> str:
    """The text of a chat's stream."""
    events = [line.removeprefix(b"data:") for line in body.splitlines() if line[:5] == b"data:"]
    assert events[-1].strip() == b"[DONE]"
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_trap_18_nothing_is_held_back(door: WireDoor, provider: Provider) -> None:
    provider.answers, provider.pace = LONG, Pace(tokens_per_s=5)
    question = STREAMS["chat"]
    async with door.open(provider, KEPT) as way:
        url, headers = question.url(way), question.all_headers
        async with way.http.stream(
            "POST", url, content=question.content, headers=headers
        ) as response:
            await asyncio.wait_for(anext(response.aiter_raw()), 2)
            assert provider.log[-1].ending == "open"


@pytest.mark.parametrize("fault", BAD.values(), ids=BAD)
async def test_trap_19_a_failure_is_passed_on_as_it_is(
    door: WireDoor, provider: Provider, fault: Fault
) -> None:
    async with NoDoor().open(provider, KEPT) as way:
        provider.fail_next(fault)
        direct = await ask(way, CHAT)
    async with door.open(provider, KEPT) as way:
        provider.fail_next(fault)
        seen = await ask(way, CHAT)
    assert seen.status == direct.status == fault.status
    assert seen.headers["content-type"] == direct.headers["content-type"]
    assert seen.body == direct.body


LATER = {
    "seconds": ({"retry_after": 7}, "retry-after", "7"),
    "a date": (
        {"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        "retry-after",
        "Wed, 21 Oct 2026 07:28:00 GMT",
    ),
    "milliseconds": ({"retry_after_ms": 90}, "retry-after-ms", "90"),
    "the server's word": ({"headers": {"x-should-retry": "true"}}, "x-should-retry", "true"),
}


@pytest.mark.parametrize(("fields", "name", "value"), LATER.values(), ids=LATER)
@pytest.mark.parametrize("status", [429, 503])
async def test_trap_19_when_to_come_back_is_passed_on(
    door: WireDoor,
    provider: Provider,
    status: int,
    fields: dict[str, object],
    name: str,
    value: str,
) -> None:
    provider.fail_next(Fault(status=status, **fields))
    async with door.open(provider, KEPT) as way:
        seen = await ask(way, CHAT)
    assert (seen.status, seen.headers[name]) == (status, value)
    assert "x-ratelimit-remaining-requests" in seen.headers


RETRYING = Setup(attempts=3)


async def test_trap_19_the_door_repeats_before_the_first_byte_alone(
    door: WireDoor, provider: Provider
) -> None:
    provider.fail_next(status=503, times=2)
    async with door.open(provider, RETRYING) as way:
        assert (await ask(way, CHAT)).status == 200
        assert len(provider.log) == 3
        provider.fail_next(cut_after=400)
        broken = await ask(way, STREAMS["chat"])
        assert broken.error is not None or (not door.passes_bytes and b'"error"' in broken.body)
    assert len(provider.log) == 4


async def test_trap_19_a_final_failure_says_so(door: WireDoor, provider: Provider) -> None:
    provider.fail_next(status=503, times=3)
    async with door.open(provider, RETRYING) as way:
        seen = await ask(way, CHAT)
    assert (seen.status, seen.headers["x-should-retry"]) == (503, "false")
    assert len(provider.log) == 3


@pytest.mark.parametrize(
    ("fields", "times"), [({"retry_after": 3600}, 1), ({"headers": {"x-should-retry": "false"}}, 1)]
)
async def test_trap_19_a_server_that_wants_no_repetition_gets_none(
    door: WireDoor, provider: Provider, fields: dict[str, object], times: int
) -> None:
    provider.fail_next(Fault(status=503, **fields), times=3)
    async with door.open(provider, RETRYING) as way:
        assert (await ask(way, CHAT)).status == 503
    assert len(provider.log) == times


async def test_trap_19_what_is_stored_is_repeated_only_with_a_key(
    door: WireDoor, provider: Provider
) -> None:
    stored = RESPONSES.with_body(store=True)
    async with door.open(provider, RETRYING) as way:
        provider.fail_next(status=503)
        assert (await ask(way, stored)).status == 503
        assert len(provider.log) == 1
        provider.fail_next(status=503)
        assert (await ask(way, stored.with_headers(idempotency_key="k-1"))).status == 200
    assert len(provider.log) == 3


async def test_trap_21_only_if_cached_asks_nobody(door: WireDoor, provider: Provider) -> None:
    kept_alone = CHAT.with_headers(cache_control="only-if-cached")
    async with door.open(provider, KEPT) as way:
        assert (await ask(way, kept_alone)).status == 504
        assert provider.log == []
        first = await ask(way, CHAT)
        kept = await ask(way, kept_alone)
    assert (kept.status, kept.mark, kept.body) == (200, "hit", first.body)


AROUND = {
    "no-store": CHAT.with_headers(cache_control="no-store"),
    "off": CHAT.with_headers(x_headway_cache="off"),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
async def test_trap_21_what_goes_around_is_neither_read_nor_kept(
    door: WireDoor, provider: Provider, around: Ask
) -> None:
    async with door.open(provider, KEPT) as way:
        asked = [await ask(way, question) for question in (around, CHAT, around, CHAT)]
    assert [one.mark for one in asked] == ["bypass", "miss", "bypass", "hit"]
    assert "x-headway-cache" not in provider.log[0].headers


@pytest.mark.parametrize("wish", ["no-cache", "max-age=0"])
async def test_trap_21_a_fresh_answer_takes_the_place_of_the_old(
    door: WireDoor, provider: Provider, wish: str
) -> None:
    async with door.open(provider, KEPT) as way:
        first = await ask(way, CHAT)
        fresh = await ask(way, CHAT.with_headers(cache_control=wish))
        assert fresh.mark == "miss"
        assert fresh.body != first.body
        assert (await ask(way, CHAT)).body == fresh.body


async def test_trap_21_an_answer_older_than_wanted_is_asked_anew(door: WireDoor) -> None:
    with door.clock() as clock:
        async with Provider() as provider, door.open(provider, KEPT) as way:
            await ask(way, STREAMS["chat"])
            await clock.advance(30)
            limited = STREAMS["chat"].with_headers(cache_control="max-age=20")
            assert (await ask(way, limited.with_headers(cache_control="max-age=40"))).mark == "hit"
            assert (await ask(way, limited)).mark == "miss"
            assert (await ask(way, limited)).mark == "hit"


async def test_trap_23_the_form_of_an_embedding_is_in_its_key(
    door: WireDoor, provider: Provider
) -> None:
    forms = [
        EMBEDDINGS,
        EMBEDDINGS.with_body(encoding_format="base64"),
        EMBEDDINGS.with_body(dimensions=8),
    ]
    assert await marks(door, provider, *forms, *forms) == ["miss"] * 3 + ["hit"] * 3


async def test_trap_23_the_order_of_embeddings_is_that_of_their_texts(
    door: WireDoor, provider: Provider
) -> None:
    turned = EMBEDDINGS.with_body(input=list(reversed(EMBEDDINGS.body["input"])))
    async with door.open(provider, KEPT) as way:
        seen = [await ask(way, question) for question in (EMBEDDINGS, turned, EMBEDDINGS, turned)]
    assert [one.mark for one in seen[2:]] == ["hit", "hit"]
    first, second, third, fourth = [vectors_in(one.body) for one in seen]
    assert first == third != second == fourth
    assert second == [*reversed(first)]


def vectors_in(body: bytes) -> list[object]:
    """The vectors of an answer in the order of their places."""
    data = json.loads(body)["data"]
    return [one["embedding"] for one in sorted(data, key=lambda one: one["index"])]


async def test_trap_25_an_answer_ends_with_its_time(door: WireDoor) -> None:
    with door.clock() as clock:
        async with Provider() as provider, door.open(provider, Setup(ttl="60s")) as way:
            asked = [await ask(way, CHAT)]
            for passing in (40, 30):
                await clock.advance(passing)
                asked.append(await ask(way, CHAT))
    assert [one.mark for one in asked] == ["miss", "hit", "miss"]


async def test_trap_25_a_stale_answer_serves_as_long_as_set(door: WireDoor) -> None:
    if not door.serves_stale:
        pytest.skip(f"the plan of the {door.name} has no stale_for: an answer ends with its time")
    with door.clock() as clock:
        async with Provider() as provider:
            setup = Setup(ttl="60s", stale_for="60s")
            async with door.open(provider, setup) as way:
                await ask(way, CHAT)
                await clock.advance(61)
                assert (await ask(way, CHAT)).mark == "stale"
                await clock.advance(300)
                assert (await ask(way, CHAT)).mark == "miss"


async def test_trap_25_room_is_counted_in_bytes(door: WireDoor, provider: Provider) -> None:
    provider.answers = "x" * 50_000
    setup = Setup(store=MemoryStore(max_bytes="200KB"))
    async with door.open(provider, setup) as way:
        for number in range(20):
            await ask(way, CHAT.with_body(seed=number))
        assert (await ask(way, CHAT.with_body(seed=19))).mark == "hit"
        assert (await ask(way, CHAT.with_body(seed=0))).mark == "miss"
    held = setup.store.statistics()
    assert held.size_bytes <= 200_000
    assert held.evicted > 0


async def test_trap_25_a_store_that_fails_is_no_failure(door: WireDoor, provider: Provider) -> None:
    async with door.open(provider, Setup(store=GoneStore())) as way:
        seen = [await ask(way, CHAT) for _ in range(2)]
    assert [one.status for one in seen] == [200, 200]
    assert seen[0].mark == "miss"
    assert seen[1].mark == "miss" or not door.is_in_process  # it may have more than one store


@pytest.mark.parametrize("question", SPOKEN.values(), ids=SPOKEN)
async def test_show_4_twenty_streams_are_one_call_and_the_first_may_leave(
    door: WireDoor, provider: Provider, question: Ask
) -> None:
    provider.answers, provider.pace = LONG, SLOW
    streamed = question.with_body(stream=True)
    async with door.open(provider, KEPT) as way:
        readers = [asyncio.create_task(ask(way, streamed)) for _ in range(20)]
        await until_asked(provider)
        await until_in(way, 20)
        readers[0].cancel()
        seen = await asyncio.gather(*readers[1:])
    assert len(provider.log) == 1
    assert len({one.answer for one in seen}) == 1
    assert seen[0].error is None
    assert provider.log[0].ending == "complete"
