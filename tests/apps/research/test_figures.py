"""How numbers read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.figures import (
    Figure,
    Source,
    in_words,
    long_date,
    money,
    month_year,
    scaled,
)

READABLE = re.compile(r"(-?)\$(\d{1,3}(?:,\d{3})*(?:\.\d)?)(?: (trillion|billion|million))?")
SCALE = {"trillion": 1e12, "billion": 1e9, "million": 1e6, "": 1}
amounts = st.floats(min_value=-9e14, max_value=9e14, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (130_497_000_000, "$130.5 billion"),
        (2_700_000_000_000, "$2.7 trillion"),
        (354_100_000, "$354.1 million"),
        (-14_310_000_000, "-$14.3 billion"),
        (999_949_999, "$999.9 million"),
        (999_960_000, "$1.0 billion"),
        (950_000, "$950,000"),
        (0, "$0"),
        (-0.2, "$0"),
        (0.1 + 0.2, "$0"),
    ],
)
def test_money(value, text):
    assert money(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.710681, "fraction", "71.1 %"),
        (-0.0001, "fraction", "0.0 %"),
        (2.94, "usd_per_share", "$2.94"),
        (2.675, "usd_per_share", "$2.68"),
        (-1.3, "usd_per_share", "-$1.30"),
        (24_514_000_000, "share", "24.5 billion"),
        (36_000, "count", "36,000"),
        (-0.039, "points", "-3.9 percentage points"),
        (0.0538, "times", "0.05 times"),
        (20.1, "times", "20.1 times"),
        (503.4, "times", "503 times"),
        (5, "years", "5 years"),
        (9.07, "years", "9.1 years"),
    ],
)
def test_each_unit_reads_as_a_person_writes_it(value, unit, text):
    assert in_words(value, unit) == text


@given(amounts)
def test_money_is_short_and_reads_back_to_a_correct_rounding(value):
    text = money(value)
    match = re.fullmatch(
        r"(-?)\$(\d{1,3}(?:,\d{3})*(?:\.\d)?)(?: (trillion|billion|million))?", text
    )
    assert match, text
    scale = SCALE[match[3] or ""]
    read = float(match[2].replace(",", "")) * scale * (-1 if match[1] else 1)
    step = 0.1 if match[3] else 1
    assert abs(read - value) <= 0.5 * step * scale * 1.000001
    assert read != 0 or not match[1]


@given(st.floats(min_value=1e6, max_value=9.9e11))
def test_a_scaled_number_stays_below_a_thousand(value):
    assert float(scaled(value).split()[0]) < 1000


@given(amounts, st.sampled_from(["usd", "fraction", "points", "times", "count", "share"]))
def test_no_float_noise(value, unit):
    text = in_words(value / 1e6, unit)
    assert not re.search(r"\.\d{3}|e[+-]?\d", text)


def test_a_missing_figure_says_so_and_is_never_zero():
    figure = Figure("inventory", None, "usd", "2025-01-31")
    assert str(figure) == "not reported"
    assert not figure.is_reported
    with pytest.raises(ValueError, match="inventory is not reported"):
        figure.known()


def test_dates_do_not_follow_the_language_of_the_machine():
    assert long_date("2026-01-25") == "25 January 2026"
    assert month_year("2025-12-01") == "December 2025"


def test_a_source_reads_as_one_line():
    report = Source("10-K", "2026-01-25", "2026-02-25", "0001045810-26-000021", "series")
    assert report.describe() == (
        "Form 10-K for the period ended 25 January 2026, filed 25 February 2026, "
        "accession 0001045810-26-000021 (from the SEC's series of XBRL facts)"
    )
    event = Source("8-K", "2026-01-20", "2026-01-23", None, "index")
    assert event.describe().startswith("Form 8-K on an event of 20 January 2026, filed")
