"""The data tools: profile, financials, filings, comparison, the rule's view, the synthetic path."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.company_data import (
    DEFAULT_COMPARISON,
    company_filings,
    company_financials,
    company_profile,
    compare_companies,
)
from headway.apps.research.lookup import UnknownMetric
from headway.apps.research.model_view import RULE, model_view
from headway.apps.research.price_path import price_path
from headway.apps.research.ratios import RATIOS, ratio


def test_profile_of_nvidia():
    profile = company_profile("NVDA")
    assert profile.short_name == "NVIDIA"
    assert profile.cik == 1045810
    assert str(profile.employees) == "36,000"
    assert profile.employees.sources[0].filed == "2025-02-26"
    assert profile.revenue_splits[0].labels[0] == "data-centre computing"


def test_financials_of_nvidia_with_their_filing():
    year = company_financials("NVDA").periods[-1]
    revenue = year.figure("revenue")
    assert (year.period_start, year.period_end) == ("2025-01-27", "2026-01-25")
    assert revenue.value == 215_938_000_000
    assert revenue.origin == "Revenues"
    assert revenue.sources[0].accession == "0001045810-26-000021"


def test_limit_takes_the_newest_years_oldest_first():
    every = company_financials("AAPL").periods
    assert company_financials("AAPL", limit=3).periods == every[-3:]
    assert company_financials("AAPL", limit=99).periods == every


def test_quarters_where_there_are_any():
    quarters = company_financials("NVDA", period="quarterly", limit=4)
    assert len(quarters.periods) == 4
    assert quarters.latest_quarter == quarters.periods[-1]
    assert quarters.quarter_a_year_earlier is not None
    assert quarters.quarter_a_year_earlier.period_end == "2025-04-27"
    derived = quarters.periods[-2].figure("revenue")
    assert derived.origin == "derived: year - first three quarters"
    assert company_financials("KO", period="quarterly").periods == ()
    assert company_financials("KO").latest_quarter is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ValueError, match=f"limit is {limit}"):
        company_financials("NVDA", limit=limit)
    with pytest.raises(ValueError, match=f"limit is {limit}"):
        company_filings("NVDA", limit=limit)


def test_an_unknown_period_is_refused():
    with pytest.raises(ValueError, match="'annual' or 'quarterly'"):
        company_financials("NVDA", period="monthly")  # type: ignore[arg-type]


def test_what_is_not_reported_is_none_and_never_zero():
    year = company_financials("V").periods[-1]
    assert year.figure("gross_profit").value is None
    assert str(ratio("gross_margin", year)) == "not reported"
    assert year.figure("current_debt").value == 0
    assert str(year.figure("current_debt")) == "$0"


def test_growth_over_a_gap_is_not_reported():
    years = company_financials("MSFT").periods
    assert ratio("revenue_growth", years[-1], years[-2]).value is None
    assert ratio("revenue_growth", years[-2], years[-3]).value == pytest.approx(0.0777, abs=1e-4)


def test_a_ratio_on_equity_below_zero_is_not_meaningful():
    year = company_financials("BA").periods[-1]
    assert year.figure("total_equity").known() < 0
    assert str(ratio("debt_to_equity", year)) == "not meaningful"


def test_debt_is_not_counted_twice_where_the_tag_holds_its_current_part():
    year = company_financials("UNP").periods[-1]
    assert year.figure("long_term_debt").origin == "LongTermDebt"
    assert ratio("total_debt", year).value == year.figure("long_term_debt").value
    year = company_financials("KO").periods[-1]
    both = year.figure("long_term_debt").known() + year.figure("current_debt").known()
    assert ratio("total_debt", year).value == both


def test_every_ratio_of_every_company_is_a_number_or_missing(symbol):
    years = company_financials(symbol).periods
    for name in RATIOS:
        for earlier, year in pairwise(years):
            figure = ratio(name, year, earlier)
            assert figure.value is None or abs(figure.value) < 1e15
            assert figure.origin is not None
            assert figure.sources


def test_an_unknown_figure_or_metric_names_what_comes_near():
    with pytest.raises(UnknownMetric, match="did you mean revenue") as raised:
        compare_companies(["NVDA"], ["revenu"])
    assert "revenue" in raised.value.near
    with pytest.raises(UnknownMetric, match="Known: revenue"):
        company_financials("NVDA").periods[0].figure("nothing like it")


def test_filings_newest_first_and_by_form():
    filings = company_filings("NVDA", limit=5)
    assert len(filings.filings) == 5
    assert filings.total == 87
    days = [filing.filed for filing in filings.filings]
    assert days == sorted(days, reverse=True)
    reports = company_filings("NVDA", form=" 10-k ")
    assert {filing.form for filing in reports.filings} == {"10-K"}
    assert reports.filings[0].about == "annual report"
    results = company_filings("NVDA", form="8-K").filings[0]
    assert (results.items, results.about) == (("2.02", "9.01"), "results of operations")
    assert company_filings("NVDA", form="no such form").filings == ()


def test_filings_say_what_they_cover(symbol):
    filings = company_filings(symbol)
    rich = ("AAPL", "MSFT", "NVDA", "TSLA", "MRVL")
    assert filings.coverage == ("index" if symbol in rich else "annual report only")
    assert all(filing.about for filing in filings.filings)


def test_comparison_keeps_the_order_and_takes_each_company_once():
    compared = compare_companies(["v", "NVDA", "V "])
    assert [company.symbol for company in compared.companies] == ["V", "NVDA"]
    assert compared.metrics == DEFAULT_COMPARISON
    for company in compared.companies:
        assert [figure.name for figure in company.figures] == list(DEFAULT_COMPARISON)
    with pytest.raises(ValueError, match="no companies"):
        compare_companies([])


def test_the_view_shows_its_rule_and_every_criterion(symbol):
    view = model_view(symbol)
    assert (view.source, view.rule) == ("headway rule", RULE)
    assert "Not investment advice" in view.note
    assert view.passed.value == sum(criterion.passed is True for criterion in view.criteria)
    for criterion in view.criteria:
        if criterion.figure.is_reported:
            above = criterion.figure.known() >= criterion.threshold
            below = criterion.figure.known() <= criterion.threshold
            assert criterion.passed == (above if criterion.comparison == "at least" else below)


def test_views_differ_between_companies():
    views = {symbol: model_view(symbol).view for symbol in ("NVDA", "BA", "TSLA", "MSFT")}
    assert views == {"NVDA": "strong", "BA": "weak", "TSLA": "mixed", "MSFT": "too little data"}


def test_equity_below_zero_fails_the_criterion_on_debt():
    failed = {
        criterion.name for criterion in model_view("BA").criteria if criterion.passed is False
    }
    assert "debt_to_equity" in failed


def test_price_path_is_synthetic_and_always_the_same():
    path = price_path("nvda", days=5, seed=7)
    assert path.synthetic
    assert "not a market price" in path.note
    assert path.closes == (100.0, 100.33, 100.74, 100.06, 102.42)
    assert path.volatility().sources[0].basis == "synthetic"
    assert price_path("NVDA", seed=1).closes != price_path("NVDA", seed=2).closes
    assert price_path("NVDA").closes != price_path("AAPL").closes


@given(st.integers(2, 300), st.integers(-(2**40), 2**40))
def test_price_path_stays_above_zero(days, seed):
    path = price_path("AAPL", days=days, seed=seed)
    assert len(path.closes) == days
    assert min(path.closes) > 0
    assert 0 <= path.volatility().known() < 1


@pytest.mark.parametrize("days", [-1, 0, 1, 2521])
def test_price_path_refuses_a_length_that_means_nothing(days):
    with pytest.raises(ValueError, match=f"days is {days}"):
        price_path("NVDA", days=days)
