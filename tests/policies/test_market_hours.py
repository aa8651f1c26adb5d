from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup, Cache, clock, operation
from headway.policies.market_hours import until
from headway.testing import FakeClock

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str, zone: ZoneInfo = NEW_YORK) -> FakeClock:
    return FakeClock(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-18T09:30:00", 6.5),  # a Wednesday
        ("2026-11-18T15:59:59", 1 / 3600),
        ("2026-11-18T16:00:00", 24),  # at the very moment: the next one
        ("2026-11-20T16:00:01", 72 - 1 / 3600),  # Friday after the close: Monday
        ("2026-11-21T12:00:00", 52),  # Saturday
        ("2026-03-06T17:00:00", 72 - 1 - 1),  # a weekend in which an hour is skipped
        ("2026-10-30T17:00:00", 72 - 1 + 1),  # and one in which an hour comes twice
    ],
)
def test_good_until_the_market_closes(now: str, hours: float) -> None:
    close = until("16:00", zone="America/New_York", days="mon-fri")
    with clock.use(at(now)):
        assert close("any") == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("now", "told", "hours"),
    [
        ("2026-03-08T01:00:00", "02:30", 1.5),  # 02:30 is skipped: 03:30 by the new time
        ("2026-11-01T00:00:00", "01:30", 1.5),  # 01:30 comes twice: the first
        ("2026-11-18T23:59:30", "00:00", 1 / 120),
        ("2026-11-18T00:00:00", "00:00:30", 1 / 120),
    ],
)
def test_hours_that_are_skipped_or_come_twice(now: str, told: str, hours: float) -> None:
    with clock.use(at(now)):
        assert until(told, zone="America/New_York")(None) == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("days", "hours"), [("sat", 64), ("sat-mon", 64), ("tue, THU", 16), ("wed", 7 * 24 - 8)]
)
def test_days_count_as_they_are_named(days: str, hours: float) -> None:
    with clock.use(at("2026-11-18T16:00:00", ZoneInfo("UTC"))):  # a Wednesday
        assert until("08:00", zone="UTC", days=days)(None) == pytest.approx(hours * 3600)


@given(
    now=st.floats(1.58e9, 2.05e9),  # 2020 to 2034
    hour=st.integers(0, 23),
    zone=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_it_is_always_ahead_and_never_more_than_a_day_and_an_hour(
    now: float, hour: int, zone: str
) -> None:
    fake = FakeClock(now)
    with clock.use(fake):
        seconds = until(f"{hour:02}:00", zone=zone)(None)
    assert 0 < seconds <= 25 * 3600
    end = datetime.fromtimestamp(fake.now() + seconds, ZoneInfo(zone))
    assert (end.minute, end.second) in {(0, 0), (30, 0)}  # Lord Howe skips half an hour


async def test_a_cache_ends_at_the_close() -> None:
    runs = 0

    @operation(Cache(until("16:00", zone="America/New_York", days="mon-fri")))
    async def quote(symbol: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    time = at("2026-11-18T15:00:00")
    with clock.use(time):
        assert await quote("NVDA") == 1
        await time.advance("59m")
        assert await quote("NVDA") == 1
        await time.advance("1m")
        assert await quote("NVDA") == 2
        await time.advance("23h")
        assert await quote("NVDA") == 2


@pytest.mark.parametrize(
    ("told", "zone", "days"),
    [
        ("4 pm", "UTC", "mon-fri"),
        ("16:00+01:00", "UTC", "mon-fri"),
        (16, "UTC", "mon-fri"),
        ("16:00", "Mars/Olympus", "mon-fri"),
        ("16:00", "", "mon-fri"),
        ("16:00", "../etc", "mon-fri"),
        ("16:00", "UTC", "workdays"),
        ("16:00", "UTC", ""),
        ("16:00", "UTC", None),
    ],
)
def test_what_is_no_time_zone_or_day_is_refused(told: str, zone: str, days: str) -> None:
    with pytest.raises(BadSetup, match=r"until\("):
        until(told, zone=zone, days=days)


def test_it_says_what_it_is() -> None:
    assert repr(Cache(until("16:00", zone="UTC"))) == (
        "Cache(ttl=until('16:00', zone='UTC'), stale_for=0)"
    )
