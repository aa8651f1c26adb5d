import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from headway import BadSetup, Cache, Fallback, Retry, Stream, operation
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import actions, nothing_left_behind

LOST = ConnectionError("lost")


def decorated(fallback: Fallback, error: Exception | None = LOST) -> Any:
    @operation(fallback, name="shop.find")
    async def find(name: str, size: int = 1) -> str:
        if error is not None:
            raise error
        return f"first {name}"

    return find


async def second(name: str, size: int = 1) -> str:
    await asyncio.sleep(0)
    return f"second {name} {size}"


def plain(name: str, size: int = 1) -> str:
    return f"plain {name} on {threading.current_thread().name}"


async def fails(name: str, size: int = 1) -> str:
    raise ConnectionError(f"no {name} either")


async def test_while_all_is_well_the_others_are_not_asked() -> None:
    with actions() as seen:
        assert await decorated(Fallback(second, on=OSError), None)("x") == "first x"
    assert seen == []


async def test_the_next_is_asked_the_same() -> None:
    async with nothing_left_behind():
        with actions() as seen:
            find = decorated(Fallback(second, on=ConnectionError))
            assert await find("x", size=3) == "second x 3"
    assert [(one.action, one.detail) for one in seen] == [
        ("fell back", "ConnectionError -> second")
    ]


async def test_they_are_asked_in_turn() -> None:
    find = decorated(Fallback(fails, fails, second, fails, on=ConnectionError))
    with actions() as seen:
        assert await find("x") == "second x 1"
    assert len(seen) == 3


async def test_when_all_fail_the_first_failure_comes_with_notes() -> None:
    with pytest.raises(ConnectionError) as raised:
        await decorated(Fallback(fails, fails, on=ConnectionError))("x")
    assert raised.value is LOST
    assert (
        raised.value.__notes__[-2:]
        == ["shop.find: fails failed too: ConnectionError('no x either')"] * 2
    )


async def test_another_failure_passes_at_once() -> None:
    wrong = ValueError("no")
    with pytest.raises(ValueError, match="no") as raised:
        await decorated(Fallback(second, on=ConnectionError), wrong)("x")
    assert raised.value is wrong


async def test_another_failure_of_a_fallback_passes_at_once() -> None:
    async def breaks(name: str) -> str:
        raise KeyError(name)

    with pytest.raises(KeyError):
        await decorated(Fallback(breaks, second, on=ConnectionError))("x")


async def test_a_plain_function_runs_on_a_thread() -> None:
    answer = await decorated(Fallback(plain, on=ConnectionError))("x")
    assert answer.startswith("plain x on headway")


@pytest.mark.parametrize("shape", ["operation", "plain operation", "partial", "lambda", "object"])
async def test_an_other_may_have_any_shape(shape: str) -> None:
    class Asks:
        async def __call__(self, name: str) -> str:
            return f"second {name} 1"

    others: dict[str, Any] = {
        "operation": operation(Retry(2, on=OSError))(second),
        "plain operation": operation()(lambda name: f"second {name} 1"),
        "partial": partial(second, size=1),
        "lambda": lambda name: second(name),
        "object": Asks(),
    }
    assert await decorated(Fallback(others[shape], on=ConnectionError))("x") == "second x 1"


async def test_a_cancellation_is_no_failure() -> None:
    asked: list[str] = []

    @operation(Fallback(asked.append, on=Exception))
    async def find(name: str) -> None:
        await asyncio.Event().wait()

    async with nothing_left_behind():
        task = asyncio.ensure_future(find("x"))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asked == []


async def test_what_a_fallback_answered_is_kept_by_a_cache() -> None:
    runs = 0

    async def other(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    @operation(Cache("15m"), Fallback(other, on=ConnectionError))
    async def find(name: str) -> int:
        raise LOST

    assert [await find("x"), await find("x")] == [1, 1]


async def test_it_stands_outside_the_retries(time: FakeClock) -> None:
    asked: list[str] = []

    @operation(Retry(3, on=ConnectionError, first_wait=0), Fallback(second, on=ConnectionError))
    async def find(name: str) -> str:
        asked.append(name)
        raise ConnectionError

    assert await find("x") == "second x 1"
    assert len(asked) == 3


# --- streams ------------------------------------------------------------------------------------


async def other_chunks(name: str) -> AsyncIterator[str]:
    yield "other"
    yield name


@pytest.mark.parametrize("other", [other_chunks, operation()(other_chunks)])
async def test_a_stream_falls_back_before_its_first_chunk(other: Any) -> None:
    @operation(Fallback(other, on=ConnectionError))
    async def write(name: str) -> AsyncIterator[str]:
        if name:
            raise ConnectionError
        yield name

    async with nothing_left_behind():
        stream = await write("x")
        assert isinstance(stream, Stream)
        assert await stream.collect() == ["other", "x"]


async def test_a_stream_does_not_fall_back_after_its_first_chunk() -> None:
    asked: list[str] = []

    @operation(Fallback(asked.append, on=ConnectionError))
    async def write(name: str) -> AsyncIterator[str]:
        yield name
        raise ConnectionError

    stream = await write("x")
    await settle()
    assert isinstance(stream.recording.error, ConnectionError)
    assert asked == []


# --- plain functions ----------------------------------------------------------------------------


@pytest.mark.parametrize("other", [second, plain])
def test_a_plain_function_falls_back_too(other: Any) -> None:
    @operation(Fallback(other, on=ConnectionError))
    def find(name: str) -> str:
        raise ConnectionError

    assert find("x").split()[1] == "x"


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(BadSetup, match="nowhere to go"):
        Fallback(on=OSError)
    with pytest.raises(BadSetup, match="give functions"):
        Fallback("other", on=OSError)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "on", ["OSError", (), BaseException, (OSError, "x"), asyncio.CancelledError]
)
def test_what_is_no_failure_is_refused(on: Any) -> None:
    with pytest.raises(BadSetup, match="exception classes"):
        Fallback(second, on=on)
