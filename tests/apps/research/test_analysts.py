"""What the three analysts read from the figures, and that every reading has its words."""

import msgspec
import pytest
from msgspec import structs

from headway.apps.research import words_filings, words_fundamentals, words_risk
from headway.apps.research.analyse_filings import analyse_filings
from headway.apps.research.analyse_risk import analyse_risk
from headway.apps.research.company_data import (
    company_filings,
    company_financials,
    company_profile,
)
from headway.apps.research.findings import heaviest

WORDS = {"fundamentals": words_fundamentals, "filings": words_filings, "risk": words_risk}
TOLD_BY_THE_SECTION = {"topics", "recent"}


@pytest.mark.parametrize(
    ("symbol", "topic", "reading"),
    [
        ("NVDA", "growth", "surging"),
        ("NKE", "growth", "shrinking"),
        ("PG", "growth", "flat"),
        ("MSFT", "growth", "unknown"),
        ("MSFT", "trend", "gap"),
        ("BA", "profit", "deeper_loss"),
        ("BA", "gross_margin", "negative"),
        ("BA", "cash", "negative"),
        ("JNJ", "profit", "not_comparable"),
        ("MRVL", "profit", "back_to_profit"),
        ("MRVL", "below_the_line", "gain"),
        ("UNH", "below_the_line", "drag"),
        ("GOOGL", "conversion", "invested"),
        ("HD", "returns", "geared"),
        ("V", "gross_margin", "unknown"),
        ("NVDA", "quarter", "faster"),
    ],
)
def test_fundamentals(research_of, symbol, topic, reading):
    assert research_of(symbol).fundamentals.about(topic).reading == reading


@pytest.mark.parametrize(
    ("symbol", "topic", "reading"),
    [
        ("NVDA", "leverage", "low"),
        ("KO", "leverage", "high"),
        ("HD", "leverage", "extreme"),
        ("BA", "leverage", "underwater"),
        ("MSFT", "leverage", "unknown"),
        ("BA", "cover", "loss"),
        ("ABBV", "cover", "thin"),
        ("KO", "repayment", "slow"),
        ("BA", "repayment", "impossible"),
        ("WMT", "liquidity", "tight"),
        ("NVDA", "concentration", "heavy"),
        ("NVDA", "regions", "china"),
        ("NVDA", "inventory", "ahead"),
        ("MRVL", "steadiness", "losses"),
        ("MSFT", "gaps", "many"),
    ],
)
def test_risk(research_of, symbol, topic, reading):
    assert research_of(symbol).risk.about(topic).reading == reading


@pytest.mark.parametrize(
    ("symbol", "topic", "reading"),
    [
        ("NVDA", "coverage", "index"),
        ("KO", "coverage", "single"),
        ("TSLA", "annual_report", "ahead"),
        ("NVDA", "annual_report", "prompt"),
        ("TSLA", "corrections", "amended"),
        ("MRVL", "activity", "busier"),
        ("MSFT", "officers", "few"),
        ("AAPL", "financing", "issued"),
    ],
)
def test_filings(research_of, symbol, topic, reading):
    assert research_of(symbol).filings.about(topic).reading == reading


def test_steadiness_is_not_claimed_over_a_gap(research_of):
    assert research_of("MSFT").risk.about("steadiness") is None


def test_every_reading_has_its_words(researched):
    for findings in (researched.fundamentals, researched.filings, researched.risk):
        words = WORDS[findings.analyst]
        for finding in findings.findings:
            if finding.topic in TOLD_BY_THE_SECTION:
                continue
            assert words.SENTENCES[finding.topic][finding.reading]
            if finding.tone != "neutral":
                assert words.CLAUSES[finding.topic][finding.reading]
            if finding.tone == "concern":
                assert words.WATCH[finding.topic]


def test_every_figure_of_a_finding_has_a_source(researched):
    for findings in (researched.fundamentals, researched.filings, researched.risk):
        for finding in findings.findings:
            for figure in finding.figures:
                assert figure.sources or not figure.is_reported, (finding.topic, figure.name)


def test_only_the_first_analyst_applies_the_rule(researched):
    assert researched.fundamentals.view is not None
    assert researched.filings.view is None
    assert researched.risk.view is None


def test_no_filings_at_all_is_said_and_does_not_fail():
    filings = company_filings("NVDA", form="no such form")
    findings = analyse_filings(company_profile("NVDA"), company_financials("NVDA"), filings)
    assert [finding.reading for finding in findings.findings] == ["none"]


def test_a_single_year_is_enough_to_say_something():
    financials = company_financials("NVDA", limit=1)
    quiet = structs.replace(financials, latest_quarter=None, quarter_a_year_earlier=None)
    findings = analyse_risk(company_profile("NVDA"), quiet, company_filings("NVDA"))
    assert findings.about("leverage").reading == "low"
    assert findings.about("steadiness") is None


def test_the_heaviest_come_first_and_no_more_than_asked(researched):
    found = researched.risk.findings
    chosen = heaviest(found, "concern", 2)
    assert len(chosen) <= 2
    weights = [finding.weight for finding in found if finding.tone == "concern"]
    assert [finding.weight for finding in chosen] == sorted(weights, reverse=True)[:2]


def test_asking_a_finding_for_what_it_has_not_names_both(research_of):
    with pytest.raises(KeyError, match="'growth' has no figure 'inventory'"):
        research_of("NVDA").fundamentals.about("growth").figure("inventory")


def test_data_and_findings_survive_being_written_and_read(researched, symbol):
    kept = (
        company_profile(symbol),
        company_financials(symbol),
        company_filings(symbol),
        researched.fundamentals,
        researched.risk,
        researched.section("news"),
    )
    for value in kept:
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
