"""Make `src/headway/apps/research/data/companies.json` from the shared company figures.

    .venv/bin/python scripts/company_table.py --shared ../shared

The answer depends on the input alone: the same files give the same bytes. Only facts are taken
(figures, tags, dates, names, form types, item codes, accession numbers); no description is copied.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

from segment_labels import AXES, NOT_A_PART, segment_label

Row = dict[str, Any]

TABLE = Path(__file__).parent.parent / "src/headway/apps/research/data/companies.json"

METRICS = (
    "revenue", "cost_of_revenue", "gross_profit", "research_and_development",
    "selling_general_admin", "operating_income", "interest_expense", "pretax_income",
    "income_tax", "net_income", "eps_diluted", "shares_diluted", "operating_cash_flow",
    "capital_expenditure", "free_cash_flow", "depreciation_amortization",
    "stock_based_compensation", "dividends_paid", "share_repurchases", "total_assets",
    "current_assets", "cash_and_equivalents", "inventory", "total_liabilities",
    "current_liabilities", "long_term_debt", "current_debt", "total_equity",
    "retained_earnings",
)  # fmt: skip

SHORT_NAMES = {
    "AAPL": "Apple", "ABBV": "AbbVie", "ADBE": "Adobe", "AMZN": "Amazon", "BA": "Boeing",
    "CRM": "Salesforce", "GOOGL": "Alphabet", "HD": "Home Depot",
    "JNJ": "Johnson & Johnson", "KO": "Coca-Cola", "MA": "Mastercard",
    "META": "Meta", "MRVL": "Marvell", "MSFT": "Microsoft", "NFLX": "Netflix",
    "NKE": "Nike", "NVDA": "NVIDIA", "PG": "Procter & Gamble", "TSLA": "Tesla",
    "UNH": "UnitedHealth", "UNP": "Union Pacific", "V": "Visa", "WMT": "Walmart",
}  # fmt: skip

ALSO_KNOWN_AS = {
    "BA": ["The Boeing Company"], "GOOGL": ["Google", "YouTube"],
    "JNJ": ["J&J", "Janssen"], "KO": ["Coke"], "META": ["Facebook", "Instagram"],
    "PG": ["P&G"], "UNH": ["Optum"],
}  # fmt: skip

STATES = {"AR": "Arkansas", "CA": "California", "NY": "New York", "VA": "Virginia"}

# The cost tagged here covers the products sold and not the medical costs, most of all cost, so
# neither it nor a gross profit derived from it means what the name says.
COST_COVERS_A_PART = {"UNH"}

HEADER = {
    "source": "US Securities and Exchange Commission, EDGAR: Forms 10-K and 10-Q (XBRL) and the "
    "submissions index",
    "rights": "SEC filings are public information; single figures are facts. The table's own form "
    "is under the licence of Headway.",
    "note": "Historic figures for demonstration. Not investment advice.",
    "made_by": "scripts/company_table.py",
}


def read(path: Path) -> Row:
    """The parsed JSON object in `path`."""
    with path.open(encoding="utf-8") as file:
        parsed: Row = json.load(file)
    return parsed


def cover_page_filing(facts: Row) -> str | None:
    """The day the annual report behind the cover-page data was filed."""
    filed: str | None = facts["profile"].get("latest_annual_report_filed")
    return filed


def source_of(row: Row, facts: Row, events: list[Row], form: str) -> list[str | None]:
    """Which filing a row comes from: form, period, filed, accession, basis.

    The basis is `filing` (read from that filing), `series` (the SEC's series of all filings; the
    filing named is the period's own) or `quoted` (headline figures, not read from the filing).
    """
    found = [e for e in events if e["form"] == form and e["period"] == row["period_end"]]
    filed = found[0]["date"] if found else None
    accession = found[0]["accession"] if found else None
    origins = [p["source"] for p in facts["provenance"]]
    if any(origin.startswith("SEC XBRL companyfacts") for origin in origins):
        return [form, row["period_end"], filed, accession, "series"]
    if "*" in row.get("tags", {}):
        return [form, row["period_end"], filed, accession, "quoted"]
    stated = origins[0].split("filed ")[1].split(" ")[0]
    last = max(r["period_end"] for r in facts["annual"] if r["period_end"] <= stated)
    same = [e["accession"] for e in events if e["form"] == form and e["date"] == stated]
    return [form, last, stated, same[0] if same else None, "filing"]


def columns(rows: list[Row], symbol: str, sources: list[int], tags: list[str]) -> Row:
    """Rows as columns; a figure that the filing does not tag is null."""
    table: Row = {
        "period_start": [r["period_start"] for r in rows],
        "period_end": [r["period_end"] for r in rows],
        "source": sources,
        "year_less_quarters": [bool(r.get("derived")) for r in rows],
        "values": {},
        "tags": {},
    }
    for metric in METRICS:
        if symbol in COST_COVERS_A_PART and metric in ("cost_of_revenue", "gross_profit"):
            continue
        values = [r.get(metric) for r in rows]
        if all(v is None for v in values):
            continue
        table["values"][metric] = values
        table["tags"][metric] = [tag_index(r, metric, tags) for r in rows]
    return table


def tag_index(row: Row, metric: str, tags: list[str]) -> int | None:
    """The place of the figure's XBRL tag or formula in the list of tags; null if not stated."""
    tag = row.get("tags", {}).get(metric)
    if tag is None or row.get(metric) is None:
        return None
    return tags.index(tag)


def breakdowns(facts: Row, events: list[Row]) -> list[Row]:
    """For each axis the finest split whose parts add up to the year's revenue (within 1 %)."""
    found = []
    revenue = {r["period_end"]: r["revenue"] for r in facts["annual"]}
    for axis, name in AXES.items():
        rows = [s for s in facts["segments"] if s["axis"] == axis and s["member"] not in NOT_A_PART]
        ends = sorted({s["period_end"] for s in rows} & revenue.keys())
        if not ends:
            continue
        at_end = {s["member"]: s["revenue"] for s in rows if s["period_end"] == ends[-1]}
        parts = finest_split(at_end, revenue[ends[-1]])
        if not parts:
            continue
        order = sorted(parts, key=lambda member: (-at_end[member], member))
        labels = [segment_label(member) for member in order]
        amounts = [at_end[member] for member in order]
        filed = facts["profile"]["latest_annual_report_filed"]
        same = [e["accession"] for e in events if e["form"] == "10-K" and e["date"] == filed]
        source = ["10-K", ends[-1], filed, same[0] if same else None, "filing"]
        found.append({"by": name, "source": source, "labels": labels, "revenue": amounts})
    return found


def finest_split(parts: dict[str, int], total: int) -> tuple[str, ...]:
    """The largest set of positive parts that adds up to the total; the closest among equals."""
    members = sorted(member for member, value in parts.items() if value > 0)
    for size in range(len(members), 1, -1):
        near = [
            (abs(sum(parts[m] for m in chosen) - total), chosen)
            for chosen in combinations(members, size)
        ]
        gap, chosen = min(near)
        if gap <= 0.01 * total:
            return chosen
    return ()


def profile(symbol: str, facts: Row) -> Row:
    """The facts of a cover page; what is not there is null."""
    cover = facts["profile"]
    city = (cover.get("city") or "").strip(" ,")
    state = STATES.get(cover.get("state", ""), cover.get("state"))
    shares = cover.get("shares_outstanding") or []
    staff = cover.get("employees") or {}
    return {
        "name": cover["name"],
        "short_name": SHORT_NAMES[symbol],
        "also_known_as": ALSO_KNOWN_AS.get(symbol, []),
        "cik": cover["cik"],
        "sector": cover["sector"],
        "industry": cover["industry"],
        "exchange": cover.get("exchange"),
        "headquarters": f"{city}, {state}" if city and state else None,
        "auditor": cover.get("auditor"),
        "employees": staff.get("value"),
        "employees_as_of": staff.get("as_of"),
        "shares_outstanding": round(sum(s["value"] for s in shares)) or None,
        "shares_as_of": shares[0]["as_of"] if shares else None,
        "cover_page_filed": cover_page_filing(facts),
    }


def company(symbol: str, facts: Row, events: list[Row], tags: list[str]) -> Row:
    """One company's part of the table."""
    sources: list[list[str | None]] = []

    def numbered(rows: list[Row], form: str) -> list[int]:
        numbers = []
        for row in rows:
            # a fourth quarter is never filed alone: it is the year's report less three quarters
            source = source_of(row, facts, events, "10-K" if row.get("derived") else form)
            if source not in sources:
                sources.append(source)
            numbers.append(sources.index(source))
        return numbers

    annual, quarterly = facts["annual"], facts["quarterly"]
    table = profile(symbol, facts)
    table["annual"] = columns(annual, symbol, numbered(annual, "10-K"), tags)
    table["quarterly"] = columns(quarterly, symbol, numbered(quarterly, "10-Q"), tags)
    table["sources"] = sources
    table["segments"] = breakdowns(facts, events)
    table["filings"] = [
        [e["form"], e["date"], e["period"] or None, e["accession"], e["items"]] for e in events
    ]
    return table


def with_possible_period(event: Row, facts: Row) -> Row:
    """The event; a report on a period that ended after its filing is given the year before it."""
    if event["form"] != "10-K" or not event["period"] or event["period"] <= event["date"]:
        return event
    ended = [r["period_end"] for r in facts["annual"] if r["period_end"] <= event["date"]]
    return {**event, "period": max(ended)}


def with_stated_gross_profit(row: Row) -> Row:
    """The row; a gross profit said to be revenue less cost is made to be that.

    Walmart's was taken from net sales, which leaves out the membership income that is in revenue.
    """
    if row.get("tags", {}).get("gross_profit") != "derived: revenue - cost_of_revenue":
        return row
    return {**row, "gross_profit": row["revenue"] - row["cost_of_revenue"]}


def build(shared: Path) -> Row:
    """The whole table."""
    folder = shared / "data/companies"
    facts = {s: read(folder / f"facts/{s}.json") for s in sorted(SHORT_NAMES)}
    for company_facts in facts.values():
        company_facts["annual"] = [with_stated_gross_profit(r) for r in company_facts["annual"]]
    events = {s: read(folder / f"events/{s}.json")["events"] for s in sorted(SHORT_NAMES)}
    events = {s: [with_possible_period(e, facts[s]) for e in found] for s, found in events.items()}
    rows = [r for f in facts.values() for r in f["annual"] + f["quarterly"]]
    tags = sorted({t for r in rows for m, t in r.get("tags", {}).items() if m in METRICS})
    through = max(e["date"] for listed in events.values() for e in listed)
    return {
        "header": {**HEADER, "through": through},
        "tags": tags,
        "companies": {s: company(s, facts[s], events[s], tags) for s in facts},
    }


def compact(value: object, depth: int = 0, open_to: int = 4) -> str:
    """JSON with one line for each column, so that a change of the data reads well in a diff."""
    if isinstance(value, dict) and depth < open_to and value:
        inner = ",\n".join(
            f"{' ' * (depth + 1)}{json.dumps(key)}:{compact(item, depth + 1, open_to)}"
            for key, item in value.items()
        )
        return "{\n" + inner + "\n" + " " * depth + "}"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main() -> int:
    """Write the table; tell its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/companies")
    parser.add_argument("--out", type=Path, default=TABLE)
    wanted = parser.parse_args()
    text = compact(build(wanted.shared)) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{wanted.out}: {len(text.encode()):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
