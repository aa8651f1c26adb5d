import asyncio
from typing import Any

import pytest

from headway import BadSetup, Cache, MemoryStore, operation
from headway.policies import LastAnswer, answer_version, last_answer
from headway.testing import FakeClock
from headway.testing.clock import settle

pytestmark = pytest.mark.usefixtures("time")


class Source:
    """Something with versions, asked for what has changed, as HTTP does with an ETag."""

    def __init__(self) -> None:
        self.version, self.sent = 1, 0
        self.seen: list[LastAnswer | None] = []

    async def ask(self) -> list[int]:
        last = last_answer()
        self.seen.append(last)
        if last is not None and last.version == str(self.version):
            value: list[int] = last.value
            return value
        self.sent += 1
        answer_version(str(self.version))
        return [self.version]


async def test_an_unchanged_answer_is_renewed_not_sent(time: FakeClock) -> None:
    source, store = Source(), MemoryStore()
    cache = Cache("1m", stale_for="1h", store=store)

    @operation(cache)
    async def find(name: str) -> list[int]:
        return await source.ask()

    first = await find("x")
    await time.advance("2m")
    await find("x")
    await settle()
    again = await find.answer("x")
    assert again.value is first
    assert (again.source, again.age_s) == ("hit", 0.0)
    assert source.seen == [None, LastAnswer([1], "1", 120.0)]
    assert (source.sent, cache.statistics().unchanged) == (1, 1)
    await time.advance("2m")  # the version is handed on from entry to entry
    await find("x")
    await settle()
    assert (source.sent, cache.statistics().unchanged) == (1, 2)
    source.version = 2
    await time.advance("2m")
    await find("x")
    await settle()
    assert await find("x") == [2]
    assert (source.sent, cache.statistics().unchanged) == (2, 2)


async def test_with_copies_the_kept_one_stays_out_of_reach(time: FakeClock) -> None:
    source = Source()
    cache = Cache("1m", stale_for="1h", copy=True)

    @operation(cache)
    async def find(name: str) -> list[int]:
        answer = await source.ask()
        if source.seen[-1] is not None:
            source.seen[-1].value.append(99)
        return answer

    await find("x")
    await time.advance("2m")
    await find("x")
    await settle()
    assert await find("x") == [1]
    assert cache.statistics().unchanged == 1


async def test_an_equal_answer_that_was_made_anew_counts_as_new(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h")

    @operation(cache)
    async def find(name: str) -> tuple[int, ...]:
        last_answer()
        return tuple(range(1, 3))

    await find("x")
    await time.advance("2m")
    await find("x")
    await settle()
    assert cache.statistics().unchanged == 0


async def test_whoever_did_not_look_says_nothing_by_returning_the_same(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h")

    @operation(cache)
    async def find(name: str) -> None:
        return None

    await find("x")
    await time.advance("2m")
    await find("x")
    await settle()
    assert (cache.statistics().refreshed, cache.statistics().unchanged) == (1, 0)


async def test_it_is_there_for_early_refreshes_and_soft_timeouts(time: FakeClock) -> None:
    source = Source()

    @operation(Cache("100s", refresh_at=0.5, stale_for="1h", soft_timeout="1s"))
    async def find(name: str) -> list[int]:
        return await source.ask()

    await find("x")
    await time.advance("60s")
    await find("x")
    await settle()
    await time.advance("200s")
    await find("x")
    assert [last and last.age_s for last in source.seen] == [None, 60.0, 200.0]
    assert source.sent == 1


def test_plain_functions_have_it_too(time: FakeClock) -> None:
    seen: list[LastAnswer | None] = []

    @operation(Cache("1m", stale_for="1h", soft_timeout="10s"))
    def find(name: str) -> int:
        seen.append(last_answer())
        answer_version("v1")
        return 7

    find("x")
    time.step_wall(120)
    assert find("x") == 7
    assert seen == [None, LastAnswer(7, "v1", 120.0)]


async def test_one_operation_does_not_see_anothers(time: FakeClock) -> None:
    seen: list[tuple[str, Any]] = []

    @operation(Cache("1m", stale_for="1h"))
    async def inner(name: str) -> str:
        seen.append(("inner", last_answer()))
        return "inner"

    @operation(Cache("5s", stale_for="1h"))
    async def outer(name: str) -> str:
        seen.append(("before", last_answer()))
        await inner(name + str(len(seen)))
        seen.append(("after", last_answer()))
        return "outer"

    await outer("x")
    await time.advance("10s")
    await outer("x")
    await settle()
    last = LastAnswer("outer", "", 10.0)
    assert seen == [
        *[("before", None), ("inner", None), ("after", None)],
        *[("before", last), ("inner", None), ("after", last)],
    ]


async def test_outside_there_is_none_and_a_version_goes_nowhere() -> None:
    assert last_answer() is None
    answer_version("v1")

    @operation()
    async def find(name: str) -> LastAnswer | None:
        answer_version("v1")
        return last_answer()

    assert await find("x") is None
    assert await asyncio.create_task(find("x")) is None


def test_a_version_is_a_text() -> None:
    with pytest.raises(BadSetup, match="ETag"):
        answer_version(7)  # type: ignore[arg-type]
