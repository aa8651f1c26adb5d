"""What an exchange with a model costs: a dated table by provider and model, and the arithmetic.

The figures lie in ``prices.toml``, each with the day it was last seen to be true and its source;
``[prices]`` of ``headway.toml`` wins over them. What is not known is None, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Protocol

import msgspec

PER = 1_000_000
"""Prices are for so many tokens."""

_DATED = re.compile(r"(?P<model>.+)-(?:(?P<day>\d{4}-\d{2}-\d{2})|(?P<digits>\d{8}))")


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens of each sort; None is unknown."""

    input: float | None = None
    """Input that was neither read from the provider's cache nor written to it."""
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    as_of: str = ""
    """The day, such as ``2026-10-24``, on which this was last seen to be true."""
    source: str = ""
    since: str | None = None
    """The first day on which it was charged; None if not known to have been otherwise before."""
    until: str | None = None
    """The last such day."""
    long_above: int | None = None
    """Exchanges with more input tokens than this cost ``long`` instead."""
    long: Price | None = None

    def holds_on(self, day: str) -> bool:
        """Whether it was charged on *day*, written as ``2026-10-24``."""
        return (self.since or day) <= day <= (self.until or day)


Table = Mapping[str, tuple[Price, ...]]
"""By ``provider/model``, the newest price first."""


def price_of(
    provider: str, model: str, table: Table | None = None, *, on: date | None = None
) -> Price | None:
    """What *model* costs: its own price, else that of the model it is a dated snapshot of.

    ``gpt-x-2026-01-01`` has the price of ``gpt-x`` unless it is listed itself; ``gpt-x-mini`` never
    has.

    Args:
        table: default: the built-in one, without ``headway.toml``.
        on: the day that counts; default: the newest price known.
    """
    found = built_in() if table is None else table
    prices = found.get(f"{provider}/{model}")
    if prices is None and (undated := _without_date(model)) is not None:
        prices = found.get(f"{provider}/{undated}")
    if not prices:
        return None
    if on is None:
        return prices[0]
    return next((price for price in prices if price.holds_on(on.isoformat())), None)


def _without_date(model: str) -> str | None:
    dated = _DATED.fullmatch(model)
    if dated is None:
        return None
    try:
        date.fromisoformat(dated["day"] or dated["digits"])
    except ValueError:
        return None
    return dated["model"]


def cost_usd(
    price: Price | None,
    tokens_in: int | None,
    tokens_cached: int | None = None,
    tokens_cache_written: int | None = None,
    tokens_out: int | None = None,
) -> float | None:
    """US dollars for one exchange; None if a count or a price that it depends on is unknown.

    A count that the provider did not report is needed only where its tokens have a price of their
    own: nobody charges for cache writes that have none.

    Args:
        tokens_in: all input, cached and cache-written included.
    """
    if price is None or tokens_in is None:
        return None
    if price.long_above is not None and tokens_in > price.long_above:
        return cost_usd(price.long, tokens_in, tokens_cached, tokens_cache_written, tokens_out)
    cached = _apart(tokens_cached, price.cache_read, price.input)
    written = _apart(tokens_cache_written, price.cache_write, price.input)
    if cached is None or written is None or min(cached, written) < 0:
        return None
    parts = (
        _dollars(tokens_in - cached - written, price.input),
        _dollars(cached, price.cache_read),
        _dollars(written, price.cache_write),
        _dollars(tokens_out, price.output),
    )
    known = [part for part in parts if part is not None]
    return sum(known) / PER if len(known) == len(parts) else None


def _apart(count: int | None, price: float | None, usual: float | None) -> int | None:
    """How many tokens have *price*, not the *usual* one; None if that matters and is unknown."""
    if count is None:
        return 0 if price is None or price == usual else None
    return count


def _dollars(count: int | None, price: float | None) -> float | None:
    """Millionths of dollars; what is free, or did not happen, needs no other figure."""
    if count == 0 or price == 0:
        return 0.0
    if count is None or price is None or count < 0:
        return None
    return count * price


# --- the table ------------------------------------------------------------------------------------


class _Entry(Price, frozen=True, kw_only=True, forbid_unknown_fields=True):
    models: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    price: tuple[_Entry, ...]


@cache
def built_in() -> Table:
    """The table that comes with Headway; read once."""
    import tomllib

    text = Path(__file__).with_name("prices.toml").read_text(encoding="utf-8")
    file = msgspec.convert(tomllib.loads(text), _File)
    table: dict[str, tuple[Price, ...]] = {}
    for entry in file.price:
        fields = {name: getattr(entry, name) for name in Price.__struct_fields__}
        price = Price(**{**fields, "source": file.sources[entry.source]})
        for name in entry.models:
            table[name] = (*table.get(name, ()), price)
    return table


def with_own(own: Mapping[str, Price]) -> Table:
    """The built-in table with *own* prices, by ``provider/model``, in the place of what it says."""
    return {**built_in(), **{name: (price,) for name, price in own.items()}}


class OwnFigures(Protocol):
    """A price as ``headway.toml`` says it: see ``Price``."""

    @property
    def input(self) -> float | None: ...
    @property
    def output(self) -> float | None: ...
    @property
    def cache_read(self) -> float | None: ...
    @property
    def cache_write(self) -> float | None: ...
    @property
    def as_of(self) -> str: ...


def with_settings(own: Mapping[str, OwnFigures]) -> Table:
    """The built-in table, and before it what ``settings.current().prices`` says."""
    if not own:
        return built_in()
    return with_own({name: _of_settings(figures) for name, figures in own.items()})


def _of_settings(own: OwnFigures) -> Price:
    return Price(
        input=own.input,
        output=own.output,
        cache_read=own.cache_read,
        cache_write=own.cache_write,
        as_of=own.as_of,
        source="headway.toml",
    )
