"""Exchanges of every kind, cut anywhere: the same facts, and the facts are true."""

import random

import pytest

from headway.wire.exchange import AnswerFacts, AnswerReader
from headway.wire.recording import cut_into_events
from headway.wire.sse import EventReader, ServerEvent
from tests.wire.exchanges import EVENT_STREAM, Exchange, make_exchange

SHORT, LONG = range(100), range(100, 1000)


def read(exchange: Exchange, pieces: list[bytes]) -> AnswerFacts:
    reader = AnswerReader(exchange.request, exchange.status, exchange.headers)
    for piece in pieces:
        reader.feed(piece)
        assert not reader.facts().may_keep  # not before it has ended
    return reader.finish(clean=exchange.clean)


def cut(body: bytes, rng: random.Random) -> list[bytes]:
    most = rng.choice([1, 3, 50, 500])
    pieces, at = [], 0
    while at < len(body):
        size = rng.randint(1, most)
        pieces.append(body[at : at + size])
        at += size
    return pieces


def events_of(pieces: list[bytes]) -> list[ServerEvent]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.finish()]


def check(seed: int) -> None:
    exchange = make_exchange(seed)
    whole = read(exchange, [exchange.body])
    found = {name: getattr(whole, name) for name in exchange.expected}
    assert found == exchange.expected
    assert whole.may_keep == (whole.why_not is None)
    pieces = cut(exchange.body, random.Random(-seed))
    assert read(exchange, pieces) == whole
    if exchange.headers == EVENT_STREAM:
        events = events_of(pieces)
        assert events == events_of([exchange.body])
        recorded = cut_into_events(exchange.body)
        assert b"".join(recorded) == exchange.body
        assert len(events) <= len(recorded) <= len(events) + 1


@pytest.mark.parametrize("seed", SHORT)
def test_facts_of_an_exchange_do_not_depend_on_how_it_is_cut(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_facts_of_many_exchanges_do_not_depend_on_how_they_are_cut() -> None:
    for seed in LONG:
        check(seed)


def test_the_exchanges_are_of_every_kind() -> None:
    made = [make_exchange(seed) for seed in SHORT]
    assert {one.request.wire for one in made} == {
        "openai.chat",
        "openai.responses",
        "openai.embeddings",
        "anthropic.messages",
        "anthropic.count_tokens",
    }
    expected = [one.expected for one in made]
    assert any(one.get("may_keep") and one.get("tool_calls") for one in expected)
    assert any(one.get("is_error") for one in expected)
    assert any(one.get("is_complete") is False for one in expected)
    assert any(one.get("is_complete") and not one["may_keep"] for one in expected)
