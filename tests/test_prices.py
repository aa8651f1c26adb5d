import re
from datetime import date

import pytest

from headway import prices
from headway.prices import Price, cost_usd, price_of
from headway.settings import OwnPrice

SIMPLE = Price(input=2.0, cache_read=0.2, cache_write=2.5, output=10.0, as_of="2026-01-01")
TABLE = {
    "openai/gpt-x": (SIMPLE,),
    "openai/gpt-x-2026-03-01": (Price(input=1.0, output=1.0),),
    "openai/gpt-y": (
        Price(input=1.0, since="2026-07-30"),
        Price(input=3.0, since="2026-02-01", until="2026-07-29"),
    ),
}


@pytest.mark.parametrize(
    ("model", "input_price"),
    [
        ("gpt-x", 2.0),
        ("gpt-x-2026-01-01", 2.0),
        ("gpt-x-20260101", 2.0),
        ("gpt-x-2026-03-01", 1.0),  # listed itself
        ("gpt-x-2026-13-01", None),  # no date
        ("gpt-x-12345678", None),
        ("gpt-x-mini", None),
        ("gpt-x-mini-2026-01-01", None),
        ("gpt-x-2026-01-01-2026-01-02", None),
        ("gpt", None),
        ("gpt-x-", None),
        ("GPT-X", None),
        ("ft:gpt-x", None),
        ("", None),
    ],
)
def test_a_model_has_its_own_price_or_that_of_the_model_it_is_a_snapshot_of(
    model: str, input_price: float | None
) -> None:
    found = price_of("openai", model, TABLE)
    assert (found.input if found else None) == input_price


def test_another_provider_is_another_price() -> None:
    assert price_of("anthropic", "gpt-x", TABLE) is None


@pytest.mark.parametrize(
    ("on", "input_price"),
    [
        (date(2026, 1, 31), None),
        (date(2026, 2, 1), 3.0),
        (date(2026, 7, 29), 3.0),
        (date(2026, 7, 30), 1.0),
        (date(2030, 1, 1), 1.0),
        (None, 1.0),
    ],
)
def test_the_price_of_the_day_counts(on: date | None, input_price: float | None) -> None:
    found = price_of("openai", "gpt-y", TABLE, on=on)
    assert (found.input if found else None) == input_price


def test_cached_and_written_input_is_not_paid_twice() -> None:
    # 1,000,000 in: 600,000 read from the cache, 100,000 written to it, 300,000 neither
    cost = cost_usd(SIMPLE, 1_000_000, 600_000, 100_000, 50_000)
    assert cost == pytest.approx(0.3 * 2.0 + 0.6 * 0.2 + 0.1 * 2.5 + 0.05 * 10.0)


@pytest.mark.parametrize(
    ("price", "counts", "cost"),
    [
        (None, (1, 0, 0, 1), None),
        (SIMPLE, (None, 0, 0, 1), None),
        (SIMPLE, (10, 0, 0, None), None),
        (SIMPLE, (10, None, 0, 1), None),  # it may have been cheaper
        (SIMPLE, (10, 0, None, 1), None),  # or dearer
        (SIMPLE, (10, 11, 0, 1), None),  # more cached than there was
        (SIMPLE, (10, -1, 0, 1), None),
        (SIMPLE, (10, 0, 0, -1), None),
        (SIMPLE, (0, 0, 0, 0), 0.0),
        (Price(input=1.0), (1_000_000, 0, 0, 5), None),  # the price of output is unknown
        (Price(input=1.0), (1_000_000, 0, 0, 0), 1.0),
        (Price(output=1.0), (1, 0, 0, 0), None),
        (Price(), (0, 0, 0, 0), 0.0),
        # who has no price for the cache does not charge for it apart, unless it was used
        (Price(input=1.0, output=1.0), (1_000_000, None, None, 0), 1.0),
        (Price(input=1.0, output=1.0), (1_000_000, 5, None, 0), None),
        (Price(input=1.0, output=1.0, cache_write=1.0), (1_000_000, 0, None, 0), 1.0),
        # an embedding has no output, so it need not be counted
        (Price(input=0.02, output=0.0), (1_000_000, None, None, None), 0.02),
    ],
)
def test_what_is_needed_and_unknown_makes_the_cost_unknown(
    price: Price | None, counts: tuple[int | None, ...], cost: float | None
) -> None:
    assert cost_usd(price, *counts) == (None if cost is None else pytest.approx(cost))


def test_a_long_prompt_has_another_price_for_all_of_it() -> None:
    price = Price(input=1.0, output=1.0, long_above=100, long=Price(input=2.0, output=3.0))
    assert cost_usd(price, 100, 0, 0, 10) == pytest.approx(110e-6)
    assert cost_usd(price, 101, 0, 0, 10) == pytest.approx((202 + 30) / 1e6)
    unknown = Price(input=1.0, output=1.0, long_above=100)
    assert cost_usd(unknown, 101, 0, 0, 10) is None


def test_own_prices_stand_in_for_built_in_ones() -> None:
    own = Price(input=0.5)
    table = prices.with_own({"openai/gpt-4o": own, "other/mine": own})
    assert price_of("openai", "gpt-4o", table) == own
    assert price_of("openai", "gpt-4o-2024-08-06", table) == own
    assert price_of("other", "mine", table) == own
    assert price_of("openai", "gpt-4.1", table) == price_of("openai", "gpt-4.1")
    assert price_of("other", "mine") is None


# --- the figures that come with Headway -----------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "input_price", "cache_read", "cache_write", "output"),
    [
        ("anthropic", "claude-opus-4-5-20251101", 5.0, 0.5, 6.25, 25.0),
        ("anthropic", "claude-haiku-4-5-20251001", 1.0, 0.1, 1.25, 5.0),
        ("openai", "gpt-5.4-mini-2026-03-17", 0.75, 0.075, 0.75, 4.5),
        ("openai", "gpt-4o-mini-2024-07-18", 0.15, 0.075, 0.15, 0.6),
    ],
)
def test_a_price_as_its_source_has_it(
    provider: str,
    model: str,
    input_price: float,
    cache_read: float,
    cache_write: float,
    output: float,
) -> None:
    found = price_of(provider, model)
    assert found is not None
    assert (found.input, found.cache_read, found.cache_write, found.output) == (
        input_price,
        cache_read,
        cache_write,
        output,
    )


def test_prices_that_changed_are_kept_by_day() -> None:
    cut = {
        day: price_of("anthropic", "claude-sonnet-5-5", on=date(2026, 10, day)) for day in (6, 7)
    }
    assert [price.cache_read for price in cut.values() if price] == [0.20, 0.10]
    promised = price_of("openai", "gpt-5.6-sol", on=date(2026, 11, 21))
    assert promised is not None
    assert price_of("openai", "gpt-5.6-sol", on=date(2026, 11, 22)) is None


def test_a_snapshot_that_cost_something_else_does_not_get_the_price_of_its_successors() -> None:
    assert cost_usd(price_of("openai", "gpt-4o-2024-05-13"), 10, 0, 0, 10) is None


def test_models_of_no_provider_have_no_price() -> None:
    assert price_of("openai", "stand-in-1") is None
    assert price_of("anthropic", "stand-in") is None


ENTRIES = [(name, price) for name, found in prices.built_in().items() for price in found]


@pytest.mark.parametrize(("name", "price"), ENTRIES, ids=[f"{n} {p.as_of}" for n, p in ENTRIES])
def test_every_entry_says_when_and_where_from(name: str, price: Price) -> None:
    assert re.fullmatch(r"(openai|anthropic)/[a-z0-9.-]+", name)
    assert len(price.source) > 20
    days = [price.since or price.as_of, price.as_of, price.until or price.as_of]
    assert [date.fromisoformat(day).isoformat() for day in days] == sorted(days)
    assert date.fromisoformat(price.as_of) <= date(2026, 11, 21)


@pytest.mark.parametrize(("name", "price"), ENTRIES, ids=[f"{n} {p.as_of}" for n, p in ENTRIES])
def test_every_entry_is_plausible(name: str, price: Price) -> None:
    """Slips of the pen: a digit too many, two columns exchanged."""
    for tier in (price, price.long):
        if tier is None or tier.input is None:
            continue
        assert 0 < tier.input <= 150
        assert tier.output == 0 or (tier.output and 1.5 <= tier.output / tier.input <= 10)
        assert tier.cache_read is None or 0.02 <= tier.cache_read / tier.input <= 0.5
        assert tier.cache_write is None or 1 <= tier.cache_write / tier.input <= 1.25
    if price.long is not None and price.long.input is not None:
        assert price.input is not None
        assert price.long.input > price.input
        assert price.long_above is not None


def test_no_two_prices_hold_on_one_day() -> None:
    for name, found in prices.built_in().items():
        for day in {price.since or price.as_of for price in found} | {p.as_of for p in found}:
            holding = [price for price in found if price.holds_on(day)]
            assert len(holding) == 1, (name, day)
        begun = [price.since or "" for price in found]
        assert begun == sorted(begun, reverse=True), f"{name}: the newest price comes first"


def test_prices_of_the_settings_stand_before_the_built_in_ones() -> None:
    own = OwnPrice(input=0.5, as_of="2026-01-02")
    found = price_of("openai", "gpt-4o", prices.with_settings({"openai/gpt-4o": own}))
    assert found == Price(input=0.5, as_of="2026-01-02", source="headway.toml")
    assert prices.with_settings({}) is prices.built_in()
