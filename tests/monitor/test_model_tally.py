"""A tariff says what cost_usd says, on each day its price."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.monitor.model_tally import Tariff
from headway.prices import Price, cost_usd
from tests.monitor.some_events import NOW, answered

DAY_S = 86_400
rates = st.none() | st.sampled_from([0.0, 0.25, 1.0, 2.5])
counts = st.none() | st.integers(0, 300)
plain = st.builds(Price, input=rates, output=rates, cache_read=rates, cache_write=rates)
prices = plain | st.builds(
    Price,
    input=rates,
    output=rates,
    cache_read=rates,
    cache_write=rates,
    long_above=st.just(200),
    long=plain,
)


@given(prices, counts, counts, counts, counts)
def test_it_costs_what_the_price_says(
    price: Price, sent: int | None, cached: int | None, written: int | None, made: int | None
) -> None:
    tariff = Tariff("openai", "gpt-x", {"openai/gpt-x": (price,)})
    said = tariff.usd(answered(sent=sent, cached=cached, written=written, made=made))
    assert said == pytest.approx(cost_usd(price, sent, cached, written, made), abs=1e-15)


def test_an_unknown_price_is_unknown() -> None:
    assert Tariff("openai", "nobody", {}).usd(answered()) is None


def test_each_answer_has_the_price_of_its_day() -> None:
    day = NOW // DAY_S * DAY_S
    today = datetime.fromtimestamp(day, UTC).date().isoformat()
    tomorrow = datetime.fromtimestamp(day + DAY_S, UTC).date().isoformat()
    table = {
        "openai/gpt-x": (
            Price(input=2.0, output=0.0, cache_read=0.0, cache_write=0.0, since=tomorrow),
            Price(input=1.0, output=0.0, cache_read=0.0, cache_write=0.0, until=today),
        )
    }
    tariff = Tariff("openai", "gpt-x", table)
    ats = (day, day + DAY_S - 0.001, day + DAY_S, day + 0.001)
    costs = [tariff.usd(answered(sent=1_000_000, at=at)) for at in ats]
    assert costs == [1.0, 1.0, 2.0, 1.0]
