"""The slowest calls lately: bounded, exact while they are young, gone when they are old."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.monitor.slow_calls import HALF_S, LATELY_S, SLOWEST, SlowCall, SlowCalls, slowest
from tests.monitor.some_events import NOW, ended


def hear(calls: SlowCalls, seconds: float, at: float = NOW) -> None:
    """As the monitor does."""
    if seconds > calls.bar or at >= calls.until:
        calls.note(ended(seconds=seconds, at=at))


def kept_s(calls: SlowCalls, now: float = NOW) -> list[float]:
    return [call.seconds for call in calls.lately(now)]


@given(st.lists(st.floats(0, 1000)))
def test_the_slowest_are_kept(heard: list[float]) -> None:
    calls = SlowCalls()
    for seconds in heard:
        hear(calls, seconds)
    assert kept_s(calls) == sorted(heard, reverse=True)[:SLOWEST]


def test_a_slow_minute_makes_room_again() -> None:
    calls = SlowCalls()
    for _ in range(SLOWEST):
        hear(calls, 100.0)
    hear(calls, 1.0)
    assert 1.0 not in kept_s(calls)
    hear(calls, 2.0, NOW + HALF_S)
    hear(calls, 3.0, NOW + 2 * HALF_S)
    assert kept_s(calls, NOW + 2 * HALF_S) == [3.0, 2.0]


def test_what_is_old_is_not_shown_even_if_nothing_follows() -> None:
    calls = SlowCalls()
    hear(calls, 9.0)
    assert kept_s(calls, NOW + LATELY_S) == [9.0]
    assert kept_s(calls, NOW + LATELY_S + 1) == []


def test_a_clock_that_was_set_back_is_followed() -> None:
    calls = SlowCalls()
    hear(calls, 9.0, NOW)
    hear(calls, 10.0, NOW - 86_400)
    hear(calls, 1.0, NOW - 86_400 + HALF_S)
    hear(calls, 2.0, NOW - 86_400 + 2 * HALF_S)
    assert kept_s(calls, NOW - 86_400 + 2 * HALF_S) == [2.0, 1.0]


@pytest.mark.parametrize(("seconds", "at"), [(math.inf, NOW), (math.nan, NOW), (1.0, math.nan)])
def test_what_cannot_be_written_as_json_is_left_out(seconds: float, at: float) -> None:
    calls = SlowCalls()
    hear(calls, 1.0)
    hear(calls, seconds, at)
    calls.note(ended(seconds=seconds, at=at))
    assert kept_s(calls) == [1.0]


def test_a_call_is_told_with_harmless_names() -> None:
    calls = SlowCalls()
    calls.note(ended("x" * 1000, agent="a\nb", error="TimeoutError", seconds=2.0))
    (call,) = calls.lately(NOW)
    assert call == SlowCall(
        operation="x" * 99 + "…",
        kind="model",
        source="ran",
        seconds=2.0,
        at=NOW,
        agent="a?b",
        error="TimeoutError",
    )
    assert slowest([call] * 100) == (call,) * SLOWEST
