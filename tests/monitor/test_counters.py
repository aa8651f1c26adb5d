"""Counters with labels from outside: no total is lost, no memory grows."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import BadSetup
from headway.monitor.counters import LONGEST_LABEL, OTHER, Count, Counters, LabelSets, label

names = st.text(string.ascii_lowercase, min_size=1, max_size=3)


@given(st.lists(st.tuples(names, st.sampled_from(["ran", "hit"])), min_size=50))
def test_the_cap_loses_nothing_of_a_total(heard: list[tuple[str, str]]) -> None:
    counters = Counters("operation", "source", most=30, wild=("operation",))
    for labels in heard:
        counters.add(*labels)
    assert sum(row.value for row in counters.rows.values()) == len(heard)
    assert len(counters.rows) <= 30
    in_other = sum(row.value for key, row in counters.rows.items() if key[0] == OTHER)
    assert in_other == counters.folded
    for source in ("ran", "hit"):  # what is not wild is still told apart
        counted = sum(row.value for key, row in counters.rows.items() if key[1] == source)
        assert counted == [one for _, one in heard].count(source)


@given(st.lists(st.tuples(names, names), min_size=50))
def test_two_wild_labels_stay_within_the_cap(heard: list[tuple[str, str]]) -> None:
    counters = Counters("a", "b", most=10, wild=("a",))
    for labels in heard:
        counters.add(*labels)
    assert len(counters.rows) <= 10
    assert sum(row.value for row in counters.rows.values()) == len(heard)


def test_who_was_there_first_keeps_its_name() -> None:
    counters = Counters("model", most=10)
    for n in range(100):
        counters.add(f"m{n}")
        counters.add("m0")
    assert counters.rows[("m0",)].value == 101
    assert counters.rows[(OTHER,)].value == counters.folded == 92
    assert len(counters.rows) == 9


def test_what_was_not_there_is_not_there_when_folded() -> None:
    counters = Counters("operation", "error", most=30, wild=("operation", "error"))
    for n in range(127):
        counters.add(f"o{n}", None if n % 2 else f"E{n}")
    folded = {key: row.value for key, row in counters.rows.items() if key[0] == OTHER}
    assert folded == {(OTHER, None): 50, (OTHER, OTHER): 50}


@given(st.text() | st.none() | st.integers() | st.binary() | st.floats())
def test_a_label_is_short_and_harmless(value: Any) -> None:
    clean = label(value)
    assert label(clean) == clean
    if clean is not None:
        text = str(clean)
        assert 0 < len(text) <= LONGEST_LABEL
        assert text.isprintable()
        text.encode()


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("gpt-x", "gpt-x"),
        ("modèle", "modèle"),
        ("", None),
        (None, None),
        (429, 429),
        (-1, OTHER),
        ("a\nb\x00\u202ec\ud800", "a?b??c?"),
        ("x" * 10_000, "x" * 99 + "…"),
    ],
)
def test_labels(value: Any, clean: str | int | None) -> None:
    assert label(value) == clean


def test_a_number_too_long_to_write_is_other() -> None:
    assert label(10**5000) == OTHER


def test_other_spellings_of_a_set_share_its_row() -> None:
    rows = LabelSets(("a", "b"), Count)
    assert rows.row(("x\n", "")) is rows.row(("x?", None))
    assert list(rows.rows) == [("x?", None)]


def test_a_cap_that_is_too_small_is_refused() -> None:
    with pytest.raises(BadSetup, match="label sets at most: 3"):
        Counters("a", most=3)
