import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Hashable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from headway import (
    BadSetup,
    Cache,
    Entry,
    HeadwayError,
    Limit,
    MemoryStore,
    Store,
    StoreFailed,
    StoreStatistics,
    Stream,
    listen,
    off,
    operation,
    scope,
    without,
)
from headway.policies.refresh import MOST_PAUSES, REFRESH_PAUSE_S
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import Work, actions, nothing_left_behind, on_threads

pytestmark = pytest.mark.usefixtures("time")


def asked(cache: Cache) -> int:
    counted = cache.statistics()
    return counted.hits + counted.misses + counted.joined + counted.stale


async def test_an_answer_is_given_again_until_its_time_is_over(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(name: str) -> int:
        return await work.run()

    first = await find.answer("x")
    assert (first.value, first.source, first.age_s) == (1, "ran", None)
    await time.advance("14m")
    again = await find.answer("x")
    assert (again.value, again.source, again.age_s) == (1, "hit", 840.0)
    await time.advance("1m")
    anew = await find.answer("x")
    assert (anew.value, anew.source) == (2, "ran")


async def test_equal_questions_are_one_question_however_they_are_put() -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(name: str, currency: str = "USD") -> int:
        return await work.run()

    assert await find("x") == await find(name="x") == await find("x", "USD") == 1
    assert await find(currency="USD", name="x") == 1
    assert await find("x", "EUR") == 2


async def test_what_is_left_out_of_the_key_makes_no_difference() -> None:
    @operation(Cache("15m"), key=without("request_id"))
    async def find(name: str, request_id: int) -> int:
        return request_id

    assert [await find("x", 1), await find("x", 2), await find("y", 3)] == [1, 1, 3]


@pytest.mark.parametrize("value", [None, False, 0, "", [], float("nan")])
async def test_an_answer_that_says_nothing_is_kept_too(value: object) -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(name: str) -> object:
        await work.run()
        return value

    assert await find("x") is await find("x") is value
    assert work.runs == 1


async def test_an_error_is_not_kept() -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(name: str) -> int:
        return await work.run(ValueError("no") if work.runs == 0 else None)

    with pytest.raises(ValueError, match="no"):
        await find("x")
    assert await find("x") == 2
    assert await find("x") == 2


async def test_a_cancelled_call_is_not_kept() -> None:
    work = Work()
    work.hold()

    @operation(Cache("15m"))
    async def find(name: str) -> int:
        return await work.run()

    async with nothing_left_behind():
        caller = asyncio.create_task(find("x"))
        await settle()
        caller.cancel()
        await settle()
        work.let_go()
        assert await find("x") == 2


async def test_a_stampede_runs_once() -> None:
    work = Work()
    work.hold()
    cache = Cache("15m")

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    async with nothing_left_behind():
        callers = [asyncio.create_task(find.answer("x")) for _ in range(100)]
        await settle()
        callers[0].cancel()
        await settle()
        work.let_go()
        answers = await asyncio.gather(*callers[1:])
    assert work.runs == 1
    assert {(answer.value, answer.source) for answer in answers} == {(1, "joined")}
    assert (await find.answer("x")).source == "hit"


# --- what may be kept ---------------------------------------------------------------------------


async def test_an_operation_says_which_answers_are_kept() -> None:
    work = Work()

    @operation(Cache("15m"), keeps=lambda answer: answer % 2 == 0)
    async def find(name: str) -> int:
        return await work.run()

    assert [await find("x") for _ in range(4)] == [1, 2, 2, 2]


async def test_what_may_not_be_kept_is_shared_all_the_same() -> None:
    work = Work()

    @operation(Cache("15m"), keeps=lambda answer: False)
    async def find(name: str) -> int:
        return await work.run()

    assert await asyncio.gather(find("x"), find("x")) == [1, 1]
    assert await find("x") == 2


async def test_a_refresh_that_may_not_be_kept_leaves_the_old_answer(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h"), keeps=lambda answer: answer == 1)
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    assert (await find.answer("x")).source == "stale"
    await settle()
    answer = await find.answer("x")
    assert (answer.value, answer.source) == (1, "stale")


@pytest.mark.parametrize("verdict", ["no", "cannot say"])
async def test_a_stream_that_may_not_be_kept_is_run_again(
    verdict: str, caplog: pytest.LogCaptureFixture
) -> None:
    runs = 0

    def keeps(stream: Stream[int]) -> bool:
        if verdict == "cannot say":
            raise KeyError(stream)
        return False

    cache = Cache("15m")

    @operation(cache, keeps=keeps)
    async def write(name: str) -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        yield runs

    async with nothing_left_behind():
        assert await (await write("x")).collect() == [1]
        assert await (await write("x")).collect() == [2]
    assert not cache._loads.keys()
    assert ("KeyError" in caplog.text) is (verdict == "cannot say")


# --- stale --------------------------------------------------------------------------------------


async def test_a_stale_answer_is_served_and_refreshed_once(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h"))
    async def find(name: str) -> int:
        return await work.run()

    assert await find("x") == 1
    await time.advance("2m")
    work.hold()
    async with nothing_left_behind():
        with actions() as seen:
            answers = await asyncio.gather(*(find.answer("x") for _ in range(5)))
            await settle()
            assert [(one.value, one.source, one.age_s) for one in answers] == [
                (1, "stale", 120.0)
            ] * 5
            assert work.runs == 2
            work.let_go()
            await settle()
    assert [one.action for one in seen] == ["refreshed"]
    again = await find.answer("x")
    assert (again.value, again.source) == (2, "hit")


async def test_after_its_stale_time_an_answer_is_gone(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1m"))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("2m")
    answer = await find.answer("x")
    assert (answer.value, answer.source) == (2, "ran")


async def test_a_refresh_that_fails_goes_on_serving_stale_and_pauses(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h"))
    async def find(name: str) -> int:
        return await work.run(ConnectionError("down") if work.runs in (1, 2) else None)

    await find("x")
    await time.advance("2m")
    with actions() as seen:
        for _ in range(5):
            assert (await find.answer("x")).source == "stale"
            await settle()
        assert work.runs == 2
        await time.advance(REFRESH_PAUSE_S)
        assert await find("x") == 1
        await settle()
        assert work.runs == 3
        await time.advance(REFRESH_PAUSE_S)
        assert await find("x") == 1
        await settle()
    assert [(one.action, one.detail) for one in seen] == [
        ("refresh failed", "ConnectionError"),
        ("refresh failed", "ConnectionError"),
        ("refreshed", None),
    ]
    assert (await find.answer("x")).value == 4


async def test_the_pauses_of_many_questions_are_swept_out(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h")
    is_up = True

    @operation(cache)
    async def find(number: int) -> int:
        if not is_up:
            raise ConnectionError
        return number

    for number in range(MOST_PAUSES + 200):
        await find(number)
    is_up = False
    await time.advance("2m")
    for number in range(MOST_PAUSES + 200):
        await find(number)
        if number == MOST_PAUSES // 2:
            await time.advance(REFRESH_PAUSE_S)
    await settle()
    assert cache.statistics().refreshes_failed == MOST_PAUSES + 200
    assert len(cache._refreshes._not_before) < MOST_PAUSES


async def test_who_misses_while_a_refresh_runs_joins_it(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1m"))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    await time.advance("90s")
    work.hold()
    assert (await find.answer("x")).source == "stale"
    await time.advance("1m")
    late = asyncio.create_task(find.answer("x"))
    await settle()
    work.let_go()
    assert ((await late).value, (await late).source, work.runs) == (2, "joined", 2)


async def test_a_refresh_keeps_the_scope_of_who_asked(time: FakeClock) -> None:
    @operation(Cache("1m", stale_for="1h", scope="tenant"))
    async def find(name: str) -> str | None:
        from headway.scope import current

        return current.get().tenant

    with scope(tenant="a"):
        await find("x")
        await time.advance("2m")
        assert (await find.answer("x")).source == "stale"
    await settle()
    with scope(tenant="a"):
        answer = await find.answer("x")
    assert (answer.value, answer.source) == ("a", "hit")


# --- tags, invalidate, clear --------------------------------------------------------------------


async def test_tags_are_filled_from_the_arguments() -> None:
    cache = Cache("15m", tags=("company:{symbol}", "all"))
    work = Work()

    @operation(cache)
    async def find(symbol: str, period: str = "1y") -> int:
        return await work.run()

    await find("A"), await find("A", period="2y"), await find("B")
    await cache.invalidate("company:A")
    assert await find("B") == 3
    assert [await find("A"), await find("A", "2y")] == [4, 5]
    await cache.invalidate("all")
    assert await find("B") == 6
    await cache.invalidate("company:nobody")
    assert await find("B") == 6


async def test_tags_may_come_from_a_function() -> None:
    cache = Cache("15m", tags=lambda symbol, period="1y": [symbol.lower(), period])
    work = Work()

    @operation(cache)
    async def find(symbol: str, period: str = "1y") -> int:
        return await work.run()

    await find("A")
    await cache.invalidate("a")
    assert await find("A") == 2
    await cache.invalidate("1y")
    assert await find("A") == 3


def test_a_tag_that_names_no_argument_is_refused_where_it_is_written() -> None:
    with pytest.raises(BadSetup, match="symbl"):

        @operation(Cache("15m", tags=("company:{symbl}",)))
        async def find(symbol: str) -> int:
            return 1


def test_a_tag_that_cannot_be_filled_in_is_refused() -> None:
    with pytest.raises(BadSetup, match="cannot be filled in"):

        @operation(Cache("15m", tags=("company:{symbol",)))
        async def find(symbol: str) -> int:
            return 1


async def test_a_tag_may_look_into_an_argument() -> None:
    cache = Cache("15m", tags=("name:{person[name]}", "{{fixed}}"))
    work = Work()

    @operation(cache)
    async def find(person: dict[str, str]) -> int:
        return await work.run()

    await find({"name": "anna"})
    await cache.invalidate("name:anna")
    assert await find({"name": "anna"}) == 2
    await cache.invalidate("{fixed}")
    assert await find({"name": "anna"}) == 3


def test_one_tag_without_its_comma_is_refused() -> None:
    with pytest.raises(BadSetup, match=r"tags=\('all'\)|tags=\('all',\)"):
        Cache("15m", tags="all")


async def test_an_invalidation_in_the_middle_is_neither_kept_nor_joined() -> None:
    cache = Cache("15m", tags=("company:{symbol}",))
    works = {1: Work(), 2: Work()}
    runs = 0
    for work in works.values():
        work.hold()

    @operation(cache)
    async def find(symbol: str) -> str:
        nonlocal runs
        runs += 1
        number = runs
        await works[number].run()
        return f"run {number}"

    async with nothing_left_behind():
        before = asyncio.create_task(find("A"))
        await settle()
        await cache.invalidate("company:A")
        after = asyncio.create_task(find("A"))
        await settle()
        assert runs == 2
        works[2].let_go()
        assert await after == "run 2"
        works[1].let_go()
        assert await before == "run 1"
    assert await find("A") == "run 2"


@pytest.mark.parametrize("how", ["one question", "clear"])
async def test_what_is_forgotten_while_it_is_made_is_not_kept(how: str) -> None:
    cache = Cache("15m")
    work = Work()
    work.hold()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    under_way = asyncio.create_task(find("x"))
    await settle()
    await (cache.clear() if how == "clear" else find.invalidate("x"))
    work.let_go()
    assert await under_way == 1
    assert await find("x") == 2


async def test_of_two_runs_on_one_question_both_can_be_forgotten() -> None:
    work = Work()
    work.hold()

    @operation(Cache("15m"))
    async def find(name: str) -> int:
        return await work.run()

    async with nothing_left_behind():
        first = asyncio.create_task(find("x"))
        await asyncio.sleep(0)  # asked, but its work has not begun yet
        await find.invalidate("x")
        second = asyncio.create_task(find("x"))
        await settle()
        assert work.inside == 2
        await find.invalidate("x")
        work.let_go()
        assert await asyncio.gather(first, second) == [1, 2]
    assert await find("x") == 3


async def test_one_answer_can_be_dropped_by_its_question() -> None:
    work = Work()

    @operation(Cache("15m"))
    async def find(name: str, currency: str = "USD") -> int:
        return await work.run()

    await find("x"), await find("y")
    await find.invalidate(name="x")
    assert [await find("x"), await find("y")] == [3, 2]


async def test_clear_drops_everything() -> None:
    cache = Cache("15m")
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    await find("x"), await find("y")
    await cache.clear()
    assert [await find("x"), await find("y")] == [3, 4]


async def test_an_operation_that_keeps_nothing_has_nothing_to_drop() -> None:
    @operation(Limit(at_once=1), name="shop.find")
    async def find(name: str) -> int:
        return 1

    with pytest.raises(BadSetup, match=r"shop\.find keeps nothing"):
        await find.invalidate("x")


# --- scope --------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["tenant", "session", "agent", "run"])
async def test_a_missing_scope_is_an_error_never_all(
    whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()

    @operation(Cache("15m", scope=whose))
    async def find(name: str) -> int:
        return await work.run()

    with pytest.raises(HeadwayError, match=f"no {whose} is set"):
        await find("x")
    assert work.runs == 0


@pytest.mark.parametrize("whose", ["tenant", "session", "agent", "run"])
async def test_two_of_them_do_not_share(whose: str) -> None:
    work = Work()
    work.hold()

    @operation(Cache("15m", scope=whose))
    async def find(name: str) -> int:
        return await work.run()

    async def ask(who: str) -> int:
        with scope(**{whose: who}):  # type: ignore[arg-type]
            return await find("x")

    async def drop(who: str) -> None:
        with scope(**{whose: who}):  # type: ignore[arg-type]
            await find.invalidate("x")

    both = asyncio.gather(ask("a"), ask("b"), ask("a"))
    await settle()
    work.let_go()
    assert await both == [1, 2, 1]
    await drop("a")
    assert [await ask("a"), await ask("b")] == [3, 2]


async def test_the_scope_may_come_from_a_function() -> None:
    user = "anna"
    work = Work()

    @operation(Cache("15m", scope=lambda: user))
    async def find(name: str) -> int:
        return await work.run()

    await find("x")
    user = "ben"
    assert await find("x") == 2
    user = "anna"
    assert await find("x") == 1


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(BadSetup, match="tenant, session, agent, run"):
        Cache("15m", scope="user")


# --- copies -------------------------------------------------------------------------------------


async def test_answers_are_one_object_unless_copies_are_asked_for() -> None:
    @operation(Cache("15m"))
    async def find(name: str) -> list[int]:
        return [1]

    assert await find("x") is await find("x")


async def test_with_copies_nobody_sees_what_another_changed() -> None:
    made: list[dict[str, list[int]]] = []

    @operation(Cache("15m", copy=True))
    async def find(name: str) -> dict[str, list[int]]:
        await asyncio.sleep(0)
        made.append({"prices": [1]})
        return made[-1]

    leader, joiner = await asyncio.gather(find("x"), find("x"))
    hit = await find("x")
    for mine in (leader, joiner, hit, made[0]):
        mine["prices"].append(2)
    assert await find("x") == {"prices": [1]}
    assert leader is not joiner
    assert leader["prices"] is not joiner["prices"]
    assert leader is not made[0]
    assert len(made) == 1


async def test_a_value_that_cannot_be_copied_says_so() -> None:
    @operation(Cache("15m", copy=True))
    async def find(name: str) -> object:
        return threading.Lock()

    with pytest.raises(TypeError, match="lock"):
        await find("x")


# --- streams ------------------------------------------------------------------------------------


class Writer:
    """An operation that writes numbers and counts its runs."""

    def __init__(self, cache: Cache) -> None:
        self.runs = self.stopped = 0
        self.more = asyncio.Event()
        self.error: Exception | None = None

        @operation(cache)
        async def write(name: str) -> AsyncIterator[int]:
            self.runs += 1
            number = self.runs
            try:
                yield number
                await self.more.wait()
                if self.error is not None:
                    raise self.error
                yield number
            finally:
                self.stopped += 1

        self.write = write


async def test_a_complete_stream_is_replayed(time: FakeClock) -> None:
    writer = Writer(Cache("15m"))
    writer.more.set()
    async with nothing_left_behind():
        first = await writer.write.answer("x")
        assert await first.value.collect() == [1, 1]
        again = await writer.write.answer("x")
        assert (again.source, await again.value.collect()) == ("hit", [1, 1])
        await again.value.aclose()
        assert await (await writer.write("x")).collect() == [1, 1]
    await time.advance("15m")
    assert await (await writer.write("x")).collect() == [2, 2]


async def test_there_is_no_gap_between_a_stream_that_runs_and_one_that_is_kept() -> None:
    writer = Writer(Cache("15m"))
    first = await writer.write("x")
    late = await writer.write.answer("x")
    assert late.source == "joined"
    writer.more.set()
    await first.collect()
    assert (await writer.write.answer("x")).source == "hit"
    assert writer.runs == 1


async def test_a_broken_stream_is_not_kept() -> None:
    writer = Writer(Cache("15m"))
    writer.error = ConnectionError("lost")
    writer.more.set()
    first = await writer.write("x")
    await settle()
    assert first.recording.ended
    writer.error = None
    assert await (await writer.write("x")).collect() == [2, 2]


@pytest.mark.parametrize("way", ["close", "drop"])
async def test_an_abandoned_stream_stops_and_is_not_kept(way: str) -> None:
    writer = Writer(Cache("15m"))
    async with nothing_left_behind():
        stream = await writer.write("x")
        if way == "close":
            await stream.aclose()
        del stream
        await settle()
        assert writer.stopped == 1
        writer.more.set()
        assert await (await writer.write("x")).collect() == [2, 2]


async def test_a_stream_that_is_forgotten_on_the_way_is_not_kept() -> None:
    cache = Cache("15m", tags=("all",))
    for forget in ("question", "tag", "clear"):
        writer = Writer(cache)
        stream = await writer.write("x")
        if forget == "question":
            await writer.write.invalidate("x")
        elif forget == "tag":
            await cache.invalidate("all")
        else:
            await cache.clear()
        anew = await writer.write("x")
        writer.more.set()
        assert await anew.collect() == [2, 2]
        assert await stream.collect() == [1, 1]
        assert await (await writer.write("x")).collect() == [2, 2]


# --- stores that fail, and stores that take time ------------------------------------------------


class SlowStore(MemoryStore):
    """A store that must be awaited, as one across a network."""

    is_local = False
    name = "slow"

    def peek(self, key: Hashable) -> Entry | None:
        return None

    async def get(self, key: Hashable) -> Entry | None:
        await asyncio.sleep(0)
        return super().peek(key)

    async def set(self, key: Hashable, entry: Entry) -> None:
        await settle(3)
        await super().set(key, entry)

    async def delete(self, key: Hashable) -> None:
        await asyncio.sleep(0)
        await super().delete(key)


class BrokenStore:
    """A store in which nothing works."""

    name = "broken"
    is_shared = False

    def __init__(self, is_local: bool) -> None:
        self.is_local = is_local

    def peek(self, key: Hashable) -> Entry | None:
        if self.is_local:
            raise OSError("cannot peek")
        return None

    async def get(self, key: Hashable) -> Entry | None:
        raise OSError("cannot get")

    async def get_many(self, keys: Sequence[Hashable]) -> list[Entry | None]:
        raise OSError("cannot get")

    async def set(self, key: Hashable, entry: Entry) -> None:
        raise OSError("cannot set")

    async def set_many(self, entries: Mapping[Hashable, Entry]) -> None:
        raise OSError("cannot set")

    async def delete(self, key: Hashable) -> None:
        raise OSError("cannot delete")

    async def invalidate(self, tags: Iterable[str]) -> None:
        raise OSError("cannot invalidate")

    async def clear(self) -> None:
        raise OSError("cannot clear")

    def mark(self) -> int:
        return 0

    def statistics(self) -> StoreStatistics:
        return MemoryStore().statistics()


@pytest.mark.parametrize("is_local", [True, False])
async def test_a_store_that_fails_makes_it_slower_not_wrong(
    is_local: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store: Store = BrokenStore(is_local)
    cache = Cache("15m", store=store)
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    seen: list[Any] = []
    with caplog.at_level(logging.WARNING, "headway"), listen(seen.append):
        assert [await find("x"), await find("x"), await find("y")] == [1, 2, 3]
    failed = [event for event in seen if isinstance(event, StoreFailed)]
    assert {(event.store, event.error) for event in failed} == {("broken", "OSError")}
    assert len(failed) == 6
    assert len(caplog.records) == 1
    assert "broken" in caplog.text
    assert cache.statistics().misses == 3


async def test_a_stream_and_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer(Cache("15m", store=BrokenStore(is_local=False)))
    writer.more.set()
    async with nothing_left_behind():
        assert await (await writer.write("x")).collect() == [1, 1]
        assert await (await writer.write("x")).collect() == [2, 2]
    assert len(caplog.records) == 1


async def test_an_invalidation_that_fails_is_not_hushed_up() -> None:
    cache = Cache("15m", store=BrokenStore(is_local=True))
    for forget in (cache.clear(), cache.invalidate("a")):
        with pytest.raises(OSError, match="cannot"):
            await forget


async def test_a_store_that_takes_time() -> None:
    cache = Cache("15m", store=SlowStore())
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    async with nothing_left_behind():
        assert (await find.answer("x")).source == "ran"
        assert (await find.answer("x")).source == "hit"
        await find.invalidate("x")
        assert await find("x") == 2


def test_a_plain_function_and_a_store_that_takes_time() -> None:
    cache = Cache("15m", store=SlowStore())
    runs = 0

    @operation(cache)
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    assert [find.answer("x").source, find.answer("x").source] == ["ran", "hit"]
    find.invalidate("x")
    assert find("x") == 2


async def test_what_is_forgotten_while_a_slow_store_writes_it_is_not_kept() -> None:
    work = Work()
    cache = Cache("15m", store=SlowStore())

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run()

    under_way = asyncio.create_task(find("x"))
    while not work.finished:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await find.invalidate("x")
    await under_way
    assert await find("x") == 2


# --- statistics ---------------------------------------------------------------------------------


async def test_every_question_is_counted_once(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1m")
    work = Work()

    @operation(cache)
    async def find(name: str, fails: bool = False) -> int:
        return await work.run(ValueError("no") if fails else None)

    assert cache.statistics().hit_rate is None
    await asyncio.gather(*(find("x") for _ in range(10)))  # 1 miss, 9 joined
    await find("x"), await find("x")  # 2 hits
    await asyncio.gather(*(find("y", fails=True) for _ in range(3)), return_exceptions=True)
    await time.advance("90s")
    await find("x"), await find("x")  # 2 stale, one refresh
    await settle()
    work.hold()
    leaving = [asyncio.create_task(find("z")) for _ in range(2)]  # 1 miss, 1 joined
    await settle()
    for task in leaving:
        task.cancel()
    await settle()
    counted = cache.statistics()
    assert (counted.misses, counted.joined, counted.hits, counted.stale) == (3, 12, 2, 2)
    assert (counted.refreshed, counted.refreshes_failed) == (1, 0)
    assert asked(cache) == 19
    assert counted.hit_rate == pytest.approx(4 / 19)
    assert counted.store.entries >= 1


async def test_two_caches_around_one_operation_count_for_themselves() -> None:
    outer, inner = Cache("1m", scope="tenant"), Cache("15m")
    work = Work()
    work.hold()

    @operation(outer, inner)
    async def find(name: str) -> int:
        return await work.run()

    async def ask(tenant: str) -> int:
        with scope(tenant=tenant):
            return await find("x")

    both = asyncio.gather(ask("a"), ask("b"))
    await settle()
    work.let_go()
    assert await both == [1, 1]
    assert (outer.statistics().misses, outer.statistics().joined) == (2, 0)
    assert (inner.statistics().misses, inner.statistics().joined) == (1, 1)


# --- one store, several caches; setup -----------------------------------------------------------


async def test_a_store_can_be_shared() -> None:
    store = MemoryStore()

    @operation(Cache("15m", store=store), name="prices", version=1)
    async def find(name: str) -> int:
        return 1

    @operation(Cache("15m", store=store), name="prices", version=1)
    async def the_same_again(name: str) -> int:
        return 2

    @operation(Cache("15m", store=store), name="prices", version=2)
    async def newer(name: str) -> int:
        return 3

    assert [await find("x"), await the_same_again("x"), await newer("x")] == [1, 1, 3]


async def test_two_functions_of_one_factory_do_not_share_answers() -> None:
    cache = Cache("15m")

    def make(number: int) -> Any:
        @operation(cache)
        async def find(name: str) -> int:
            return number

        return find

    one, two = make(1), make(2)
    assert [await one("x"), await two("x"), await one("x")] == [1, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ttl": 0}, "would keep nothing"),
        ({"ttl": -1}, r"Cache\(ttl"),
        ({"ttl": "soon"}, r"Cache\(ttl.*'soon'"),
        ({"ttl": 1, "stale_for": "x"}, r"Cache\(stale_for"),
    ],
)
def test_a_time_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        Cache(**arguments)


# --- plain functions ----------------------------------------------------------------------------


def test_a_hundred_threads_run_a_plain_function_once() -> None:
    cache = Cache("15m")
    runs = 0
    go = threading.Event()

    @operation(cache)
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        go.wait(5)
        return runs

    def ask(number: int) -> int:
        if number == 0:
            while cache.statistics().joined < 99:
                threading.Event().wait(0.001)
            go.set()
            return 1
        return find("x")

    assert on_threads(101, ask) == [1] * 101
    assert runs == 1
    assert asked(cache) == 100


def test_an_answer_kept_just_after_the_look_is_a_hit() -> None:
    looked, go_on, runs = threading.Event(), threading.Event(), 0

    class Slow(MemoryStore):
        def peek(self, key: Hashable) -> Entry | None:
            entry = super().peek(key)
            if threading.current_thread().name == "slow":
                looked.set()
                go_on.wait(5)
            return entry

    cache = Cache("1m", store=Slow())

    @operation(cache)
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    sources: list[str] = []
    slow = threading.Thread(target=lambda: sources.append(find.answer("x").source), name="slow")
    slow.start()
    assert looked.wait(5)
    assert find("x") == 1
    go_on.set()
    slow.join(5)
    assert (runs, sources) == (1, ["hit"])
    counts = cache.statistics()
    assert (counts.hits, counts.misses, counts.joined) == (1, 1, 0)
    assert counts.hits_by_tier == {"memory": 1}
    assert (counts.store.hits, counts.store.misses) == (1, 2)


def test_a_hit_of_a_plain_function_enters_no_event_loop() -> None:
    program = """
import asyncio, sys, threading
from headway import Cache, operation

@operation(Cache("15m"))
def find(name):
    return threading.current_thread().name

@operation(Cache("15m"))
async def warm(name):
    return 1

names = lambda: {thread.name for thread in threading.enumerate()}
assert not any("headway" in name for name in names()), names()
assert find("x").startswith("headway")
assert "headway-loop" in names()

new_tasks = []
import headway.bridge as bridge
loop = bridge._background.loop()
loop.call_soon_threadsafe(loop.set_task_factory, lambda loop, work, context=None:
    new_tasks.append(work) or asyncio.Task(work, loop=loop, context=context))
loop.call_soon_threadsafe(lambda: None)
woken = []
loop.call_soon_threadsafe = lambda *a, **k: woken.append(a)
for _ in range(100):
    assert find("x").startswith("headway")
assert find.answer("x").source == "hit"
assert not new_tasks and not woken
print("no loop entered")
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (ran.stdout, ran.stderr) == ("no loop entered\n", "")


def test_a_plain_function_is_served_stale_and_refreshed_beside(time: FakeClock) -> None:
    cache = Cache("1m", stale_for="1h")
    runs = 0

    @operation(cache)
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    assert find("x") == 1
    time.step_wall(120)
    answer = find.answer("x")
    assert (answer.value, answer.source, answer.age_s) == (1, "stale", 120.0)
    for _ in range(5000):
        if cache.statistics().refreshed:
            break
        threading.Event().wait(0.001)
    answer = find.answer("x")
    assert (answer.value, answer.source, runs) == (2, "hit", 2)


def test_a_plain_function_switched_off_runs_every_time() -> None:
    cache = Cache("15m")
    runs = 0

    @operation(cache)
    def find(name: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    with off():
        assert [find("x"), find("x")] == [1, 2]
    assert [find("x"), find("x")] == [3, 3]
    assert asked(cache) == 2


# --- one operation inside another, one loop after another ----------------------------------------


async def test_who_leaves_an_operation_around_another_leaves_both() -> None:
    steps: list[str] = []
    work = Work()
    work.hold()

    @operation(Cache("15m"), name="inner")
    async def inner(name: str) -> int:
        try:
            return await work.run()
        finally:
            await settle(3)
            steps.append("inner is clean")

    @operation(Cache("15m"), name="outer")
    async def outer(name: str) -> int:
        try:
            return await inner(name)
        finally:
            steps.append("outer is clean")

    async with nothing_left_behind():
        caller = asyncio.create_task(outer("x"))
        also = asyncio.create_task(inner("x"))
        await settle()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert steps == ["outer is clean"]
        also.cancel()
        await asyncio.gather(also, return_exceptions=True)
        assert steps == ["outer is clean", "inner is clean"]
        work.let_go()
        assert await outer("x") == 2


def test_one_loop_after_another(time: FakeClock) -> None:
    runs = 0

    @operation(Cache("1m", stale_for="1h"))
    async def find(name: str) -> int:
        nonlocal runs
        runs += 1
        if runs == 2:
            await asyncio.Event().wait()  # this refresh never ends: its loop does
        await asyncio.sleep(0)
        return runs

    async def ask() -> tuple[int, str]:
        answer = await find.answer("x")
        await settle()
        return answer.value, answer.source

    assert asyncio.run(ask()) == (1, "ran")
    assert asyncio.run(ask()) == (1, "hit")
    time.step_wall(120)
    assert asyncio.run(ask()) == (1, "stale")
    assert runs == 2
    time.step_wall(REFRESH_PAUSE_S)
    assert asyncio.run(ask()) == (1, "stale")
    assert asyncio.run(ask()) == (3, "hit")
