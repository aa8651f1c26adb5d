"""What every policy must do: a new one joins by a line in ``POLICIES``."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from headway import (
    BadSetup,
    Batch,
    Cache,
    CallCancelled,
    Fallback,
    Limit,
    MemoryStore,
    Place,
    Policy,
    Retry,
    Share,
    Stream,
    StreamBroken,
    Timeout,
    Watch,
    clock,
    listen,
    off,
    operation,
)
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import nothing_left_behind, on_threads


class Passing(Exception):
    """A failure that retries and fallbacks are told to act on."""


async def no_help(*args: object) -> object:
    raise Passing("no help")


@dataclass
class Case:
    """A policy under test: how it is made, and whether its function is written for many."""

    make: Callable[[], Policy]
    steps_aside: bool = False
    is_batch: bool = False
    has_own_task: bool = False

    def around(self, run: Callable[..., Any]) -> Any:
        """An async operation of one argument that does *run* inside the policy."""
        if self.is_batch:

            async def many(items: list[Any]) -> list[Any]:
                return [await run(item) for item in items]

            return operation(self.make(), name="shop.find")(many)

        async def one(item: Any) -> Any:
            return await run(item)

        return operation(self.make(), name="shop.find")(one)

    def around_plain(self, run: Callable[..., Any]) -> Any:
        """A plain operation of one argument that does *run* inside the policy."""
        if self.is_batch:
            return operation(self.make(), name="shop.find")(lambda items: [*map(run, items)])
        return operation(self.make(), name="shop.find")(lambda item: run(item))


POLICIES = {
    "Watch": Case(Watch),
    "Cache": Case(lambda: Cache("15m"), steps_aside=True, has_own_task=True),
    "Share": Case(Share, steps_aside=True, has_own_task=True),
    "Batch": Case(lambda: Batch(max_items=1), steps_aside=True, is_batch=True, has_own_task=True),
    "Fallback": Case(lambda: Fallback(no_help, on=Passing)),
    "Retry": Case(lambda: Retry(3, on=Passing, first_wait=0)),
    "Limit": Case(lambda: Limit(at_once=100, per_second=10_000)),
    "Timeout": Case(lambda: Timeout("1h")),
}
STREAMING = [name for name, case in POLICIES.items() if not case.is_batch]

each = pytest.mark.parametrize("case", POLICIES.values(), ids=POLICIES.keys())
each_streaming = pytest.mark.parametrize(
    "case", [POLICIES[name] for name in STREAMING], ids=STREAMING
)


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


def test_every_place_is_covered() -> None:
    assert sorted(case.make().place for case in POLICIES.values()) == list(Place)


# --- answers ------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("value", ["text", None, False, 0, (), "with a listener"])
async def test_an_answer_comes_through(case: Case, value: object) -> None:
    async def run(item: str) -> object:
        await asyncio.sleep(0)
        return value

    async with nothing_left_behind():
        if value == "with a listener":
            with listen(lambda event: None):
                assert await case.around(run)("x") is value
        else:
            assert await case.around(run)("x") is value


@each
async def test_it_says_where_an_answer_came_from(case: Case) -> None:
    async def run(item: str) -> str:
        return item

    answer = await case.around(run).answer("x")
    assert (answer.value, answer.source, answer.age_s) == ("x", "ran", None)


@each
async def test_many_at_once_each_get_their_own(case: Case) -> None:
    async def run(item: int) -> int:
        await settle(item % 3)
        return item * 2

    find = case.around(run)
    async with nothing_left_behind():
        answers = await asyncio.gather(*(find(number) for number in range(50)))
    assert answers == [number * 2 for number in range(50)]


@each
async def test_the_work_sees_context_variables_and_leaks_none(case: Case) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")

    async def run(item: str) -> str:
        seen = user.get()
        user.set("changed inside")
        return seen

    user.set("anna")
    assert await asyncio.create_task(case.around(run)("x")) == "anna"
    assert user.get() == "anna"


# --- errors and cancellation --------------------------------------------------------------------


@each
@pytest.mark.parametrize(
    "error", [ValueError("no"), Passing("no"), ExceptionGroup("g", [OSError()])]
)
@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_comes_through_as_it_is(
    case: Case, error: Exception, waits: bool, time: FakeClock
) -> None:
    async def run(item: str) -> None:
        if waits:
            await asyncio.sleep(0)
        raise error

    async with nothing_left_behind():
        with pytest.raises(type(error)) as raised:
            await case.around(run)("x")
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert time.waiting == 0


@each
async def test_a_cancelled_caller_cancels_the_work(case: Case, time: FakeClock) -> None:
    cancelled: list[str] = []

    async def run(item: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    async with nothing_left_behind():
        caller = asyncio.create_task(case.around(run)("x"))
        await settle()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await settle()
        assert cancelled == ["x"]
        assert caller.cancelled()
    assert time.waiting == 0


@each
async def test_a_caller_cancelled_at_once_leaves_nothing(case: Case, time: FakeClock) -> None:
    async def run(item: str) -> None:
        await asyncio.Event().wait()

    find = case.around(run)
    async with nothing_left_behind():
        for turns in range(6):
            caller = asyncio.create_task(find(turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
    assert time.waiting == 0


@each
async def test_a_callers_deadline_holds(case: Case) -> None:
    async def run(item: str) -> None:
        await asyncio.Event().wait()

    async with nothing_left_behind():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await case.around(run)("x")
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@each
async def test_work_that_cancels_itself_hangs_nobody(case: Case) -> None:
    async def run(item: str) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    expected = CallCancelled if case.has_own_task else asyncio.CancelledError
    async with nothing_left_behind():
        caller = asyncio.create_task(case.around(run)("x"))
        async with asyncio.timeout(30):
            (outcome,) = await asyncio.gather(caller, return_exceptions=True)
    assert type(outcome) is expected


@each
async def test_after_a_failure_it_works_as_before(case: Case) -> None:
    fails = True

    async def run(item: str) -> str:
        if fails:
            raise ValueError("no")
        return item

    find = case.around(run)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await find("x")
    fails = False
    assert await find("x") == "x"


# --- streams ------------------------------------------------------------------------------------


def streaming(case: Case, chunks: Callable[[str], AsyncIterator[int]]) -> Any:
    async def write(name: str) -> AsyncIterator[int]:
        async for chunk in chunks(name):
            yield chunk

    return operation(case.make(), name="shop.write")(write)


@each_streaming
async def test_a_stream_comes_through_live_and_whole(case: Case, time: FakeClock) -> None:
    more = asyncio.Event()

    async def chunks(name: str) -> AsyncIterator[int]:
        yield 1
        await more.wait()
        yield 2

    async with nothing_left_behind():
        stream = await streaming(case, chunks)("x")
        assert isinstance(stream, Stream)
        reader = aiter(stream)
        assert await anext(reader) == 1
        assert not stream.recording.ended
        more.set()
        assert await stream.collect() == [1, 2]
        assert await stream.collect() == [1, 2]
    assert time.waiting == 0


@each_streaming
async def test_an_empty_stream_is_a_stream(case: Case) -> None:
    async def chunks(name: str) -> AsyncIterator[int]:
        for number in ():
            yield number

    async with nothing_left_behind():
        assert await (await streaming(case, chunks)("x")).collect() == []


@each_streaming
async def test_a_stream_that_never_begins_raises_its_own_error(case: Case) -> None:
    wrong = Passing("no")

    async def chunks(name: str) -> AsyncIterator[int]:
        await asyncio.sleep(0)
        raise wrong
        yield 1

    async with nothing_left_behind():
        with pytest.raises(Passing) as raised:
            await streaming(case, chunks)("x")
    assert raised.value is wrong


@each_streaming
async def test_a_stream_that_breaks_is_not_begun_again(case: Case, time: FakeClock) -> None:
    runs = 0
    wrong = Passing("lost")

    async def chunks(name: str) -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        yield 1
        raise wrong

    async with nothing_left_behind():
        with pytest.raises(StreamBroken) as raised:
            await (await streaming(case, chunks)("x")).collect()
    assert (raised.value.chunks_read, raised.value.__cause__, runs) == (1, wrong, 1)
    assert time.waiting == 0


@each_streaming
@pytest.mark.parametrize("way", ["close", "drop", "break off"])
async def test_a_stream_that_is_left_stops_its_source(
    case: Case, way: str, time: FakeClock
) -> None:
    closed: list[str] = []

    async def chunks(name: str) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.append(name)

    write = streaming(case, chunks)
    async with nothing_left_behind():
        if way == "break off":
            async for _ in await write("x"):
                break
        else:
            stream = await write("x")
            if way == "close":
                await stream.aclose()
                assert closed == ["x"]
            del stream
        await settle()
        assert closed == ["x"]
    assert time.waiting == 0


@each_streaming
async def test_a_caller_who_leaves_before_the_first_chunk_stops_the_source(case: Case) -> None:
    closed: list[str] = []

    async def chunks(name: str) -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.append(name)

    async with nothing_left_behind():
        caller = asyncio.create_task(streaming(case, chunks)("x"))
        await settle()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await settle()
    assert closed == ["x"]


def test_batch_refuses_streams_where_they_are_written() -> None:
    async def chunks(name: str) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(BadSetup, match="returns a stream"):
        streaming(POLICIES["Batch"], chunks)


# --- methods, plain functions, threads ----------------------------------------------------------


@each
async def test_it_works_on_methods(case: Case) -> None:
    class Shop:
        def __init__(self, town: str) -> None:
            self.town = town

        if case.is_batch:

            @operation(case.make())
            async def find(self, names: list[str]) -> list[str]:
                return [f"{name} in {self.town}" for name in names]

            @operation(case.make())
            def price(self, names: list[str]) -> list[str]:
                return [f"{name} for 1 in {self.town}" for name in names]

        else:

            @operation(case.make())
            async def find(self, name: str) -> str:
                return f"{name} in {self.town}"

            @operation(case.make())
            def price(self, name: str) -> str:
                return f"{name} for 1 in {self.town}"

    ulm: Any = Shop("Ulm")
    bonn: Any = Shop("Bonn")
    assert await asyncio.gather(ulm.find("tea"), bonn.find("tea")) == ["tea in Ulm", "tea in Bonn"]
    assert [ulm.price("tea"), bonn.price("tea")] == ["tea for 1 in Ulm", "tea for 1 in Bonn"]


@each
def test_it_works_on_plain_functions(case: Case) -> None:
    threads: list[str] = []

    def run(item: str) -> str:
        threads.append(threading.current_thread().name)
        return item.upper()

    find = case.around_plain(run)
    assert find("x") == "X"
    assert find.answer("y").source == "ran"
    assert all(name.startswith("headway") for name in threads)


@each
def test_an_error_of_a_plain_function_comes_through_as_it_is(case: Case) -> None:
    wrong = ValueError("no")

    def run(item: str) -> None:
        raise wrong

    with pytest.raises(ValueError, match="no") as raised:
        case.around_plain(run)("x")
    assert raised.value is wrong


@each
def test_twenty_threads_may_ask_at_once(case: Case) -> None:
    find = case.around_plain(lambda item: item * 2)
    assert on_threads(20, lambda number: find(number % 5)) == [
        number % 5 * 2 for number in range(20)
    ]


@each
def test_two_loops_may_ask_at_once(case: Case) -> None:
    async def run(item: int) -> int:
        await asyncio.sleep(0)
        return item * 2

    find = case.around(run)

    async def many() -> list[int]:
        return await asyncio.gather(*(find(number) for number in range(10)))

    expected = [number * 2 for number in range(10)]
    assert on_threads(3, lambda number: asyncio.run(many())) == [expected] * 3


# --- places, and the off switch -----------------------------------------------------------------


@pytest.mark.parametrize("pair", [*itertools.combinations(POLICIES, 2)], ids=" > ".join)
def test_it_keeps_its_place_however_it_is_listed(pair: tuple[str, str]) -> None:
    async def many(items: list[str]) -> list[str]:
        return items

    policies = [POLICIES[name].make() for name in pair]
    names = sorted(pair, key=lambda name: POLICIES[name].make().place)
    way = " > ".join([*(["Watch"] if "Watch" not in names else []), *names, "find"])
    for listed in (policies, policies[::-1]):
        assert operation(*listed, name="find")(many).explain() == way


async def runs_of_two_questions(find: Any, seen: list[int]) -> int:
    before = len(seen)
    await find("x")
    await find("x")
    return len(seen) - before


@each
@pytest.mark.parametrize("switch", ["block", "environment"])
async def test_switched_off_it_keeps_nothing(
    case: Case, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    async def run(item: str) -> str:
        seen.append(1)
        return item

    if switch == "environment":
        monkeypatch.setenv("HEADWAY", "off")
        find = case.around(run)
        monkeypatch.delenv("HEADWAY")
        assert await runs_of_two_questions(find, seen) == 2
    else:
        find = case.around(run)
        with off():
            assert await runs_of_two_questions(find, seen) == 2
        assert await runs_of_two_questions(find, seen) == (1 if "Cache" in find.explain() else 2)


@each
async def test_switched_off_it_waits_for_nobody_elses_work(case: Case) -> None:
    inside = most = 0

    async def run(item: str) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await settle(3)
        inside -= 1
        return item

    find = case.around(run)
    with off():
        async with nothing_left_behind():
            assert await asyncio.gather(find("x"), find("x")) == ["x", "x"]
    assert most == 2


async def test_switched_off_limit_retry_and_timeout_stay(time: FakeClock) -> None:
    runs = 0

    @operation(
        Limit(at_once=1), Retry(2, on=Passing, first_wait=0), Timeout("10s"), Cache("15m"), Share()
    )
    async def find(name: str) -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise Passing
        await clock.sleep(60)
        return runs

    with off():
        caller = asyncio.ensure_future(find("x"))
        await time.advance(10)
        with pytest.raises(TimeoutError):
            await caller
    assert runs == 2


# --- all together -------------------------------------------------------------------------------


def all_of_them() -> list[Policy]:
    return [case.make() for case in POLICIES.values()]


async def test_all_of_them_together(time: FakeClock) -> None:
    batches: list[list[str]] = []

    @operation(*all_of_them())
    async def shout(words: list[str]) -> list[str]:
        batches.append(words)
        await asyncio.sleep(0)
        return [word.upper() for word in words]

    ask: Any = shout
    async with nothing_left_behind():
        assert await asyncio.gather(ask("a"), ask("a"), ask("b")) == ["A", "A", "B"]
        assert await ask("a") == "A"
        assert (await ask.answer("b")).source == "hit"
    assert batches == [["a"], ["b"]]
    assert time.waiting == 0


async def test_all_of_them_around_a_stream(time: FakeClock) -> None:
    runs = 0

    @operation(*(case.make() for case in POLICIES.values() if not case.is_batch))
    async def write(name: str) -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise Passing
        for number in range(3):
            yield number
            await clock.sleep(1)

    async with nothing_left_behind():
        both = await asyncio.gather(write("x"), write("x"))
        late = await write.answer("x")
        assert late.source == "joined"
        readers = [asyncio.ensure_future(stream.collect()) for stream in (*both, late.value)]
        await time.advance(3)
        assert await asyncio.gather(*readers) == [[0, 1, 2]] * 3
        assert (await write.answer("x")).source == "hit"
    assert runs == 2
    assert time.waiting == 0


def test_all_of_them_around_a_plain_function() -> None:
    runs = 0

    @operation(*(case.make() for case in POLICIES.values() if not case.is_batch))
    def find(name: str) -> str:
        nonlocal runs
        runs += 1
        return name.upper()

    assert on_threads(10, lambda number: find("x")) == ["X"] * 10
    assert find.answer("x").source == "hit"
    assert runs == 1


async def test_one_set_of_policies_may_serve_many_operations() -> None:
    shared = [Share(), Cache("15m", store=MemoryStore()), Limit(at_once=2), Timeout("1h")]

    def make(number: int) -> Any:
        @operation(*shared, name=f"op {number}")
        async def find(name: str) -> int:
            await asyncio.sleep(0)
            return number

        return find

    operations = [make(number) for number in range(10)]
    async with nothing_left_behind():
        answers = await asyncio.gather(*(find("x") for find in operations for _ in range(3)))
    assert answers == [number for number in range(10) for _ in range(3)]
