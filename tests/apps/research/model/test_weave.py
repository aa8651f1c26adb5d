"""A model's words: figures put in, numbers checked, pieces that never come too early."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.company_data import (
    company_filings,
    company_financials,
    company_profile,
)
from headway.apps.research.model.team import data_of
from headway.apps.research.model.weave import CUT_OFF, Weaver, safe_cut
from headway.apps.research.price_path import price_path
from headway.apps.research.prose import Section

DATA = data_of(company_profile("NVDA"), company_financials("NVDA"), company_filings("NVDA"))
TEXT = """NVIDIA earned {net_income} on {revenue}, up {revenue_growth}, or 12.3 % by 2031. It grew \
65.5 % [3]; {nonsense}.

- On {filing_1:filed} a {filing_1:form}
- 25 January 2026, $130.5 billion and two billion dollars.

Evil {revenue:foo} and {not closed"""


def woven(*pieces: str) -> tuple[str, Section]:
    weaver = Weaver(DATA)
    shown = [weaver.feed(piece) for piece in pieces]
    return "".join([*shown, weaver.finish()]), weaver.section("risk", "Risk")


def test_figures_stand_where_their_names_were_with_their_filing_at_the_end() -> None:
    text, section = woven("Revenue was {revenue}, up {revenue_growth}. Next is {net_margin:month}!")
    assert text == ("Revenue was $215.9 billion, up 65.5 % [1][2]. Next is January 2026 [1]!")
    assert [source.accession for source in section.sources] == [
        "0001045810-26-000021",
        "0001045810-25-000023",
    ]
    assert [figure.name for figure in section.figures] == [
        "revenue",
        "revenue_growth",
        "net_margin",
    ]
    assert section.unverified == ()


def test_a_line_without_a_full_stop_names_its_filing_too() -> None:
    assert woven("- {filing_1:form} of {filing_1:filed}\n- Next\n")[0] == (
        "- 10-K of 25 February 2026 [1]\n- Next"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("It fell by 12.3 % then.", "It fell by ⟨unverified: 12.3 %⟩ then."),
        ("Worth $999 billion.", "Worth ⟨unverified: $999 billion⟩."),
        ("On 1 May 2031.", "On ⟨unverified: 1 May 2031⟩."),
        ("See {no_such_figure}.", "See ⟨unverified: {no_such_figure}⟩."),
        ("See {revenue:often_not}.", "See {revenue:often_not}."),
        ("See {filing_1:size}.", "See ⟨unverified: {filing_1:size}⟩."),
        ("See {filing_1}.", "See ⟨unverified: {filing_1}⟩."),
    ],
)
def test_what_is_not_in_the_data_is_marked_and_counted(said: str, shown: str) -> None:
    text, section = woven(said)
    assert text == shown == section.text
    assert [f"⟨unverified: {each}⟩" for each in section.unverified] == re.findall("⟨.*?⟩", shown)


def test_a_number_of_the_models_own_that_the_data_holds_is_left_alone() -> None:
    assert woven("Revenue was $215.9 billion in 2026.")[1].unverified == ()


def test_sources_that_a_model_makes_up_are_dropped() -> None:
    assert woven("Solid [7][8]. Fine [1].")[0] == "Solid. Fine."


def test_nothing_a_model_writes_can_steer_a_terminal() -> None:
    assert woven("A\x1b[31mred\x07 \u202etext\r\nnext\tone")[0] == "A[31mred text\nnext one"


def test_an_answer_that_became_too_long_says_so() -> None:
    weaver = Weaver(DATA)
    weaver.feed("It goes on and")
    assert weaver.finish(is_cut_off=True).endswith(CUT_OFF)
    assert weaver.section("risk", "Risk").text == f"It goes on and {CUT_OFF}"


def test_a_synthetic_figure_marks_the_section() -> None:
    weaver = Weaver(type(DATA)({"synthetic_volatility": price_path("NVDA").volatility()}))
    weaver.feed("A made-up path moves by {synthetic_volatility} a year.")
    weaver.finish()
    assert weaver.section("risk", "Risk").synthetic


def test_words_come_out_as_they_come_in() -> None:
    weaver = Weaver(DATA)
    shown = [weaver.feed(word) for word in ("Growth ", "is ", "strong", " again, ", "and so on ")]
    assert shown == ["Growth", " is", "", " strong again,", " and so on"]


def test_a_number_is_held_back_until_it_is_whole() -> None:
    weaver = Weaver(DATA)
    assert weaver.feed("It was $215.9 ") == "It was"
    assert weaver.feed("billion, which ") == ""
    assert weaver.feed("is a lot ") == " $215.9 billion, which is a lot"
    assert weaver.feed("for 12.3 ") == " for"
    assert weaver.feed("%. ") == " ⟨unverified: 12.3 %⟩."


@given(st.lists(st.integers(0, len(TEXT)), max_size=30))
def test_pieces_make_the_same_section_as_the_whole(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    pieces = [TEXT[a:b] for a, b in pairwise(places)]
    assert woven(*pieces) == woven(TEXT)


@given(st.text(max_size=200))
def test_any_text_is_given_out_in_full_and_cut_between_words(raw: str) -> None:
    cut = safe_cut(raw)
    assert 0 <= cut <= len(raw)
    assert cut == 0 or raw[cut - 1].isspace()
    woven(raw)


def test_a_brace_that_is_never_closed_holds_nothing_back_for_ever() -> None:
    weaver = Weaver(DATA)
    assert weaver.feed("An open { brace ") == "An open"
    assert weaver.feed("and words after it " * 10).startswith(" { brace and words")


def test_a_long_line_of_numbers_takes_time_in_proportion() -> None:
    weaver, line = Weaver(DATA), "71 83 97 " * 1000
    began = time.process_time()
    for place in range(0, len(line), 4):
        weaver.feed(line[place : place + 4])
    weaver.finish()
    assert len(weaver.unverified) == 3000
    assert time.process_time() - began < 10  # it took many minutes when all was looked at each time
