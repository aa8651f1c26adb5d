import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup, LimitExceeded, Retry, clock, operation
from headway.policies.retry import retry_after_s
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import actions, nothing_left_behind


class Flaky:
    """Work that fails *failures* times, and notes when it was asked."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.error = failures, error
        self.asked_at: list[float] = []

    async def run(self) -> int:
        self.asked_at.append(clock.monotonic())
        if len(self.asked_at) <= self.failures:
            raise self.error if self.error is not None else ConnectionError(len(self.asked_at))
        return len(self.asked_at)

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in zip(self.asked_at, self.asked_at[1:])]


class Response:
    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


class HttpError(Exception):
    def __init__(self, **headers: str) -> None:
        super().__init__("429")
        self.response = Response({name.replace("_", "-"): value for name, value in headers.items()})


def decorated(flaky: Flaky, retry: Retry) -> Any:
    @operation(retry, name="shop.find")
    async def find() -> int:
        return await flaky.run()

    return find


async def outcome(time: FakeClock, work: Any, until: str = "1h") -> Any:
    task = asyncio.ensure_future(work)
    await time.advance(until)
    return (await asyncio.gather(task, return_exceptions=True))[0]


async def test_a_failure_that_passes_is_not_seen(time: FakeClock) -> None:
    flaky = Flaky(2)
    async with nothing_left_behind():
        with actions() as seen:
            assert await outcome(time, decorated(flaky, Retry(3, on=ConnectionError))()) == 3
    assert [(one.action, one.count, one.detail) for one in seen] == [
        ("retried", 1, "ConnectionError"),
        ("retried", 2, "ConnectionError"),
    ]
    assert [one.seconds for one in seen] == pytest.approx(flaky.waits)


async def test_after_the_last_attempt_the_last_error_comes_with_a_note(time: FakeClock) -> None:
    flaky = Flaky(9)
    error = await outcome(time, decorated(flaky, Retry(3, on=ConnectionError))())
    assert (type(error), error.args) == (ConnectionError, (3,))
    assert error.__notes__ == ["shop.find: gave up after 3 of 3 attempts"]
    assert len(flaky.asked_at) == 3


async def test_one_attempt_repeats_nothing() -> None:
    flaky = Flaky(1)
    with pytest.raises(ConnectionError) as raised:
        await decorated(flaky, Retry(1, on=ConnectionError))()
    assert not hasattr(raised.value, "__notes__")


async def test_other_failures_pass_at_once(time: FakeClock) -> None:
    wrong = ValueError("no")
    flaky = Flaky(1, wrong)
    with pytest.raises(ValueError, match="no") as raised:
        await decorated(flaky, Retry(3, on=(ConnectionError, TimeoutError)))()
    assert raised.value is wrong
    assert len(flaky.asked_at) == 1
    assert time.waiting == 0


async def test_another_failure_on_the_way_ends_it(time: FakeClock) -> None:
    asked: list[int] = []

    @operation(Retry(5, on=ConnectionError))
    async def find() -> None:
        asked.append(1)
        raise ConnectionError if len(asked) < 2 else ValueError

    assert type(await outcome(time, find())) is ValueError
    assert len(asked) == 2


async def test_subclasses_are_meant_too(time: FakeClock) -> None:
    flaky = Flaky(1, ConnectionResetError())
    assert await outcome(time, decorated(flaky, Retry(2, on=OSError))()) == 2


async def test_a_function_may_decide(time: FakeClock) -> None:
    flaky = Flaky(9)

    def is_first_two(error: Exception) -> bool:
        return error.args[0] <= 2

    error = await outcome(time, decorated(flaky, Retry(9, on=is_first_two))())
    assert error.args == (3,)


async def test_waits_grow_with_jitter_up_to_the_cap(time: FakeClock) -> None:
    longest = [0.2, 0.4, 0.8, 1.0, 1.0]
    seen: list[list[float]] = []
    for _ in range(30):
        flaky = Flaky(5)
        await outcome(time, decorated(flaky, Retry(6, on=ConnectionError, max_wait="1s"))())
        seen.append(flaky.waits)
    for waits in seen:
        assert all(
            most / 2 <= wait <= most + 1e-9 for wait, most in zip(waits, longest, strict=True)
        )
    for attempt in range(5):
        assert len({round(waits[attempt], 6) for waits in seen}) > 20


async def test_very_many_attempts_do_not_overflow(time: FakeClock) -> None:
    flaky = Flaky(1500)
    retry = Retry(2000, on=ConnectionError, first_wait=0.001, max_wait=0.001)
    assert await outcome(time, decorated(flaky, retry)()) == 1501


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (HttpError(Retry_After="7"), 7.0),
        (HttpError(retry_after="7"), 7.0),
        (HttpError(retry_after="0"), 0.0),
        (HttpError(retry_after_ms="250"), 0.25),
        (HttpError(retry_after_ms="250", retry_after="7"), 0.25),
        (LimitExceeded("full", retry_after_s=3.0), 3.0),
    ],
)
async def test_who_says_when_to_come_back_is_heeded(
    time: FakeClock, error: Exception, wait_s: float
) -> None:
    flaky = Flaky(1, error)
    assert await outcome(time, decorated(flaky, Retry(2, on=type(error)))()) == 2
    assert flaky.waits == [pytest.approx(wait_s)]


async def test_a_date_to_come_back_is_heeded(time: FakeClock) -> None:
    moment = datetime.fromtimestamp(time.now(), UTC) + timedelta(seconds=12)
    flaky = Flaky(1, HttpError(retry_after=format_datetime(moment, usegmt=True)))
    assert await outcome(time, decorated(flaky, Retry(2, on=HttpError))()) == 2
    assert flaky.waits == [pytest.approx(12.0)]


@pytest.mark.parametrize("text", ["soon", "-5", "nan", "inf", "", "Thu, 99 Foo 2026"])
async def test_what_cannot_be_read_is_not_heeded(time: FakeClock, text: str) -> None:
    flaky = Flaky(1, HttpError(retry_after=text))
    assert await outcome(time, decorated(flaky, Retry(2, on=HttpError))()) == 2
    assert 0.1 <= flaky.waits[0] <= 0.2


def test_a_date_that_has_passed_means_now(time: FakeClock) -> None:
    assert retry_after_s(HttpError(retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) == 0.0


@given(st.text(max_size=40))
def test_no_header_breaks_it(text: str) -> None:
    for name in ("retry_after", "retry_after_ms"):
        wait_s = retry_after_s(HttpError(**{name: text}))
        assert wait_s is None or wait_s >= 0


@pytest.mark.parametrize(
    "error", [HttpError(retry_after="31"), LimitExceeded("never", retry_after_s=float("inf"))]
)
async def test_who_asks_for_too_long_a_wait_is_raised_at_once(
    time: FakeClock, error: Exception
) -> None:
    flaky = Flaky(1, error)
    with pytest.raises(type(error)) as raised:
        await decorated(flaky, Retry(3, on=type(error), max_wait="30s"))()
    assert raised.value.__notes__ == ["shop.find: gave up after 1 of 3 attempts"]
    assert time.waiting == 0


async def test_within_counts_from_the_first_attempt(time: FakeClock) -> None:
    asked: list[float] = []

    @operation(Retry(9, on=ConnectionError, first_wait="4s", max_wait="4s", within="30s"))
    async def find() -> None:
        asked.append(clock.monotonic())
        await clock.sleep(10)
        raise ConnectionError

    error = await outcome(time, find())
    assert type(error) is ConnectionError
    assert asked[-1] < 30
    assert len(asked) == 3
    assert "gave up after 3 of 9" in error.__notes__[0]


async def test_a_first_attempt_that_took_all_the_time_is_the_last(time: FakeClock) -> None:
    asked: list[float] = []

    @operation(Retry(3, on=ConnectionError, within="30s"))
    async def find() -> None:
        asked.append(clock.monotonic())
        await clock.sleep(31)
        raise ConnectionError

    assert type(await outcome(time, find())) is ConnectionError
    assert len(asked) == 1


async def test_cancelling_while_it_waits_ends_it(time: FakeClock) -> None:
    flaky = Flaky(9)
    async with nothing_left_behind():
        task = asyncio.ensure_future(decorated(flaky, Retry(9, on=ConnectionError))())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(flaky.asked_at) == 1
    assert time.waiting == 0


async def test_a_stream_is_tried_again_only_before_its_first_chunk(time: FakeClock) -> None:
    runs = 0

    @operation(Retry(3, on=ConnectionError))
    async def write() -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ConnectionError("before")
        yield runs
        if runs == 2:
            raise ConnectionError("after")

    stream = await outcome(time, write())
    await settle()
    assert stream.recording.chunks == [2]
    assert isinstance(stream.recording.error, ConnectionError)
    assert runs == 2


def test_a_plain_function_is_tried_again() -> None:
    runs = 0

    @operation(Retry(3, on=ConnectionError, first_wait=0))
    def find() -> int:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ConnectionError
        return runs

    assert find() == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"attempts": 0, "on": OSError}, "0 will not do"),
        ({"on": "ConnectionError"}, "exception classes"),
        ({"on": ()}, "exception classes"),
        ({"on": BaseException}, "exception classes"),
        ({"on": asyncio.CancelledError}, "exception classes"),
        ({"on": OSError, "first_wait": "soon"}, r"Retry\(first_wait"),
        ({"on": OSError, "max_wait": -1}, r"Retry\(max_wait"),
        ({"on": OSError, "within": "x"}, r"Retry\(within"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        Retry(**arguments)


def test_there_is_no_default_for_what_may_pass() -> None:
    with pytest.raises(TypeError, match="on"):
        Retry(3)  # type: ignore[call-arg]


def test_the_decision_can_be_asked_without_a_call() -> None:
    retry = Retry(3, on=OSError, first_wait="1s", max_wait="5s")
    for attempt, longest in ((1, 1.0), (2, 2.0)):
        waits = [retry.wait_s(attempt, asked_s=None) for _ in range(50)]
        assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 20
    assert retry.wait_s(1, asked_s=0.0) == 0.0
    assert retry.wait_s(2, asked_s=5.0) == 5.0
    assert retry.wait_s(1, asked_s=5.1) is None
    assert retry.wait_s(3, asked_s=None) is None
    assert retry.wait_s(3, asked_s=1.0) is None
