import pytest

from headway.runs.intervals import (
    clipped,
    concurrency,
    heaviest_chain,
    length,
    subtract,
    union,
)
from tests.runs.by_hand import near


def test_union_merges_what_touches_and_drops_what_is_empty() -> None:
    assert union([(5, 6), (1, 3), (2, 4), (4, 4.5), (7, 7)]) == [(1, 4.5), (5, 6)]


def test_length_of_a_union_counts_shared_time_once() -> None:
    assert length(union([(0, 10), (2, 3), (8, 12)])) == 12


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(-5, 2), (9, 20)], [(2, 9)]),
        ([(2, 3), (2.5, 4), (6, 7)], [(0, 2), (4, 6), (7, 10)]),
        ([(12, 13)], [(0, 10)]),
        ([(-3, -1)], [(0, 10)]),
    ],
)
def test_subtract(parts: list[tuple[float, float]], left: list[tuple[float, float]]) -> None:
    assert subtract((0, 10), parts) == left


@pytest.mark.parametrize(
    ("interval", "inside"),
    [
        ((2, 3), (2, 3)),
        ((-1, 3), (0, 3)),
        ((9, 12), (9, 10)),
        ((11, 12), (10, 10)),
        ((-2, -1), (0, 0)),
    ],
)
def test_clipped(interval: tuple[float, float], inside: tuple[float, float]) -> None:
    assert clipped(interval, (0, 10)) == inside


def test_concurrency_is_averaged_over_the_time_in_which_any_is_open() -> None:
    assert concurrency([(0, 2), (1, 2), (10, 11)]) == (near(4 / 3), 2)


def test_one_that_ends_when_another_begins_is_not_beside_it() -> None:
    assert concurrency([(0, 1), (1, 2)]) == (1, 1)


def test_concurrency_of_nothing_is_unknown() -> None:
    assert concurrency([(3, 3)]) == (None, 0)


def test_the_heaviest_chain_is_not_the_one_with_most_links() -> None:
    intervals = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (0.5, 2.9), (3.0, 4.0)]
    assert heaviest_chain(intervals) == [0, 1, 2, 4]
    assert heaviest_chain([*intervals, (-2.0, 2.9)]) == [5, 4]


def test_a_chain_forgives_stamps_that_cross_by_a_hair() -> None:
    assert heaviest_chain([(0.0, 1.00005), (1.0, 2.0)]) == [0, 1]
    assert heaviest_chain([(0.0, 1.01), (1.0, 2.0)]) == [0]


def test_the_chain_of_nothing() -> None:
    assert heaviest_chain([]) == []
