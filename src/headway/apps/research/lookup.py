"""Find a company by its ticker, or say which ones come near."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from .company_table import company_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .company_table import CompanyRecord

_LONGEST_SHOWN = 40
_NEAR_ENOUGH = 0.6


class UnknownTicker(LookupError):
    """No company has this ticker; `near` holds the tickers that come close, best first."""

    def __init__(self, ticker: str, near: tuple[str, ...]) -> None:
        self.ticker = ticker
        self.near = near
        super().__init__(_explain(ticker, near))


class UnknownMetric(LookupError):
    """No figure has this name; `near` holds the names that come close, best first."""

    def __init__(self, metric: str, known: Iterable[str]) -> None:
        self.metric = metric
        names = tuple(known)
        self.near = _closest({name: (name,) for name in names}, metric.strip().lower())
        meant = f"did you mean {' or '.join(self.near)}? " if self.near else ""
        super().__init__(f"unknown metric {_shown(metric)}: {meant}Known: {' '.join(names)}")


def known_symbols() -> tuple[str, ...]:
    """The tickers that have data, in alphabetical order."""
    return tuple(sorted(company_table().companies))


def normal_symbol(ticker: str) -> str:
    """The ticker as the table spells it. Raises UnknownTicker, which names near matches."""
    symbol = ticker.strip().upper()
    if symbol in company_table().companies:
        return symbol
    raise UnknownTicker(ticker, near_symbols(ticker))


def find_company(ticker: str) -> CompanyRecord:
    """The company with this ticker, whatever its case and the blanks around it."""
    return company_table().companies[normal_symbol(ticker)]


def near_symbols(text: str) -> tuple[str, ...]:
    """Up to three tickers whose symbol or company name is like the text, best first."""
    names = {
        symbol: (symbol, record.short_name, record.name, *record.also_known_as)
        for symbol, record in company_table().companies.items()
    }
    return _closest(names, text.strip()[:_LONGEST_SHOWN].casefold())


def _closest(names: dict[str, tuple[str, ...]], wanted: str) -> tuple[str, ...]:
    ranked = sorted(
        (-max(_likeness(wanted, name.casefold()) for name in spellings), key)
        for key, spellings in names.items()
    )
    return tuple(key for score, key in ranked[:3] if -score >= _NEAR_ENOUGH)


def _likeness(wanted: str, name: str) -> float:
    """0 to 1; the beginning of a word of the name counts almost as much as the whole."""
    if len(wanted) >= 3 and any(word.startswith(wanted) for word in name.split()):
        return 0.95
    return SequenceMatcher(None, wanted, name).ratio()


def _explain(ticker: str, near: tuple[str, ...]) -> str:
    companies = company_table().companies
    meant = " or ".join(f"{symbol} ({companies[symbol].short_name})" for symbol in near)
    question = f"did you mean {meant}? " if near else ""
    return f"unknown ticker {_shown(ticker)}: {question}Known: {' '.join(known_symbols())}"


def _shown(text: str) -> str:
    """The text in quotes with control characters escaped, cut where it is very long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
