"""Finding a company: any case, near matches, and input that means harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.company_data import (
    company_filings,
    company_financials,
    company_profile,
    compare_companies,
)
from headway.apps.research.lookup import (
    UnknownTicker,
    find_company,
    known_symbols,
    near_symbols,
    normal_symbol,
)
from headway.apps.research.model_view import model_view
from headway.apps.research.price_path import price_path

HOSTILE = [
    "",
    "   ",
    "../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "NVDA/../AAPL",
    "NVDA\x00",
    "NV\nDA",
    "\x1b[31mNVDA",
    "N" * 100_000,
    "{revenue}",
    "%s%n",
    "'; DROP TABLE companies; --",
    "\u202eADVN",
    "\ud800",
]


@pytest.mark.parametrize("ticker", ["NVDA", "nvda", " NvDa\t", "NVDA\n"])
def test_case_and_blanks_do_not_matter(ticker):
    assert find_company(ticker).short_name == "NVIDIA"
    assert company_profile(ticker).symbol == "NVDA"


@pytest.mark.parametrize(
    ("ticker", "near"),
    [
        ("NVDIA", "NVDA"),
        ("nvidia", "NVDA"),
        ("APPL", "AAPL"),
        ("google", "GOOGL"),
        ("GOOG", "GOOGL"),
        ("facebook", "META"),
        ("coca", "KO"),
        ("Microsft", "MSFT"),
        ("boeing", "BA"),
        ("Jonson & Jonson", "JNJ"),
    ],
)
def test_near_matches_are_found_by_symbol_and_by_name(ticker, near):
    assert near_symbols(ticker)[0] == near


def test_the_error_names_the_ticker_the_near_ones_and_all_known():
    with pytest.raises(UnknownTicker) as raised:
        find_company("NVDIA")
    assert isinstance(raised.value, LookupError)
    assert raised.value.near[0] == "NVDA"
    text = str(raised.value)
    assert text.startswith("unknown ticker 'NVDIA': did you mean NVDA (NVIDIA)")
    assert "Known: AAPL ABBV" in text


def test_nothing_near_is_said_by_saying_nothing():
    with pytest.raises(UnknownTicker) as raised:
        find_company("QQQQQQQQ")
    assert raised.value.near == ()
    assert "did you mean" not in str(raised.value)


@pytest.mark.parametrize("ticker", HOSTILE)
@pytest.mark.parametrize(
    "ask", [company_profile, company_financials, company_filings, model_view, price_path]
)
def test_hostile_input_gives_the_same_clear_error(ask, ticker):
    with pytest.raises(UnknownTicker) as raised:
        ask(ticker)
    text = str(raised.value)
    assert text.isprintable()
    assert len(text) < 600


def test_a_comparison_checks_each_ticker():
    with pytest.raises(UnknownTicker):
        compare_companies(["NVDA", "../AAPL"])


@given(st.text(max_size=60))
def test_any_text_is_a_known_symbol_or_an_unknown_ticker(text):
    if text.strip().upper() in known_symbols():
        assert normal_symbol(text) in known_symbols()
        return
    with pytest.raises(UnknownTicker) as raised:
        normal_symbol(text)
    assert len(raised.value.near) <= 3
    assert set(raised.value.near) <= set(known_symbols())


@given(st.sampled_from(known_symbols()), st.data())
def test_one_wrong_letter_still_leads_to_the_company(symbol, data):
    if len(symbol) < 4:
        return
    place = data.draw(st.integers(0, len(symbol) - 1))
    wrong = symbol[:place] + "Q" + symbol[place + 1 :]
    if wrong not in known_symbols():
        assert symbol in near_symbols(wrong)
