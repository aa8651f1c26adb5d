"""The guard on numbers: what it lets through, and what it reports."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.figures import Figure, Source, in_words
from headway.apps.research.number_check import check_numbers

FILING = Source("10-K", "2026-01-25", "2026-02-25", None, "filing")
FIGURES = (
    Figure("revenue", 215_938_000_000, "usd", "2026-01-25", (FILING,)),
    Figure("revenue_growth", 0.6547, "fraction", "2026-01-25", (FILING,)),
    Figure("net_loss", -11_817_000_000, "usd", "2026-01-25", (FILING,)),
    Figure("eps_diluted", 4.9, "usd_per_share", "2026-01-25", (FILING,)),
    Figure("debt_to_equity", 0.0538, "times", "2026-01-25", (FILING,)),
    Figure("moved", -0.039, "points", "2026-01-25", (FILING,)),
    Figure("employees", 36_000, "count", "2025-01-26", (FILING,)),
    Figure("inventory", None, "usd", "2026-01-25", (FILING,)),
)


@pytest.mark.parametrize(
    "text",
    [
        "Revenue was $215.9 billion [1].",
        "Revenue was $216 billion, or $0.2 trillion, or $215,938 million.",
        "It grew 65.5 %, that is 65%, or 65.47 percent.",
        "The loss was $11.8 billion, or -$11.8 billion.",
        "Earnings per share were $4.90.",
        "Debt is 0.05 times equity (0.05x).",
        "The margin lost 3.9 percentage points.",
        "36,000 employees; 36000 in other words; 36 thousand.",
        "The year to 25 January 2026, filed 2026-02-25, or January 25, 2026, or just 2026.",
        "Form 10-K, Form 8-K, DEF 14A, 424B2 and S-3ASR [12].",
        "Revenue was US$215.9bn, $215.9B or $215938M.",
        "The H100, in Q3.",
        "No numbers at all.",
        "",
    ],
)
def test_numbers_that_the_figures_account_for(text):
    assert check_numbers(text, FIGURES) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Revenue was $217 billion.", ("$217 billion",)),
        ("Revenue was $215.8 billion.", ("$215.8 billion",)),
        ("Revenue was $215.9 million.", ("$215.9 million",)),
        ("It grew 66 %.", ("66 %",)),
        ("It grew 215.9 %.", ("215.9 %",)),
        ("Revenue was $65.5 billion.", ("$65.5 billion",)),
        ("Revenue was $36,000.", ("$36,000",)),
        ("The year to 24 January 2026.", ("24 January 2026",)),
        ("Filed on 2026-02-26.", ("2026-02-26",)),
        ("In 2019 it was another company.", ("2019",)),
        ("It will double by twenty percent.", ("twenty percent",)),
        ("Worth two billion dollars.", ("two billion dollars",)),
        ("Up 5 and 7.", ("5", "7")),
        ("Worth USD130 billion, $217B, $36k.", ("130 billion", "$217B", "$36")),
        ("Filed January 27, 2026.", ("January 27, 2026",)),
        ("Up 5, on 24 January 2026 by 7.", ("5", "24 January 2026", "7")),
        ("Inventory was $0.", ("$0",)),
        ("It is worth $999999999999999999999999999999.", ("$999999999999999999999999999999",)),
    ],
)
def test_numbers_that_nothing_accounts_for(text, found):
    assert check_numbers(text, FIGURES) == found


def test_dates_of_filings_count_as_known():
    event = Source("8-K", "2025-11-19", "2025-11-20", None, "index")
    text = "Reported on 20 November 2025."
    assert check_numbers(text, FIGURES) == ("20 November 2025",)
    assert check_numbers(text, FIGURES, [event]) == ()


@given(
    st.floats(min_value=-9e13, max_value=9e13, allow_nan=False),
    st.sampled_from(["usd", "usd_per_share", "fraction", "points", "times", "count", "years"]),
)
def test_what_the_writer_renders_is_always_accounted_for(value, unit):
    scale = 1 if unit in ("usd", "count") else 1e-11
    figure = Figure("any", value * scale, unit, "2026-01-25")
    assert check_numbers(f"It is {in_words(value * scale, unit)}.", [figure]) == ()


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_another_number_is_always_reported(true, said):
    figure = Figure("any", true, "count", "1999-01-25")
    expected = () if said == true or said == 1999 else (str(said),)
    assert check_numbers(f"There are {said} of them.", [figure]) == expected


@given(st.text(max_size=200))
def test_any_text_can_be_checked(text):
    for number in check_numbers(text, FIGURES):
        assert re.search(r"\d|percent|%|illion|thousand|dollars", number, re.IGNORECASE)
