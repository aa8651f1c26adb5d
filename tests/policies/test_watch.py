import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway import (
    Cache,
    CallEnded,
    CallStarted,
    Event,
    Share,
    StreamBroken,
    Watch,
    clock,
    listen,
    operation,
    scope,
)
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import Work


def ended(seen: list[Event]) -> list[CallEnded]:
    return [event for event in seen if isinstance(event, CallEnded)]


async def test_a_call_is_told_of_when_it_begins_and_when_it_ends(time: FakeClock) -> None:
    @operation(name="shop.find", kind="tool")
    async def find(name: str) -> str:
        await clock.sleep(3)
        return name

    seen: list[Event] = []
    with listen(seen.append), scope(run="r1", agent="buyer"):
        began = time.now()
        task = asyncio.ensure_future(find("secret question"))
        await time.advance(3)
        await task
    start, end = seen
    assert isinstance(start, CallStarted)
    assert isinstance(end, CallEnded)
    assert (start.at, end.at, end.seconds) == (began, began + 3, pytest.approx(3.0))
    assert start.call == end.call
    assert start.key == end.key
    assert start.key is not None
    for event in (start, end):
        assert (event.operation, event.kind, event.run, event.agent, event.parent) == (
            "shop.find", "tool", "r1", "buyer", None,
        )  # fmt: skip
        assert "secret" not in repr(event)
    assert (end.source, end.error, end.first_chunk_s) == ("ran", None, None)


async def test_it_says_how_the_answer_came(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h"))
    async def find(name: str) -> int:
        return await work.run()

    seen: list[Event] = []
    with listen(seen.append):
        await asyncio.gather(find("x"), find("x"))
        await time.advance(20)
        await find("x")
        await time.advance(60)
        await find("x")
        await settle()
    assert [(event.source, event.age_s) for event in ended(seen)] == [
        ("ran", None), ("joined", None), ("hit", 20.0), ("stale", 80.0),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [ValueError("secret"), asyncio.CancelledError()])
async def test_a_failure_is_told_of_by_its_name_only(error: BaseException) -> None:
    @operation()
    async def find() -> None:
        raise error

    seen: list[Event] = []
    with listen(seen.append), pytest.raises(type(error)) as raised:
        await find()
    assert raised.value is error
    (end,) = ended(seen)
    assert end.error == type(error).__name__
    assert "secret" not in repr(seen)


async def test_calls_inside_calls_know_their_parents() -> None:
    @operation(name="inner")
    async def inner(number: int) -> int:
        return number

    @operation(Share(), name="outer")
    async def outer(number: int) -> int:
        return sum(await asyncio.gather(inner(1), inner(2)))

    seen: list[Event] = []
    with listen(seen.append):
        await outer(1)
        await inner(3)
    starts: list[Any] = [event for event in seen if isinstance(event, CallStarted)]
    outer_start = next(event for event in starts if event.operation == "outer")
    assert [event.parent for event in starts if event.operation == "inner"] == [
        outer_start.call, outer_start.call, None,
    ]  # fmt: skip
    assert outer_start.parent is None
    assert len({event.call for event in starts}) == 4


def test_plain_functions_inside_plain_functions_know_their_parents() -> None:
    @operation(name="inner")
    def inner() -> int:
        return 1

    @operation(name="outer")
    def outer() -> int:
        return inner()

    seen: list[Event] = []
    with listen(seen.append):
        outer()
    calls = {event.operation: event for event in seen if isinstance(event, CallStarted)}
    assert calls["inner"].parent == calls["outer"].call


async def test_a_stream_ends_with_its_last_chunk(time: FakeClock) -> None:
    @operation()
    async def write() -> AsyncIterator[int]:
        await clock.sleep(2)
        yield 1
        await clock.sleep(3)
        yield 2

    seen: list[Event] = []
    with listen(seen.append):
        task = asyncio.ensure_future(write())
        await time.advance(2)
        stream = await task
        assert ended(seen) == []
        await time.advance(3)
        await stream.collect()
    (end,) = ended(seen)
    assert (end.first_chunk_s, end.seconds) == (pytest.approx(2.0), pytest.approx(5.0))


@pytest.mark.parametrize(("ending", "named"), [("breaks", "KeyError"), ("left", "StreamBroken")])
async def test_a_stream_that_ends_badly_is_told_of(ending: str, named: str) -> None:
    @operation()
    async def write() -> AsyncIterator[int]:
        yield 1
        if ending == "breaks":
            raise KeyError
        await asyncio.Event().wait()

    seen: list[Event] = []
    with listen(seen.append):
        stream = await write()
        if ending == "left":
            await stream.aclose()
        else:
            with pytest.raises(StreamBroken):
                await stream.collect()
    assert [event.error for event in ended(seen)] == [named]


async def test_a_question_without_a_key_is_watched_all_the_same() -> None:
    @operation()
    async def find(thing: object) -> int:
        return 1

    seen: list[Event] = []
    with listen(seen.append):
        assert await find(asyncio.Event()) == 1
    assert [event.key for event in ended(seen)] == [None]


async def test_watching_changes_no_error() -> None:
    def no_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        raise RuntimeError("cannot make a key")

    @operation(key=no_key)
    async def find(name: str) -> int:
        return 1

    with listen(lambda event: None):
        assert await find("x") == 1
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            await find()  # type: ignore[call-arg]


async def test_with_nobody_listening_nothing_is_made() -> None:
    from headway.scope import current

    @operation()
    async def find() -> str | None:
        return current.get().call

    assert await find() is None
    with listen(lambda event: None):
        assert await find() is not None


def test_every_operation_is_watched_once() -> None:
    mine = Watch()

    @operation(mine)
    async def watched(name: str) -> None: ...

    @operation(Share())
    async def also_watched(name: str) -> None: ...

    assert watched.policies == (mine,)
    assert [type(policy) for policy in also_watched.policies] == [Watch, Share]
