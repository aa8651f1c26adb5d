"""The package's own table of company figures, read once and checked against its types."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import msgspec

from .figures import Source, Unit

METRIC_UNITS: dict[str, Unit] = {
    "revenue": "usd",
    "cost_of_revenue": "usd",
    "gross_profit": "usd",
    "research_and_development": "usd",
    "selling_general_admin": "usd",
    "operating_income": "usd",
    "interest_expense": "usd",
    "pretax_income": "usd",
    "income_tax": "usd",
    "net_income": "usd",
    "eps_diluted": "usd_per_share",
    "shares_diluted": "share",
    "operating_cash_flow": "usd",
    "capital_expenditure": "usd",
    "free_cash_flow": "usd",
    "depreciation_amortization": "usd",
    "stock_based_compensation": "usd",
    "dividends_paid": "usd",
    "share_repurchases": "usd",
    "total_assets": "usd",
    "current_assets": "usd",
    "cash_and_equivalents": "usd",
    "inventory": "usd",
    "total_liabilities": "usd",
    "current_liabilities": "usd",
    "long_term_debt": "usd",
    "current_debt": "usd",
    "total_equity": "usd",
    "retained_earnings": "usd",
}


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures by column; `source` and `tags` are places in the lists beside them."""

    period_start: tuple[str, ...]
    period_end: tuple[str, ...]
    source: tuple[int, ...]
    year_less_quarters: tuple[bool, ...]
    values: dict[str, tuple[float | None, ...]]
    tags: dict[str, tuple[int | None, ...]]


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Revenue of a year split along one axis, largest part first."""

    by: str
    source: Source
    labels: tuple[str, ...]
    revenue: tuple[float, ...]


class Filed(msgspec.Struct, frozen=True, array_like=True):
    """One filing as the index of submissions has it."""

    form: str
    filed: str
    period_end: str | None
    accession: str | None
    items: tuple[str, ...]


class CompanyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the table holds of one company."""

    name: str
    short_name: str
    also_known_as: tuple[str, ...]
    cik: int
    sector: str
    industry: str
    exchange: str | None
    headquarters: str | None
    auditor: str | None
    employees: int | None
    employees_as_of: str | None
    shares_outstanding: int | None
    shares_as_of: str | None
    cover_page_filed: str | None
    annual: Columns
    quarterly: Columns
    sources: tuple[Source, ...]
    segments: tuple[Split, ...]
    filings: tuple[Filed, ...]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the table comes from, under which rights, and how far it reaches."""

    source: str
    rights: str
    note: str
    made_by: str
    through: str


class CompanyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table, companies by ticker symbol."""

    header: Header
    tags: tuple[str, ...]
    companies: dict[str, CompanyRecord]


@cache
def company_table() -> CompanyTable:
    """The table that the package carries. Read and checked on the first call, then kept."""
    return msgspec.json.decode(_written(), type=CompanyTable)


@cache
def table_digest() -> str:
    """Tells this table from any other: 16 hexadecimal digits of its file's SHA-256."""
    return hashlib.sha256(_written()).hexdigest()[:16]


def _written() -> bytes:
    path = resources.files("headway.apps.research") / "data" / "companies.json"
    return path.read_bytes()
