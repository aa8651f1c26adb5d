import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway import HIGH, LOW, BadSetup, Limit, LimitExceeded, clock, operation, scope
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import Work, actions, nothing_left_behind, on_threads


async def test_so_many_at_once_and_no_more(time: FakeClock) -> None:
    limit = Limit(at_once=3)
    work = Work()
    work.hold()

    @operation(limit)
    async def find(number: int) -> int:
        return await work.run()

    async with nothing_left_behind():
        callers = [asyncio.create_task(find(n)) for n in range(10)]
        await settle()
        assert (work.inside, limit.inside, limit.waiting) == (3, 3, 7)
        work.let_go()
        assert sorted(await asyncio.gather(*callers)) == list(range(1, 11))
    assert work.most_inside == 3
    assert (limit.inside, limit.waiting) == (0, 0)


async def test_an_error_or_a_cancellation_gives_the_place_back() -> None:
    limit = Limit(at_once=1)
    work = Work()

    @operation(limit)
    async def find(error: Exception | None = None) -> int:
        return await work.run(error)

    with pytest.raises(ValueError, match="no"):
        await find(ValueError("no"))
    work.hold()
    inside, waiting, next_one = (asyncio.create_task(find()) for _ in range(3))
    await settle()
    waiting.cancel()
    inside.cancel()
    await settle()
    assert (limit.inside, limit.waiting) == (1, 0)
    work.let_go()
    assert await next_one == 3
    assert (limit.inside, limit.waiting) == (0, 0)


async def test_who_is_cancelled_in_the_moment_of_being_let_in_gives_the_place_on() -> None:
    limit = Limit(at_once=1)
    work = Work()
    work.hold()

    @operation(limit)
    async def find() -> int:
        number = await work.run()
        if number == 1:  # done before the next one, who is let in by the end of this, wakes up
            asyncio.get_running_loop().call_soon(second.cancel)
        return number

    async with nothing_left_behind():
        first, second, third = (asyncio.create_task(find()) for _ in range(3))
        await settle()
        work.let_go()
        assert await first == 1
        assert await third == 2
        assert second.cancelled()
    assert (limit.inside, limit.waiting) == (0, 0)


async def test_first_come_first_served_within_a_priority() -> None:
    limit = Limit(at_once=1)
    order: list[str] = []
    go = asyncio.Event()

    @operation(limit)
    async def find(name: str) -> None:
        await go.wait()
        order.append(name)

    async def ask(name: str, priority: int) -> None:
        with scope(priority=priority):
            await find(name)

    wanted = [("n1", 1), ("l1", LOW), ("h1", HIGH), ("n2", 1), ("h2", HIGH), ("l2", LOW)]
    tasks = [asyncio.create_task(ask("inside", LOW))]
    await settle()
    for name, priority in wanted:
        tasks.append(asyncio.create_task(ask(name, priority)))
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)
    assert order == ["inside", "h1", "h2", "n1", "n2", "l1", "l2"]


async def test_with_too_many_waiting_the_next_is_turned_away() -> None:
    limit = Limit(at_once=1, max_waiting=2)
    work = Work()
    work.hold()

    @operation(limit, name="shop.find")
    async def find() -> int:
        return await work.run()

    async with nothing_left_behind():
        callers = [asyncio.create_task(find()) for _ in range(3)]
        await settle()
        with pytest.raises(LimitExceeded, match=r"shop\.find: 2 callers wait already") as raised:
            await find()
        assert raised.value.operation == "shop.find"
        assert raised.value.retry_after_s is None
        callers[1].cancel()
        await settle()
        late = asyncio.create_task(find())
        await settle()
        assert limit.waiting == 2
        work.let_go()
        await asyncio.gather(callers[0], callers[2], late)


async def test_none_may_wait() -> None:
    limit = Limit(at_once=1, max_waiting=0)
    work = Work()
    work.hold()

    @operation(limit)
    async def find() -> int:
        return await work.run()

    inside = asyncio.create_task(find())
    await settle()
    with pytest.raises(LimitExceeded):
        await find()
    work.let_go()
    assert await inside == 1
    assert await find() == 2


async def test_a_rate_lets_a_burst_in_and_then_one_at_a_time(time: FakeClock) -> None:
    begun: list[float] = []

    @operation(Limit(per_second=2, burst=3))
    async def find() -> None:
        begun.append(clock.monotonic())

    async with nothing_left_behind():
        callers = [asyncio.create_task(find()) for _ in range(7)]
        await time.advance(1.9)
        assert begun == pytest.approx([0, 0, 0, 0.5, 1.0, 1.5])
        await time.advance(0.1)
        assert begun[6:] == pytest.approx([2.0])
        await asyncio.gather(*callers)
    assert time.waiting == 0
    await time.advance("1h")
    await asyncio.gather(*(find() for _ in range(3)))
    assert begun[7:] == pytest.approx([3602.0] * 3)


@pytest.mark.parametrize(
    ("arguments", "at_once"),
    [({"per_second": 5}, 5), ({"per_second": 0.5}, 1), ({"per_minute": 30}, 1)],
)
async def test_without_a_burst_a_seconds_worth_may_begin_at_once(
    time: FakeClock, arguments: dict[str, Any], at_once: int
) -> None:
    work = Work()

    @operation(Limit(**arguments))
    async def find() -> int:
        return await work.run()

    async with nothing_left_behind():
        callers = [asyncio.create_task(find()) for _ in range(20)]
        await settle()
        assert work.runs == at_once
        for caller in callers:
            caller.cancel()


async def test_a_rate_counts_begun_calls_also_the_failed_ones(time: FakeClock) -> None:
    work = Work()

    @operation(Limit(per_second=1))
    async def find() -> int:
        return await work.run(ValueError())

    with pytest.raises(ValueError):  # noqa: PT011
        await find()
    second = asyncio.ensure_future(find())
    await time.advance(0.9)
    assert work.runs == 1
    await time.advance(0.1)
    assert isinstance(second.exception(), ValueError)


async def test_who_is_turned_away_by_a_rate_is_told_when_to_come_back(time: FakeClock) -> None:
    @operation(Limit(per_minute=1, max_waiting=0))
    async def find() -> int:
        return 1

    await find()
    await time.advance(20)
    with pytest.raises(LimitExceeded) as raised:
        await find()
    assert raised.value.retry_after_s == pytest.approx(40.0)


async def test_who_comes_back_when_told_to_may_wait(time: FakeClock) -> None:
    @operation(Limit(per_second=1, max_waiting=3))
    async def find() -> int:
        return 1

    async with nothing_left_behind():
        callers = [asyncio.create_task(find()) for _ in range(4)]
        await settle()
        with pytest.raises(LimitExceeded) as raised:
            await find()
        assert raised.value.retry_after_s is not None
        await time.advance(raised.value.retry_after_s)
        callers.append(asyncio.create_task(find()))
        await time.advance(10)
        assert await asyncio.gather(*callers) == [1] * 5


async def test_a_rate_and_a_bound_together(time: FakeClock) -> None:
    begun: list[float] = []

    @operation(Limit(at_once=1, per_second=10))
    async def find() -> None:
        begun.append(clock.monotonic())
        await clock.sleep(1)

    async with nothing_left_behind():
        callers = [asyncio.create_task(find()) for _ in range(4)]
        await time.advance(4)
        await asyncio.gather(*callers)
    assert begun == pytest.approx([0, 1, 2, 3])


async def test_when_the_first_in_the_queue_leaves_the_others_still_get_their_turn(
    time: FakeClock,
) -> None:
    work = Work()

    @operation(Limit(per_second=1))
    async def find() -> int:
        return await work.run()

    async with nothing_left_behind():
        assert await find() == 1
        first, second = asyncio.create_task(find()), asyncio.create_task(find())
        await time.advance(0.5)
        first.cancel()
        await time.advance(0.5)
        assert second.done()
        assert await second == 2


async def test_a_late_but_more_important_caller_overtakes_under_a_rate(time: FakeClock) -> None:
    order: list[str] = []

    @operation(Limit(per_second=1))
    async def find(name: str) -> None:
        order.append(name)

    async def ask(name: str, priority: int) -> None:
        with scope(priority=priority):
            await find(name)

    await find("before")
    tasks = [asyncio.create_task(ask("low", LOW))]
    await time.advance(0.5)
    tasks.append(asyncio.create_task(ask("high", HIGH)))
    await time.advance(0.5)
    assert order == ["before", "high"]
    await time.advance(1)
    await asyncio.gather(*tasks)
    assert order == ["before", "high", "low"]


async def test_one_object_is_one_limit_for_several_operations() -> None:
    yahoo = Limit(at_once=2)
    work = Work()
    work.hold()

    @operation(yahoo)
    async def get_quote() -> int:
        return await work.run()

    @operation(yahoo)
    async def get_news() -> int:
        return await work.run()

    callers = [asyncio.create_task(ask()) for ask in (get_quote, get_news) * 3]
    await settle()
    assert (work.inside, yahoo.waiting) == (2, 4)
    work.let_go()
    await asyncio.gather(*callers)
    assert work.most_inside == 2


async def test_two_limits_around_one_operation() -> None:
    work = Work()
    work.hold()

    @operation(Limit(at_once=5), Limit(at_once=2))
    async def find() -> int:
        return await work.run()

    callers = [asyncio.create_task(find()) for _ in range(8)]
    await settle()
    assert work.inside == 2
    work.let_go()
    await asyncio.gather(*callers)


async def test_a_stream_holds_its_place_to_the_end() -> None:
    limit = Limit(at_once=1)
    more = asyncio.Event()

    @operation(limit)
    async def write(number: int) -> AsyncIterator[int]:
        yield number
        await more.wait()

    async with nothing_left_behind():
        first = await write(1)
        waiting = asyncio.create_task(write(2))
        await settle()
        assert (limit.inside, limit.waiting) == (1, 1)
        more.set()
        await first.collect()
        more.clear()
        second = await waiting
        assert limit.inside == 1
        more.set()
        await second.collect()
        assert limit.inside == 0


@pytest.mark.parametrize("ending", ["closed", "dropped", "broken", "never begun"])
async def test_a_stream_that_ends_badly_gives_its_place_back(ending: str) -> None:
    limit = Limit(at_once=1)

    @operation(limit)
    async def write() -> AsyncIterator[int]:
        if ending == "never begun":
            raise ConnectionError
        yield 1
        if ending == "broken":
            raise ConnectionError
        await asyncio.Event().wait()

    async with nothing_left_behind():
        if ending == "never begun":
            with pytest.raises(ConnectionError):
                await write()
        else:
            stream = await write()
            if ending == "closed":
                await stream.aclose()
            if ending == "dropped":
                del stream
        await settle()
    assert limit.inside == 0


async def test_who_waited_is_told_of(time: FakeClock) -> None:
    @operation(Limit(per_second=1))
    async def find() -> None:
        pass

    with actions() as seen:
        await find()
        waiting = asyncio.ensure_future(find())
        await time.advance(1)
        await waiting
    assert [(one.action, one.seconds) for one in seen] == [("waited", pytest.approx(1.0))]


def test_two_loops_on_two_threads_share_a_limit() -> None:
    limit = Limit(at_once=2)
    lock = threading.Lock()
    inside = most = done = 0

    @operation(limit)
    async def find() -> None:
        nonlocal inside, most, done
        with lock:
            inside += 1
            most = max(most, inside)
        await asyncio.sleep(0.001)
        with lock:
            inside -= 1
            done += 1

    async def many() -> None:
        await asyncio.gather(*(find() for _ in range(40)))

    on_threads(3, lambda number: asyncio.run(many()))
    assert (most, done) == (2, 120)
    assert (limit.inside, limit.waiting) == (0, 0)


def test_a_loop_that_ends_gives_up_its_waiting_callers() -> None:
    limit = Limit(at_once=1)
    holding, waiting_too, released = threading.Event(), threading.Event(), threading.Event()

    @operation(limit)
    async def find(name: str) -> str:
        if name == "holder":
            holding.set()
            await asyncio.to_thread(released.wait, 5)
        return name

    async def ends_early() -> None:
        waiting = asyncio.ensure_future(find("given up"))
        await settle()
        waiting_too.set()
        assert not waiting.done()

    def ask(number: int) -> str:
        if number == 0:
            return asyncio.run(find("holder"))  # type: ignore[arg-type]
        holding.wait(5)
        if number == 1:
            asyncio.run(ends_early())
            released.set()
            return "ended"
        waiting_too.wait(5)
        return asyncio.run(find("patient"))  # type: ignore[arg-type]

    assert on_threads(3, ask) == ["holder", "ended", "patient"]
    assert (limit.inside, limit.waiting) == (0, 0)


def test_plain_functions_on_threads_are_limited_too() -> None:
    limit = Limit(at_once=3)
    lock = threading.Lock()
    inside = most = 0

    @operation(limit)
    def find() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.002)
        with lock:
            inside -= 1

    on_threads(20, lambda number: find())
    assert most == 3
    assert limit.inside == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "limits nothing"),
        ({"at_once": 0}, "0 will not do"),
        ({"per_second": 0}, "lets nothing pass"),
        ({"per_minute": -1}, "lets nothing pass"),
        ({"per_second": float("nan")}, "lets nothing pass"),
        ({"per_second": 1, "burst": 0}, "0 will not do"),
        ({"per_second": 1, "per_minute": 1}, "one of the two"),
        ({"at_once": 1, "burst": 2}, "belongs to a rate"),
        ({"at_once": 1, "max_waiting": -1}, "0 or more"),
        ({"max_waiting": 5}, "limits nothing"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        Limit(**arguments)


async def test_a_place_can_be_taken_without_a_call() -> None:
    limit = Limit(at_once=2, max_waiting=2)
    assert [limit.enter_now() for _ in range(3)] == [True, True, False]
    order: list[str] = []

    async def wait(name: str, priority: int) -> None:
        await limit.wait(name, priority)
        order.append(name)

    async with nothing_left_behind():
        waiting = [asyncio.create_task(wait("low", LOW)), asyncio.create_task(wait("high", HIGH))]
        await settle()
        with pytest.raises(LimitExceeded, match=r"openai\.chat: 2 callers wait") as raised:
            await limit.wait("openai.chat", HIGH)
        assert raised.value.operation == "openai.chat"
        limit.leave()
        await settle()
        assert not limit.enter_now()
        limit.leave()
        await asyncio.gather(*waiting)
    assert order == ["high", "low"]
    assert (limit.inside, limit.waiting) == (2, 0)


async def test_who_waits_goes_before_who_would_enter_now() -> None:
    limit = Limit(at_once=1)
    assert limit.enter_now()
    waiting = asyncio.create_task(limit.wait("first", LOW))
    await settle()
    limit.leave()
    assert not limit.enter_now()
    await waiting
    waiting = asyncio.create_task(limit.wait("second", LOW))
    await settle()
    waiting.cancel()
    await settle()
    limit.leave()
    assert limit.enter_now()


def test_a_place_that_nobody_took_is_not_given_back() -> None:
    limit = Limit(at_once=1)
    limit.leave()
    assert [limit.enter_now(), limit.enter_now()] == [True, False]
