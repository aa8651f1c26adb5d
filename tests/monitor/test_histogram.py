"""A histogram counts all, forgets little and stays small."""

import math
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.monitor.histogram import (
    BOUNDS,
    LONGEST_S,
    PROMETHEUS_BOUNDS,
    RELATIVE_ERROR,
    Distribution,
    Histogram,
)

inside = st.floats(BOUNDS[0], BOUNDS[-1])
any_time = st.floats(0.0, LONGEST_S) | inside
dyadic = st.integers(0, 10**9).map(lambda n: n / 1024)
"""Times whose sums are exact, so that the order of adding cannot show."""


def holding(values: list[float]) -> Distribution:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.distribution()


@given(st.lists(inside, min_size=1), st.floats(0, 1))
def test_a_quantile_is_off_by_its_bound_at_most(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    estimate = holding(values).quantile(share)
    assert estimate is not None
    assert abs(estimate / exact - 1) <= RELATIVE_ERROR + 1e-12


def test_the_bound_is_less_than_four_percent() -> None:
    assert 0.03 < RELATIVE_ERROR < 0.04


@given(st.lists(any_time, min_size=1))
def test_count_and_maximum_are_exact_and_the_sum_is(values: list[float]) -> None:
    held = holding(values)
    assert held.count == len(values) == held.above + sum(count for _, count in held.buckets)
    assert held.max == held.quantile(1.0) == max(values)
    assert held.sum == pytest.approx(math.fsum(values))
    assert held.mean() == held.sum / len(values)


@given(st.lists(any_time))
def test_what_prometheus_is_told_is_exact(values: list[float]) -> None:
    told = holding(values).up_to(PROMETHEUS_BOUNDS)
    assert told == tuple(sum(v <= bound for v in values) for bound in PROMETHEUS_BOUNDS)


def test_a_bound_belongs_to_its_own_bucket() -> None:
    for bound in BOUNDS:
        assert holding([bound]).buckets == ((bound, 1),)
        assert holding([math.nextafter(bound, math.inf)]).up_to([bound]) == (0,)


def test_what_prometheus_is_told_of_is_a_bucket() -> None:
    assert set(PROMETHEUS_BOUNDS) <= set(BOUNDS)
    assert {0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 250.0} <= set(PROMETHEUS_BOUNDS)
    assert list(BOUNDS) == sorted(set(BOUNDS))


@given(st.lists(dyadic), st.lists(dyadic))
def test_two_added_are_one_that_heard_all(first: list[float], second: list[float]) -> None:
    assert holding(first) + holding(second) == holding(first + second)


def test_nothing_recorded() -> None:
    empty = holding([])
    assert empty == Distribution()
    assert empty.quantile(0.5) is None
    assert empty.mean() is None
    assert empty + holding([1.0]) == holding([1.0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e-9, LONGEST_S * 1.1])
def test_what_is_no_measurement_is_refused_and_said(value: float) -> None:
    histogram = Histogram()
    histogram.record(1.0)
    histogram.record(value)
    assert histogram.refused == 1
    assert histogram.distribution() == holding([1.0])


def test_beyond_both_ends() -> None:
    held = holding([1e-9, 1e-9, 1e6, 1e6])
    assert held.quantile(0.5) == BOUNDS[0]  # the first bucket has no middle
    assert held.quantile(0.75) == held.max == 1e6
    assert held.above == 2
    assert holding([1e-9, 2e-9]).quantile(0.5) == 2e-9  # nothing is above the maximum


@given(st.lists(any_time))
def test_the_same_from_json(values: list[float]) -> None:
    held = holding(values)
    assert msgspec.json.decode(msgspec.json.encode(held), type=Distribution) == held


def test_memory_does_not_grow() -> None:
    histogram = Histogram()
    before = sys.getsizeof(histogram.counts)
    for n in range(5_000):
        histogram.record(1.003**n)
    assert sys.getsizeof(histogram.counts) == before < 4096
