"""The prompt caches follow each provider's rules, to the token."""

from typing import Any

import anthropic
import openai
import pytest

from headway import clock
from headway.testing import FakeClock, Provider
from headway.testing.provider.automatic_cache import prefixes_of
from headway.testing.provider.marked_cache import LOOK_BACK, MarkedCache, blocks_of, least_tokens
from tests.testing.provider.questions import openai_in_loop

LONG = "word " * 2000  # 10,000 bytes: 2,500 tokens and a few for the JSON around them


def cached(client: openai.OpenAI, *texts: str, **extra: Any) -> tuple[int, int]:
    messages: Any = [{"role": "user", "content": text} for text in texts]
    answer = client.chat.completions.create(model="g", messages=messages, **extra)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    read = answer.usage.prompt_tokens_details.cached_tokens
    assert read is not None
    return answer.usage.prompt_tokens, read


def test_automatic_cache_reads_in_steps_of_128(openai_client: openai.OpenAI) -> None:
    total, read = cached(openai_client, LONG, "first")
    assert read == 0
    assert cached(openai_client, LONG, "first") == (total, total // 128 * 128)
    longer, read = cached(openai_client, LONG, "second, and more")
    assert longer > total
    assert read == 2432  # what both share, 2,500-odd tokens, in whole steps


def test_automatic_cache_wants_1024_tokens() -> None:
    assert prefixes_of(b"", b"x" * (1024 * 4 - 1)) == []
    assert len(prefixes_of(b"", b"x" * 1024 * 4)) == 1
    assert len(prefixes_of(b"", b"x" * (1024 + 128) * 4)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"prompt_cache_key": "other"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"extra_headers": {"authorization": "Bearer sk-other"}},
    ],
)
def test_automatic_cache_is_kept_apart(
    openai_client: openai.OpenAI, change: dict[str, Any]
) -> None:
    cached(openai_client, LONG)
    assert cached(openai_client, LONG, **change)[1] == 0
    assert cached(openai_client, LONG)[1] > 0


def test_automatic_cache_on_responses(openai_client: openai.OpenAI) -> None:
    for expected in (0, 2432):
        usage = openai_client.responses.create(model="g", instructions=LONG, input="hi").usage
        assert usage is not None
        assert usage.input_tokens_details.cached_tokens == expected


async def test_automatic_cache_forgets_after_ten_minutes() -> None:
    fake = FakeClock()
    with clock.use(fake):
        async with Provider() as provider, openai_in_loop(provider) as client:
            seen: list[int] = []
            for wait_s in (0, 599, 599, 601):
                await fake.advance(wait_s)
                await client.chat.completions.create(
                    model="g", messages=[{"role": "user", "content": LONG}]
                )
                usage = provider.log[-1].usage
                assert usage is not None
                seen.append(usage.tokens_cached)
    assert [tokens > 0 for tokens in seen] == [False, True, True, False]


def marked(text: str, ttl: str | None = None) -> dict[str, Any]:
    mark = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return {"type": "text", "text": text, "cache_control": mark}


def message(client: anthropic.Anthropic, **body: Any) -> anthropic.types.Usage:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], **body}
    answer: anthropic.types.Message = client.messages.create(
        model="claude-sonnet-5", max_tokens=9, **asked
    )
    return answer.usage


def figures(usage: anthropic.types.Usage) -> tuple[int, int, int]:
    written, read = usage.cache_creation_input_tokens, usage.cache_read_input_tokens
    assert written is not None
    assert read is not None
    return written, read, usage.input_tokens


def test_marked_cache_writes_then_reads(anthropic_client: anthropic.Anthropic) -> None:
    written, read, rest = figures(message(anthropic_client, system=[marked(LONG)]))
    assert (read, written > 2500) == (0, True)
    assert figures(message(anthropic_client, system=[marked(LONG)])) == (0, written, rest)
    other = figures(message(anthropic_client, system=[marked("x" + LONG)]))
    assert other[1] == 0
    assert figures(message(anthropic_client, system=LONG))[:2] == (0, 0)  # nothing was asked for


def test_marked_cache_grows_with_a_conversation(
    model_provider: Provider, anthropic_client: anthropic.Anthropic
) -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
    body = {"system": LONG, "cache_control": {"type": "ephemeral"}}
    first = figures(message(anthropic_client, messages=turns, **body))
    assert (first[1], first[2]) == (0, 0)  # the automatic mark lies on the last block
    turns += [{"role": "assistant", "content": "ho"}, {"role": "user", "content": "again"}]
    written, read, rest = figures(message(anthropic_client, messages=turns, **body))
    assert (read, rest) == (first[0], 0)
    usage = model_provider.log[-1].usage
    assert usage is not None
    assert (usage.tokens_in, usage.tokens_cached) == (written + read, read)
    assert usage.tokens_cache_written == written > 0


def test_hour_and_five_minutes_are_told_apart(anthropic_client: anthropic.Anthropic) -> None:
    usage = message(anthropic_client, system=[marked(LONG, "1h"), marked(LONG, "5m")])
    assert usage.cache_creation is not None
    hour = usage.cache_creation.ephemeral_1h_input_tokens
    assert hour == usage.cache_creation.ephemeral_5m_input_tokens > 2500
    assert usage.cache_creation_input_tokens == 2 * hour


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ([marked("a")] * 5, "maximum of 4"),
        ([marked("a", "5m"), marked("b", "1h")], "must not come after"),
        ([marked("")], "empty text"),
        ([marked("a", "2h")], "ttl"),
    ],
)
def test_wrong_marks(
    anthropic_client: anthropic.Anthropic, system: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=said):
        message(anthropic_client, system=system)


def body_of_blocks(count: int, mark_at: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": f"{LONG}{n}"} for n in range(count)]
    content[mark_at] = marked(content[mark_at]["text"])
    return {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(("distance", "hits"), [(LOOK_BACK - 1, True), (LOOK_BACK, False)])
def test_the_look_back_is_twenty_blocks(distance: int, hits: bool) -> None:
    cache = MarkedCache()
    first = blocks_of(body_of_blocks(3, 2), "k")
    cache.keep(cache.use(first, "claude-sonnet-5"))
    grown = blocks_of(body_of_blocks(3 + distance, 2 + distance), "k")
    assert (cache.use(grown, "claude-sonnet-5").read > 0) == hits


async def test_lives_end_on_the_clock() -> None:
    fake = FakeClock()
    with clock.use(fake):
        cache = MarkedCache()
        blocks = blocks_of({"system": [marked(LONG, "1h"), marked(LONG, "5m")]}, "k")
        both = cache.use(blocks, "claude-sonnet-5")
        assert cache.use(blocks, "claude-sonnet-5").read == 0  # not before the answer begins
        cache.keep(both)
        reads = []
        for wait_s in (299, 299, 301, 3601):
            await fake.advance(wait_s)
            reads.append(cache.use(blocks, "claude-sonnet-5").read)
    assert reads == [both.total, both.total, both.total // 2, 0]


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-haiku-4-5", 4096),
        ("claude-opus-4-7", 2048),
        ("claude-opus-5-5", 512),
        ("something-else", 1024),
    ],
)
def test_least_tokens_by_model(model: str, least: int) -> None:
    assert least_tokens(model) == least


def test_too_short_is_not_kept(anthropic_client: anthropic.Anthropic) -> None:
    for _ in range(2):
        assert figures(message(anthropic_client, system=[marked("short")]))[:2] == (0, 0)
