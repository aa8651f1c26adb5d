"""Processes that share a store: each has a view of one server, and an operation of one name."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway import Cache, Entry, StoreFailed, Stream, listen, operation
from headway.policies.lease import RELEASE_PATIENCE_S, is_newer
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import Work, nothing_left_behind

pytestmark = pytest.mark.usefixtures("time")


class Process:
    """A cache of its own over the common server, and an operation that does *work*."""

    def __init__(self, server: Server, work: Work, **options: Any) -> None:
        self.store = SharedView(server)
        options = {"ttl": "15m", "tags": ("name:{name}",), **options}
        self.cache = cache = Cache(store=self.store, **options)
        self.error: Exception | None = None

        @operation(cache, name="shop.find")
        async def find(name: str) -> int:
            return await work.run(self.error)

        self.find: Any = find

    def ask(self, callers: int = 1) -> list["asyncio.Task[Any]"]:
        return [asyncio.create_task(self.find.answer("x")) for _ in range(callers)]


def processes(count: int, **options: Any) -> tuple[Work, list[Process]]:
    work, server = Work(), Server()
    work.hold()
    return work, [Process(server, work, **options) for _ in range(count)]


# --- one computes, the others wait ----------------------------------------------------------------


async def test_four_processes_with_25_callers_each_run_once(time: FakeClock) -> None:
    work, four = processes(4)
    async with nothing_left_behind():
        callers = [task for process in four for task in process.ask(25)]
        await time.advance("10s")
        assert not any(caller.done() for caller in callers)
        work.let_go()
        answers = await asyncio.gather(*callers)
        await settle()
    assert work.runs == 1
    assert {answer.value for answer in answers} == {1}
    assert sorted(answer.source for answer in answers) == ["joined"] * 99 + ["ran"]
    counted = [process.cache.statistics() for process in four]
    assert sorted(one.misses for one in counted) == [0, 0, 0, 1]
    assert sum(one.joined for one in counted) == 99
    assert all(one.store_failures == 0 for one in counted)
    assert time.waiting == 0
    assert not four[0].store.server.holders


async def test_a_miss_asks_the_store_only_as_often_as_it_must() -> None:
    work, (process,) = processes(1)
    work.let_go()
    assert await process.find("x") == 1
    assert process.store.asked == {"get": 2, "lease": 1, "set": 1, "release": 1}
    assert process.store.released == [True]
    process.store.asked.clear()
    assert (await process.find.answer("x")).source == "hit"
    assert process.store.asked == {"get": 1}


async def test_who_finished_between_the_look_up_and_the_lease_is_not_asked_again() -> None:
    work, (one, two) = processes(2)
    work.let_go()
    late = asyncio.create_task(two.find.answer("x"))
    while not two.store.asked["lease"]:  # noqa: ASYNC110
        await asyncio.sleep(0)
    two.store.server.holders.clear()
    one.store.ledger.learn(())
    (key,) = [load.key for load in two.cache._loads._under_way]
    entry = Entry(7, made_at=1_800_000_000.0, fresh_until=1_800_000_900.0)
    two.store.server.entries[key] = entry
    answer = await late
    assert (answer.value, answer.source, work.runs) == (7, "joined", 0)
    assert two.store.released == [True]
    assert (two.cache.statistics().misses, two.cache.statistics().joined) == (0, 1)


async def test_without_leases_every_process_does_its_own() -> None:
    work, four = processes(4, lease=None)
    callers = [task for process in four for task in process.ask(5)]
    await settle()
    work.let_go()
    await asyncio.gather(*callers)
    assert work.runs == 4
    assert all(not process.store.asked["lease"] for process in four)


async def test_private_work_takes_no_lease() -> None:
    work, (one, two) = processes(2, private=True)
    callers = one.ask() + two.ask()
    await settle()
    work.let_go()
    await asyncio.gather(*callers)
    assert (work.runs, one.store.asked, two.store.asked) == (2, {}, {})


async def test_two_refreshes_in_two_processes_are_one(time: FakeClock) -> None:
    work, (one, two) = processes(2, ttl="1m", stale_for="1h")
    work.let_go()
    await one.find("x")
    await time.advance("2m")
    work.hold()
    for process in (one, two):
        assert (await process.find.answer("x")).source == "stale"
    await settle()
    assert work.runs == 2
    work.let_go()
    await settle()
    for process in (one, two):
        answer = await process.find.answer("x")
        assert (answer.value, answer.source) == (2, "hit")
        assert process.cache.statistics().refreshed == 1
    assert work.runs == 2


def test_only_what_is_fresh_and_not_known_is_newer() -> None:
    known = Entry(1, made_at=10.0, fresh_until=20.0, stale_until=99.0)
    newer = Entry(1, made_at=15.0, fresh_until=25.0, stale_until=99.0)
    assert not is_newer(None, None, 12.0)
    assert is_newer(known, None, 12.0)
    assert not is_newer(known, None, 20.0)
    assert not is_newer(known, known, 12.0)
    assert is_newer(newer, known, 12.0)
    assert not is_newer(known, newer, 12.0)
    assert not is_newer(newer, known, 25.0)


# --- holders that fail, leave, die, or are slow ---------------------------------------------------


async def test_after_a_failure_the_others_run_alone() -> None:
    work, (one, two, three) = processes(3)
    one.error = ValueError("no")
    (failing,) = one.ask()
    await settle()
    others = two.ask(5) + three.ask(5)
    await settle()
    assert work.runs == 1
    work.let_go()
    with pytest.raises(ValueError, match="no"):
        await failing
    answers = await asyncio.gather(*others)
    assert work.runs == 3
    assert {answer.value for answer in answers} == {2, 3}
    assert one.store.released == [False]
    assert [two.store.asked["lease"], three.store.asked["lease"]] == [1, 1]


async def test_what_may_not_be_kept_is_not_waited_for_in_a_queue() -> None:
    work, four = processes(4, ttl=lambda answer: None)
    callers = [task for process in four for task in process.ask(5)]
    await settle()
    assert work.runs == 1
    work.let_go()
    await asyncio.gather(*callers)
    assert work.runs == 4
    assert [process.store.asked["lease"] for process in four] == [1, 1, 1, 1]
    assert sorted(process.store.released for process in four) == [[], [], [], [False]]


async def test_what_was_kept_and_is_gone_is_fetched_by_one_more_and_the_rest_alone() -> None:
    work, four = processes(4)
    (first,) = four[0].ask()
    await settle()
    callers = [task for process in four[1:] for task in process.ask(5)]
    await settle()
    for process in four:
        process.store.is_deaf = True
    four[0].store.server.announce(("name:x",))  # invalidated by a process outside
    work.let_go()
    await first
    await asyncio.gather(*callers)
    assert four[0].store.refused == 1
    assert work.runs == 4
    assert {task.result().value for task in callers} <= {2, 3, 4}


async def test_who_leaves_gives_the_lease_back(time: FakeClock) -> None:
    work, (one, two) = processes(2)
    async with nothing_left_behind():
        leaving = one.ask(3)
        await settle()
        staying = two.ask()
        await settle()
        for caller in leaving:
            caller.cancel()
        await settle()
        assert one.store.released == [False]
        assert work.runs == 2
        work.let_go()
        assert (await staying[0]).value == 2
    assert time.waiting == 0


@pytest.mark.parametrize("turns", range(12))
async def test_wherever_it_is_cancelled_no_lease_stays(turns: int, time: FakeClock) -> None:
    _, (one,) = processes(1)
    async with nothing_left_behind():
        (caller,) = one.ask()
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await settle()
        assert not one.store.server.holders
    assert time.waiting == 0


async def test_a_holder_renews_while_it_works(time: FakeClock) -> None:
    work, (one, two) = processes(2, lease="3s")
    (caller,) = one.ask()
    await settle()
    other = two.ask()
    await time.advance("60s")
    assert (work.runs, one.store.asked["renew"]) == (1, 60)
    work.let_go()
    assert (await caller).value == (await other[0]).value == 1
    await settle()
    assert time.waiting == 0


async def test_a_holder_that_dies_is_replaced_within_its_lease(time: FakeClock) -> None:
    work, (one, two) = processes(2, lease="2s")
    one.store.hangs.add("renew")  # as good as dead: it will never be heard of again
    (dead,) = one.ask()
    await settle()
    others = two.ask(5)
    await time.advance("1.9s")
    assert work.runs == 1
    await time.advance("0.1s")
    assert work.runs == 2
    work.let_go()
    assert {task.result().value for task in await _done(others)} == {2}
    # It was only asleep: its answer reaches its caller, nobody is told of any error.
    assert (await dead).value == 1
    assert one.cache.statistics().store_failures == 0


async def test_who_has_lost_its_lease_does_not_give_back_anothers(time: FakeClock) -> None:
    work, (one, two, three) = processes(3, lease="2s")
    one.store.hangs.add("renew")
    first = Work()
    first.hold()
    slow = Process(one.store.server, first, lease="2s")
    slow.store.hangs.add("renew")
    (late,) = slow.ask()
    await settle()
    others = two.ask(2)
    await time.advance("2s")
    assert (first.runs, work.runs) == (1, 1)
    first.let_go()
    assert (await late).value == 1
    more = three.ask(2)  # finds what the late one kept
    assert {task.result().value for task in await _done(more)} == {1}
    work.let_go()
    assert {task.result().value for task in await _done(others)} == {1}
    assert work.runs == 1


async def test_a_renewal_that_finds_the_lease_gone_is_the_last(time: FakeClock) -> None:
    work, (one,) = processes(1, lease="3s")
    (caller,) = one.ask()
    await settle()
    one.store.server.holders.clear()
    await time.advance("30s")
    assert one.store.asked["renew"] == 1
    work.let_go()
    assert (await caller).value == 1


async def test_a_renewal_that_fails_is_tried_again(time: FakeClock) -> None:
    work, (one, two) = processes(2, lease="3s")
    one.ask()
    await settle()
    one.store.fails.add("renew")
    await time.advance("1s")
    one.store.fails.clear()
    two.ask()
    await time.advance("30s")
    assert (work.runs, one.store.asked["renew"]) == (1, 31)
    assert one.cache.statistics().store_failures == 1
    work.let_go()
    await settle()


# --- invalidation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["question", "tag", "prefix", "clear"])
async def test_after_an_invalidation_nobody_waits_for_the_old_work(how: str) -> None:
    work, (one, two) = processes(2)
    old = one.ask()
    await settle()
    if how == "question":
        await one.find.invalidate("x")
    elif how == "clear":
        await one.cache.clear()
    else:
        await one.cache.invalidate("name:x" if how == "tag" else "name:*")
    new = one.ask() + two.ask()
    await settle()
    assert work.runs == 2
    work.let_go()
    assert {task.result().value for task in await _done(new)} == {2}
    assert (await old[0]).value == 1
    await settle()
    assert (await two.find.answer("x")).value == 2


@pytest.mark.parametrize("how", ["question", "tag", "prefix", "clear"])
async def test_an_invalidation_in_another_process_ends_joining_and_waiting(how: str) -> None:
    work, (one, two) = processes(2)
    old = one.ask()
    await settle()
    if how == "question":
        await two.find.invalidate("x")
    elif how == "clear":
        await two.cache.clear()
    else:
        await two.cache.invalidate("name:x" if how == "tag" else "name:*")
    new = two.ask() + one.ask()
    await settle()
    assert work.runs == 2
    work.let_go()
    assert (await old[0]).value == 1
    assert {task.result().value for task in await _done(new)} == {2}


async def test_who_has_not_heard_of_an_invalidation_yet_is_not_believed() -> None:
    work, (one, two) = processes(2)
    one.store.is_deaf = True
    old = one.ask()
    await settle()
    await two.cache.invalidate("name:x")
    new = two.ask()
    await settle()
    assert work.runs == 1  # it waits for the other, whose answer will be refused
    work.let_go()
    assert (await old[0]).value == 1
    assert (await new[0]).value == 2
    assert one.store.refused == 1


async def test_a_store_that_outlives_a_cache_does_not_hold_it() -> None:
    store = SharedView(Server())
    cache = Cache("15m", store=store)
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None
    await store.invalidate(["a"])


async def test_work_forgotten_while_it_waits_for_its_turn_keeps_nobody_waiting() -> None:
    work, (one, two) = processes(2)
    one.error = ValueError("no")
    first = one.ask()
    await settle()
    waiting = two.ask()
    await settle()
    await two.find.invalidate("x")
    after = two.ask()
    await settle()
    work.let_go()
    await asyncio.gather(*first, return_exceptions=True)
    assert {(await waiting[0]).value, (await after[0]).value} <= {2, 3}
    await settle()
    assert not two.store.server.holders


# --- streams --------------------------------------------------------------------------------------


class Writer:
    """A process that streams."""

    def __init__(self, server: Server, more: asyncio.Event) -> None:
        self.store, self.runs, self.breaks = SharedView(server), 0, False
        self.cache = Cache("15m", store=self.store)

        @operation(self.cache, name="shop.write")
        async def write(name: str) -> AsyncIterator[int]:
            self.runs += 1
            yield 1
            await more.wait()
            if self.breaks:
                raise ConnectionError("lost")
            yield 2

        self.write: Any = write


async def test_a_stream_holds_its_lease_until_its_end(time: FakeClock) -> None:
    server, more = Server(), asyncio.Event()
    one, two = Writer(server, more), Writer(server, more)
    async with nothing_left_behind():
        stream: Stream[int] = await one.write("x")
        waiting = asyncio.create_task(two.write.answer("x"))
        await time.advance("30s")
        assert not waiting.done()
        assert one.store.asked["renew"] >= 30
        more.set()
        assert await stream.collect() == [1, 2]
        answer = await waiting
        assert (answer.source, await answer.value.collect()) == ("joined", [1, 2])
        await answer.value.aclose()
    assert (one.runs, two.runs, one.store.released) == (1, 0, [True])
    assert time.waiting == 0


@pytest.mark.parametrize("how", ["breaks", "close", "drop"])
async def test_a_stream_that_ends_badly_gives_its_lease_back(how: str, time: FakeClock) -> None:
    server, more = Server(), asyncio.Event()
    one, two = Writer(server, more), Writer(server, more)
    one.breaks = how == "breaks"
    async with nothing_left_behind():
        stream: Stream[int] | None = await one.write("x")
        waiting = asyncio.create_task(two.write("x"))
        await settle()
        if how == "breaks":
            more.set()
        elif how == "close" and stream is not None:
            await stream.aclose()
        stream = None
        await settle()
        more.set()
        assert await (await waiting).collect() == [1, 2]
        await settle()
    assert (two.runs, one.store.released) == (1, [False])
    assert not server.holders
    assert time.waiting == 0


async def test_a_stream_that_ends_with_the_program_gives_its_lease_back(time: FakeClock) -> None:
    server, more = Server(), asyncio.Event()
    one, two = Writer(server, more), Writer(server, more)
    async with nothing_left_behind():
        stream: Stream[int] = await one.write("x")
        waiting = asyncio.create_task(two.write("x"))
        await settle()
        stream.recording._end(SystemExit(3))  # the loop may run on, as the background loop does
        await settle()
        more.set()
        assert await (await waiting).collect() == [1, 2]
        await settle()
    assert one.store.released == [False]
    assert time.waiting == 0


# --- a store that fails or hangs ------------------------------------------------------------------


@pytest.mark.parametrize("what", ["get", "lease", "wait", "set", "release", "renew"])
async def test_no_caller_ever_hears_of_a_failing_store(
    what: str, time: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    work, (one, two) = processes(2)
    seen: list[Any] = []
    for process in (one, two):
        process.store.fails.add(what)
    with caplog.at_level(logging.WARNING, "headway"), listen(seen.append):
        callers = one.ask(3) + two.ask(3)
        await time.advance("1s")
        work.let_go()
        await time.advance("2s")  # what is not given back runs out
        answers = [caller.result() for caller in callers]
    assert {answer.value for answer in answers} <= {1, 2}
    failed = {event.error for event in seen if isinstance(event, StoreFailed)}
    assert failed == {"ConnectionError"}
    assert len(caplog.records) <= 2
    await time.advance("3s")
    assert time.waiting == 0


async def test_a_release_that_hangs_holds_nobody_up_for_long(time: FakeClock) -> None:
    work, (one,) = processes(1)
    work.let_go()
    one.store.hangs.add("release")
    (caller,) = one.ask()
    await settle()
    assert not caller.done()
    await time.advance(RELEASE_PATIENCE_S)
    assert caller.result().value == 1


def test_plain_functions_in_two_processes_run_once() -> None:
    server = Server()
    runs: list[int] = []

    def process(number: int) -> Any:
        @operation(Cache("15m", store=SharedView(server)), name="shop.find")
        def find(name: str) -> int:
            runs.append(number)
            return number

        return find

    one, two = process(1), process(2)
    assert [one("x"), two("x"), one("x")] == [1, 1, 1]
    assert runs == [1]
    assert not server.holders


async def _done(tasks: "list[asyncio.Task[Any]]") -> "list[asyncio.Task[Any]]":
    async with asyncio.timeout(30):
        await asyncio.wait(tasks)
    return tasks
