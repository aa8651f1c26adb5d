import asyncio
import contextlib
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import clock
from headway.testing import FakeClock


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("0s", 0.0),
        ("1.5h", 5400.0),
        ("15m", 900.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172_800.0),
        ("1w", 604_800.0),
        ("15M", 900.0),
        ("1m1ms", 60.001),
    ],
)
def test_seconds(duration: clock.Duration, expected: float) -> None:
    assert clock.seconds(duration) == pytest.approx(expected)


@pytest.mark.parametrize(
    "duration",
    [
        "",
        "15",
        "m",
        "15 minutes",
        "-1s",
        "1s-",
        "1e3s",
        "1..5s",
        -1,
        -0.001,
        math.nan,
        math.inf,
        True,
    ],
)
def test_what_is_no_duration_is_named(duration: clock.Duration) -> None:
    with pytest.raises(ValueError, match="is no duration") as wrong:
        clock.seconds(duration)
    assert repr(duration) in str(wrong.value)


@pytest.mark.parametrize("thing", [None, timedelta(seconds=1), [1], b"1s"])
def test_other_types_are_no_duration(thing: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        clock.seconds(thing)  # type: ignore[arg-type]


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_a_number_and_a_unit_multiply(number: int, unit: str) -> None:
    assert clock.seconds(f"{number}{unit}") == pytest.approx(number * clock.seconds(f"1{unit}"))


@given(st.text(max_size=8))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        value = clock.seconds(text)
    except ValueError:
        return
    assert 0 <= value < math.inf


def test_use_puts_everything_back() -> None:
    before = (clock.now, clock.monotonic, clock.sleep, clock.call_later)
    fake = FakeClock(now=5.0)
    with contextlib.suppress(KeyError), clock.use(fake):
        assert clock.now() == 5.0
        assert clock.monotonic() == 0.0
        raise KeyError
    assert (clock.now, clock.monotonic, clock.sleep, clock.call_later) == before


def test_clocks_nest() -> None:
    outer, inner = FakeClock(now=1.0), FakeClock(now=2.0)
    with clock.use(outer):
        with clock.use(inner):
            assert clock.now() == 2.0
        assert clock.now() == 1.0


async def test_the_real_timer_fires_once_and_can_be_cancelled() -> None:
    fired = asyncio.Event()
    never: list[int] = []
    clock.call_later(0, lambda: never.append(1)).cancel()
    timer = clock.call_later(0, fired.set)
    async with asyncio.timeout(30):
        await fired.wait()
    timer.cancel()
    await asyncio.sleep(0)
    assert never == []


def test_the_stopwatch_never_steps_back() -> None:
    times = [clock.monotonic() for _ in range(100)]
    assert times == sorted(times)
