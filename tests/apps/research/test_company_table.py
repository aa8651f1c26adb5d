"""The table that the package carries: its identities, its provenance, and the script behind it."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from headway.apps.research.company_data import company_financials, company_profile
from headway.apps.research.company_table import METRIC_UNITS, company_table
from headway.apps.research.lookup import known_symbols

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "src/headway/apps/research/data/companies.json"
SHARED = ROOT.parent / "shared"


def rows(symbol):
    return (
        company_financials(symbol).periods + company_financials(symbol, period="quarterly").periods
    )


def values(row, *names):
    found = tuple(row.figure(name).value for name in names)
    return None if any(value is None for value in found) else found


def is_near(left, right, share):
    return abs(left - right) <= share * max(abs(left), abs(right))


def test_holds_all_companies_and_says_where_they_come_from():
    table = company_table()
    assert len(known_symbols()) == 23
    assert "EDGAR" in table.header.source
    assert "advice" in table.header.note
    assert date.fromisoformat(table.header.through) >= date(2026, 1, 1)


def test_is_small():
    assert TABLE.stat().st_size < 250_000


def test_revenue_less_cost_is_gross_profit(symbol):
    for row in rows(symbol):
        if found := values(row, "revenue", "cost_of_revenue", "gross_profit"):
            assert is_near(found[0] - found[1], found[2], 0.02), row.period_end


def test_assets_are_liabilities_and_equity(symbol):
    for row in rows(symbol):
        if found := values(row, "total_assets", "total_liabilities", "total_equity"):
            assert is_near(found[0], found[1] + found[2], 0.03), row.period_end


def test_earnings_per_share_times_shares_is_net_income(symbol):
    for row in rows(symbol):
        if found := values(row, "eps_diluted", "shares_diluted", "net_income"):
            assert is_near(found[0] * found[1], found[2], 0.04), row.period_end


def test_pretax_less_tax_is_net_income(symbol):
    if symbol == "JNJ":
        pytest.skip("net income of JNJ includes discontinued operations")
    for row in rows(symbol):
        if found := values(row, "pretax_income", "income_tax", "net_income"):
            assert is_near(found[0] - found[1], found[2], 0.06), row.period_end


def test_free_cash_flow_is_what_capital_expenditure_leaves(symbol):
    for row in rows(symbol):
        if found := values(row, "operating_cash_flow", "capital_expenditure", "free_cash_flow"):
            assert found[0] - found[1] == pytest.approx(found[2])


def test_every_figure_names_its_filing_and_its_tag(symbol):
    quoted = 0
    for row in rows(symbol):
        assert row.source.form in ("10-K", "10-Q")
        assert row.source.period_end is not None
        assert row.source.period_end >= row.period_end
        for figure in row.figures:
            assert figure.sources == (row.source,)
            assert figure.unit == METRIC_UNITS[figure.name]
            quoted += row.source.basis == "quoted" and figure.is_reported
            if figure.is_reported and row.source.basis == "filing":
                assert figure.origin, (
                    f"{figure.name} of {row.period_end} has neither tag nor formula"
                )
    assert quoted == (11 if symbol == "MSFT" else 0)


def test_no_filing_is_older_than_the_period_it_reports(symbol):
    for row in rows(symbol):
        if row.source.filed is not None:
            assert row.source.filed > row.period_end
    for filed in company_table().companies[symbol].filings:
        if filed.form in ("10-K", "10-Q") and filed.period_end:
            assert filed.filed > filed.period_end


def test_periods_follow_one_another_and_are_whole(symbol):
    for period, days in (("annual", (350, 380)), ("quarterly", (80, 105))):
        found = company_financials(symbol, period=period).periods
        ends = [row.period_end for row in found]
        assert ends == sorted(set(ends))
        for row in found:
            length = date.fromisoformat(row.period_end) - date.fromisoformat(row.period_start)
            assert days[0] <= length.days <= days[1]


def test_revenue_splits_add_up(symbol):
    for split in company_profile(symbol).revenue_splits:
        assert sum(share.known() for share in split.shares) == pytest.approx(1, abs=0.01)
        amounts = [part.known() for part in split.parts]
        assert amounts == sorted(amounts, reverse=True)


def test_cost_that_covers_a_part_is_left_out():
    for row in company_financials("UNH").periods:
        assert row.figure("cost_of_revenue").value is None
        assert row.figure("gross_profit").value is None


def test_holds_no_description():
    table = json.loads(TABLE.read_text("utf-8"))
    for company in table["companies"].values():
        assert "description" not in company
        texts = [value for value in company.values() if isinstance(value, str)]
        assert max(len(text) for text in texts) < 60


@pytest.mark.skipif(not (SHARED / "data/companies").is_dir(), reason="needs the shared data")
def test_script_makes_the_same_bytes(tmp_path):
    made = tmp_path / "companies.json"
    script = ROOT / "scripts/company_table.py"
    subprocess.run(
        [sys.executable, str(script), "--shared", str(SHARED), "--out", str(made)],
        check=True,
        capture_output=True,
    )
    assert made.read_bytes() == TABLE.read_bytes()
