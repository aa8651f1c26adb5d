import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup, Cache, Entry, operation
from headway.policies.freshness import Freshness
from headway.testing import FakeClock
from tests.policies.work import Work

pytestmark = pytest.mark.usefixtures("time")


def test_times_follow_from_ttl_and_stale_for() -> None:
    assert Freshness("1m", stale_for="1h").times_of("x", 100.0) == (160.0, 3760.0)


@given(jitter=st.floats(0, 0.5), chance=st.floats(0, 1, exclude_max=True))
def test_chance_only_shortens_and_never_below_half(jitter: float, chance: float) -> None:
    times = Freshness(100, stale_for=7, jitter=jitter, chance=lambda: chance).times_of("x", 1000.0)
    assert times is not None
    assert 1050.0 <= times.fresh_until <= 1100.0
    assert times.fresh_until == pytest.approx(1100.0 - 100 * jitter * chance)
    assert times.stale_until == times.fresh_until + 7


def test_two_answers_made_together_end_apart() -> None:
    chances = iter([0.25, 0.75])
    freshness = Freshness(100, jitter=0.5, chance=lambda: next(chances))
    assert [freshness.times_of("x", 0.0), freshness.times_of("y", 0.0)] == [
        (87.5, 87.5),
        (62.5, 62.5),
    ]


async def test_the_answer_may_say_how_long_it_is_good(time: FakeClock) -> None:
    work = Work()

    @operation(Cache(lambda answer: "1m" if answer == 1 else "1h"))
    async def find(name: str) -> int:
        return await work.run()

    assert await find("x") == 1
    await time.advance("59s")
    assert await find("x") == 1
    await time.advance("1s")
    assert await find("x") == 2
    await time.advance("59m")
    assert await find("x") == 2


@pytest.mark.parametrize("told", [None, 0, "0s"])
async def test_an_answer_that_is_good_for_nothing_is_not_kept(told: Any) -> None:
    work = Work()

    @operation(Cache(lambda answer: told))
    async def find(name: str) -> int:
        return await work.run()

    assert [await find("x"), await find("x")] == [1, 2]


@pytest.mark.parametrize("wrong", ["raises", "soon", -1, float("nan")])
async def test_a_ttl_that_fails_costs_the_keeping_not_the_answer(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work()

    def ttl(answer: int) -> Any:
        if wrong == "raises":
            raise KeyError(answer)
        return wrong

    @operation(Cache(ttl))
    async def find(name: str) -> int:
        return await work.run()

    with caplog.at_level(logging.WARNING, "headway"):
        assert [await find("x"), await find("x"), await find("y")] == [1, 2, 3]
    assert len(caplog.records) == 1
    assert "the answer is not kept" in caplog.text


def test_an_entry_is_early_only_after_its_share() -> None:
    freshness = Freshness(100, refresh_at=0.8)
    entry = Entry("x", made_at=1000.0, fresh_until=1100.0)
    assert [freshness.is_early(entry, now) for now in (1000.0, 1079.9, 1080.0, 1099.9)] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jitter": 0.6}, "jitter=0.6"),
        ({"jitter": -0.1}, "jitter=-0.1"),
        ({"jitter": "much"}, "jitter='much'"),
        ({"jitter": float("nan")}, "jitter=nan"),
        ({"jitter": True}, "jitter=True"),
        ({"refresh_at": 0}, "refresh_at=0"),
        ({"refresh_at": 1}, "refresh_at=1"),
        ({"refresh_at": "80%"}, "refresh_at='80%'"),
        ({"soft_timeout": "50ms"}, "stale_for="),
        ({"soft_timeout": 0, "stale_for": 1}, "soft_timeout=0"),
        ({"lease": 0}, "lease=0"),
        ({"errors": {LookupError: 0}}, "errors=0"),
        ({"errors": {BaseException: 1}}, "BaseException"),
        ({"errors": {"LookupError": 1}}, "LookupError"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match="Cache") as refused:
        Cache("1m", **options)
    assert said in str(refused.value)
