import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from headway import BadSetup, Cache, Limit, operation
from headway.policies.warming import WarmResult, warm
from tests.policies.work import Work, nothing_left_behind

pytestmark = pytest.mark.usefixtures("time")


async def test_questions_are_asked_so_many_at_a_time_and_then_are_hits() -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(symbol: str, year: int = 2025) -> int:
        await asyncio.sleep(0)
        return await work.run()

    taken: list[int] = []

    def questions() -> Iterator[object]:
        for number in range(10):
            taken.append(number)
            yield ("A", number)
        yield "B"
        yield ("A", 3)

    work.hold()
    async with nothing_left_behind():
        warming = asyncio.create_task(warm(find, questions(), at_once=3))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (work.inside, len(taken)) == (3, 3)
        work.let_go()
        assert await warming == WarmResult(ran=11, already_kept=1, failed=0)
    assert work.most_inside == 3
    assert (await find.answer("A", 7)).source == "hit"
    assert (await find.answer("B")).source == "hit"
    assert await warm(find, ["B", ("C",)]) == WarmResult(ran=1, already_kept=1, failed=0)


async def test_a_question_that_fails_harms_no_other() -> None:
    @operation(Cache("15m"))
    async def find(number: int) -> float:
        return 1 / number

    result = await warm(find, [1, 0, 2, (), (0,)])
    assert result == WarmResult(
        ran=2, already_kept=0, failed=3, errors={"ZeroDivisionError": 2, "TypeError": 1}
    )


async def test_plain_functions_are_asked_on_threads() -> None:
    @operation(Cache("15m"))
    def find(number: int) -> int:
        return number * 2

    assert await warm(find, range(5)) == WarmResult(ran=5, already_kept=0, failed=0)
    assert find.answer(3).source == "hit"


async def test_streams_are_read_to_their_end() -> None:
    @operation(Cache("15m"))
    async def write(number: int) -> AsyncIterator[int]:
        yield number
        await asyncio.sleep(0)
        yield number

    async with nothing_left_behind():
        assert await warm(write, [1, 2]) == WarmResult(ran=2, already_kept=0, failed=0)
    assert (await write.answer(1)).source == "hit"


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    work = Work()
    work.hold()

    @operation(Cache("15m"))
    async def find(number: int) -> int:
        return await work.run()

    async with nothing_left_behind():
        warming = asyncio.create_task(warm(find, range(100)))
        for _ in range(20):
            await asyncio.sleep(0)
        warming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await warming
    assert work.cancelled == work.runs == 4


async def test_what_keeps_nothing_cannot_be_warmed() -> None:
    @operation(Limit(at_once=1))
    async def find(number: int) -> int:
        return number

    with pytest.raises(BadSetup, match="keeps nothing"):
        await warm(find, [1])
    with pytest.raises(BadSetup, match="at_once"):
        await warm(find, [1], at_once=0)
