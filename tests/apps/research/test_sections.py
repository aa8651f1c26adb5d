"""The five sections of all companies: numbers accounted for, sources named, words that differ."""

import re

import pytest

from headway.apps.research.number_check import check_numbers
from headway.apps.research.price_path import price_path
from headway.apps.research.prose import Prose
from headway.apps.research.sections import SECTION_TITLES, write_fundamentals, write_risk


def test_every_number_is_accounted_for(researched):
    for section in researched.sections:
        assert check_numbers(section.text, section.figures, section.sources) == ()


def test_every_sentence_with_a_number_names_its_filing(researched):
    for section in researched.sections:
        for sentence in re.split(r"(?<=[.!?]) |\n+", section.text):
            if re.search(r"\d", re.sub(r"\[\d+\]|10-[KQ]|8-K", "", sentence)):
                assert re.search(r"\[\d+\]", sentence), sentence


def test_every_marker_has_its_source_and_every_source_its_marker(researched):
    for section in researched.sections:
        used = {int(number) for number in re.findall(r"\[(\d+)\]", section.text)}
        assert used == set(range(1, len(section.sources) + 1))
        listed = re.findall(r"^\[(\d+)\] .*\S\)", section.body, flags=re.MULTILINE)
        assert [int(number) for number in listed] == sorted(used)


def test_each_filing_is_listed_once(researched):
    for section in researched.sections:
        named = [(s.form, s.period_end, s.filed, s.accession) for s in section.sources]
        assert len(named) == len(set(named))


def test_text_is_clean(researched):
    for section in researched.sections:
        assert section.title == SECTION_TITLES[section.key]
        assert not re.search(r"[{}]|\bNone\b|\bnan\b|  |\.\.|,,|\d\.\d{3}|e\+", section.text)
        for paragraph in section.text.split("\n\n"):
            is_list = paragraph.startswith("- ")
            assert is_list or paragraph.rstrip()[-1] in ".:", paragraph
            assert not is_list or all(line.startswith("- ") for line in paragraph.splitlines())
        assert 150 < len(section.text) < 4000


def test_missing_figures_are_told_and_never_zero(research_of):
    text = research_of("MSFT").section("risk").text
    assert "Debt to equity is not reported" in text
    assert "$0" not in text
    assert "gross profit is not reported" in research_of("V").section("fundamentals").text


@pytest.mark.parametrize(
    ("symbol", "key", "words"),
    [
        ("NVDA", "summary", "NVIDIA earned $120.1 billion on revenue of $215.9 billion"),
        ("NVDA", "fundamentals", "65.5 %"),
        ("NVDA", "risk", "13.1 % came from China"),
        ("BA", "summary", "Boeing lost $11.8 billion"),
        ("BA", "summary", "Nothing in the figures stands out in its favour"),
        ("BA", "risk", "Liabilities exceed assets"),
        ("NKE", "synthesis", "Sales are shrinking"),
        ("UNH", "synthesis", "Sales hold, profit does not"),
        ("MSFT", "summary", "too few for a view"),
        ("TSLA", "news", "a year behind the filings"),
        ("KO", "news", "nothing can be said on how often it reports"),
        ("JNJ", "fundamentals", "does not compare with"),
    ],
)
def test_the_text_says_what_matters_at_this_company(research_of, symbol, key, words):
    assert words in research_of(symbol).section(key).text


def test_no_two_companies_read_alike(research_of):
    texts = [
        re.sub(r"\d", "", research_of(symbol).section("synthesis").text)
        for symbol in ("NVDA", "BA", "TSLA", "KO", "MSFT", "NKE")
    ]
    openings = {text.split(" ", 3)[3].split(".")[0] for text in texts}
    assert len(openings) >= 5


def test_the_same_findings_give_the_same_section(researched):
    again = write_fundamentals(researched.fundamentals)
    assert again == researched.section("fundamentals")


def test_a_synthetic_price_is_marked_where_it_is_used(research_of):
    risk = research_of("NVDA").risk
    section = write_risk(risk, price_path("NVDA"))
    assert section.synthetic
    assert "Synthetic, for demonstration only" in section.text
    assert "synthetic" in section.body.split("Sources:")[1]
    assert check_numbers(section.text, section.figures, section.sources) == ()
    assert not write_risk(risk).synthetic
    assert "ynthetic" not in write_risk(risk).body


def test_an_injection_point_that_cannot_be_filled_is_an_error(research_of):
    growth = research_of("NVDA").fundamentals.about("growth").figure("revenue_growth")
    prose = Prose()
    with pytest.raises(ValueError, match="takes size, often, end, month"):
        prose.say("It grew {revenue_growth:loudly}.", {"revenue_growth": growth})
    with pytest.raises(KeyError, match="unheard_of"):
        prose.say("It grew {unheard_of}.", {"revenue_growth": growth})
