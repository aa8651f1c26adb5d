"""What is spent, and when no more may be asked."""

import pytest

from headway import ModelAnswered
from headway.apps.research.model.caps import CapReached, Caps, Spending, Spent, dollars, reached_cap
from headway.clock import use
from headway.testing import FakeClock


def answered(source: str = "ran", **counts: int | None) -> ModelAnswered:
    used: dict[str, int | None] = {
        "tokens_in": 100,
        "tokens_cached": 40,
        "tokens_out": 10,
        **counts,
    }
    return ModelAnswered(
        at=0.0,
        run="r",
        call="1",
        operation="openai.chat m",
        provider="openai",
        model="m",
        source=source,
        **used,
    )


def spending(caps: Caps, cost_usd: float | None = 0.01) -> Spending:
    return Spending(caps, lambda answer: cost_usd, "r")


def test_answers_add_up_and_those_from_a_cache_cost_nothing() -> None:
    count = spending(Caps())
    for source in ("ran", "ran", "hit", "joined"):
        count(answered(source))
    assert count.spent == Spent(
        calls=4, from_cache=2, tokens_in=200, tokens_cached=80, tokens_out=20, cost_usd=0.02
    )
    assert count.spent.told() == "4 model calls, 2 from cache, 220 tokens, $0.02"


def test_a_refusal_has_used_nothing_and_stops_no_cap() -> None:
    count = Spending(Caps(tokens=500, cost_usd=1.0), lambda answer: None, "r")
    count(answered(status=400, tokens_in=None, tokens_cached=None, tokens_out=None))
    count.refuse_if_reached()
    assert count.spent == Spent(calls=1)


def test_another_run_is_not_counted() -> None:
    count = Spending(Caps(), lambda answer: 1.0, "another")
    count(answered())
    assert count.spent.calls == 0


@pytest.mark.parametrize(
    ("caps", "says"),
    [
        (Caps(cost_usd=0.05), "the cap of $0.05 is reached"),
        (Caps(tokens=500), "the cap of 500 tokens is reached"),
    ],
)
def test_a_cap_lets_calls_through_until_it_is_reached(caps: Caps, says: str) -> None:
    count = spending(caps)
    for _ in range(5):
        count.refuse_if_reached()
        count(answered())
    with pytest.raises(CapReached) as refused:
        count.refuse_if_reached()
    assert str(refused.value) == says == count.reached


async def test_a_cap_on_time_follows_the_clock() -> None:
    with use(clock := FakeClock()):
        count = spending(Caps(time_s=90))
        await clock.advance(89)
        count.refuse_if_reached()
        await clock.advance(1)
        with pytest.raises(CapReached, match="the cap of 90 s is reached"):
            count.refuse_if_reached()


def test_a_cap_that_cannot_be_counted_is_not_taken_for_kept() -> None:
    count = spending(Caps(tokens=1_000_000))
    count(answered(tokens_out=None))
    with pytest.raises(CapReached, match="cannot be kept"):
        count.refuse_if_reached()
    priceless = spending(Caps(cost_usd=100), None)
    priceless(answered())
    with pytest.raises(CapReached, match="cannot be kept"):
        priceless.refuse_if_reached()
    assert "cost unknown" in priceless.spent.told()


def test_no_cap_refuses_nothing() -> None:
    assert reached_cap(Caps(), Spent(calls=10**6, tokens_in=10**12, unknown=3), 1e9) is None


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.0, "$0.00"),
        (0.05, "$0.05"),
        (0.00421, "$0.0042"),
        (12.3, "$12.30"),
        (1e-7, "$0.0001 or less"),
    ],
)
def test_amounts_have_the_digits_that_matter(amount: float, shown: str) -> None:
    assert dollars(amount) == shown
