"""Snapshots of several workers are one, in whichever order and grouping, and survive JSON."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import clock
from headway.events import Event
from headway.monitor import Gauge, Monitor, Snapshot, merge
from headway.monitor.snapshot import NOTHING
from headway.prices import Price
from headway.testing import FakeClock
from tests.monitor.some_events import NOW, acted, answered, ended, started

PRICE = Price(input=2.0**20, output=2.0**21, cache_read=2.0**18, cache_write=2.0**20)
TABLE = {"openai/gpt-x": (PRICE,)}
dyadic = st.integers(0, 2**20).map(lambda n: n / 1024)
"""Seconds whose sums are exact, so that the grouping cannot show."""
some_names = st.sampled_from(["a", "b", "c"])
some_events = st.one_of(
    st.builds(started, st.uuids().map(str), some_names),
    st.builds(
        ended,
        some_names,
        source=st.sampled_from(["ran", "hit"]),
        seconds=dyadic,
        first_chunk_s=st.none() | dyadic,
        error=st.none() | some_names,
        agent=st.none() | some_names,
    ),
    st.builds(
        answered,
        st.sampled_from(["unpriced", "unpriced too"]),
        source=st.sampled_from(["ran", "hit"]),
        sent=st.none() | st.integers(0, 1000),
        agent=st.none() | some_names,
    ),
    st.builds(acted, st.sampled_from(["retried", "refused"]), some_names),
)


def snapshot_of(said: list[Event], connections: int = 1, start: float = NOW) -> Snapshot:
    with clock.use(FakeClock(start)):
        monitor = Monitor(prices=TABLE)
        for event in said:
            monitor.hear(event)
        return monitor.snapshot([Gauge("headway_connections", connections)])


snapshots = st.builds(
    snapshot_of, st.lists(some_events, max_size=30), st.integers(0, 9), st.just(NOW)
)


@settings(max_examples=40)
@given(snapshots, snapshots, snapshots)
def test_merging_is_associative_and_commutative(a: Snapshot, b: Snapshot, c: Snapshot) -> None:
    together = merge([a, b, c])
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == together
    assert merge([c, b, a]) == together
    assert merge([a]) == a
    assert merge([a, NOTHING]) == merge([NOTHING, a]) == a


@settings(max_examples=40)
@given(st.lists(some_events, max_size=30), st.lists(some_events, max_size=30))
def test_two_workers_count_what_one_would_have(one: list[Event], two: list[Event]) -> None:
    both = merge([snapshot_of(one), snapshot_of(two)])
    alone = snapshot_of(one + two, connections=2)
    assert both == msgspec.structs.replace(alone, workers=2)


@settings(max_examples=40)
@given(snapshots)
def test_the_same_from_json(snapshot: Snapshot) -> None:
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_dollars_are_added_up_to_rounding() -> None:
    parts = [snapshot_of([answered(sent=n, made=n)] * n) for n in range(1, 6)]
    dollars = sum(part.total("headway_spent_usd_total") for part in parts)
    assert dollars > 0
    assert merge(parts).total("headway_spent_usd_total") == pytest.approx(dollars)


def test_gauges_are_added_and_the_times_span_all() -> None:
    first = snapshot_of([ended(seconds=5.0)], connections=3, start=NOW)
    second = snapshot_of([ended(seconds=2.0)], connections=4, start=NOW + 100)
    both = merge([first, second])
    assert both.total("headway_connections") == 7
    assert (both.since, both.at, both.workers) == (NOW, NOW + 100, 2)
    assert both.seconds("headway_call_seconds").max == 5.0
    assert [call.seconds for call in both.slow] == [5.0, 2.0]


def test_nothing() -> None:
    assert merge([]) == merge([NOTHING, NOTHING]) == NOTHING


def test_a_sum_beyond_what_json_can_hold_still_passes() -> None:
    seen = snapshot_of([answered(sent=2**62)] * 3)
    again = msgspec.json.decode(msgspec.json.encode(seen), type=Snapshot)
    assert again.total("headway_tokens_total", direction="in") == 3.0 * 2**62
    twice = merge([seen, seen])
    assert msgspec.json.decode(msgspec.json.encode(twice), type=Snapshot) == twice
