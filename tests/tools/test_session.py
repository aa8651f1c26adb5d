"""A session: who is in it shares what was read, and nobody else does."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

import headway
from headway import BadSetup, HeadwayError, MemoryStore, clock
from headway.testing import FakeClock
from headway.tools import Effects, Guard, Session, current_session, session, tool
from headway.tools.results import Keeping
from tests.policies.work import on_threads
from tests.tools.data import Data


async def test_equal_reads_run_once_in_a_session() -> None:
    data = Data()
    async with session():
        assert await data.read("KO") == await data.read(symbol="KO") == "KO 0"
        assert (await data.read.answer("KO")).source == "hit"
        await data.read("PEP")
    assert data.runs["read"] == 2


async def test_outside_of_a_session_every_call_runs() -> None:
    data = Data()
    await data.read("KO")
    with session():
        await data.read("KO")
    await data.read("KO")
    assert data.runs["read"] == 3
    assert current_session() is None


async def test_two_sessions_share_nothing() -> None:
    data = Data()
    for _ in range(2):
        with session("same name"):
            await data.read("KO")
    assert data.runs["read"] == 2


async def test_nested_agents_inherit_it() -> None:
    data = Data()

    async def agent(depth: int) -> list[str]:
        with headway.scope(agent=f"level {depth}"):
            if depth:
                below = await asyncio.gather(agent(depth - 1), agent(depth - 1))
                return [one for answers in below for one in answers]
            return [await data.read("KO")]

    async with session():
        assert await agent(3) == ["KO 0"] * 8
    assert data.runs["read"] == 1


async def test_it_is_not_seen_by_siblings() -> None:
    data = Data()
    inside, done = asyncio.Event(), asyncio.Event()

    async def has_one() -> None:
        async with session("mine"):
            await data.read("KO")
            inside.set()
            await done.wait()

    async def has_none() -> None:
        await inside.wait()
        assert current_session() is None
        await data.read("KO")
        done.set()

    await asyncio.gather(has_one(), has_none())
    assert data.runs["read"] == 2


async def test_a_task_that_outlives_the_block_keeps_it() -> None:
    data = Data()
    left = asyncio.Event()

    async def late() -> str:
        await left.wait()
        return await data.read("KO")

    with session() as mine:
        task = asyncio.create_task(late())
        await data.read("KO")
    left.set()
    await task
    assert mine.statistics().tools["read"].hit == 1


def test_threads() -> None:
    runs = []

    @tool(reads=["company:{symbol}"])
    def read(symbol: str) -> int:
        runs.append(symbol)
        return len(runs)

    with session() as mine:
        read("KO")
        with ThreadPoolExecutor() as pool:
            assert pool.submit(copy_context().run, read, "KO").result() == 1
            assert pool.submit(read, "KO").result() == 2  # without a context there is no session

        def enters_it() -> None:
            with mine:
                assert read("KO") == 1
            assert current_session() is None

        thread = threading.Thread(target=enters_it)
        thread.start()
        thread.join(5)
    assert runs == ["KO", "KO"]


async def test_plain_functions_called_from_async_code() -> None:
    runs, go_on = [], threading.Event()

    @tool(reads=["company:{symbol}"])
    def read(symbol: str) -> int:
        runs.append(symbol)
        go_on.wait(5)
        return len(runs)

    async with session() as mine:
        asked = [asyncio.create_task(asyncio.to_thread(read, "KO")) for _ in range(4)]
        await until_joined(mine, 3)
        go_on.set()
        assert await asyncio.gather(*asked) == [1] * 4


def test_plain_code_at_once_on_many_threads() -> None:
    runs, go_on = [], threading.Event()

    @tool(reads=["company:{symbol}"])
    def read(symbol: str) -> int:
        runs.append(symbol)
        go_on.wait(5)
        return len(runs)

    with session() as mine:

        def ask(number: int) -> int:
            with mine:
                if number == 0:
                    asyncio.run(until_joined(mine, 6))
                    go_on.set()
                return read("KO")

        assert on_threads(8, ask) == [1] * 8


async def until_joined(shared: Session, callers: int) -> None:
    """Return when so many wait for work that others have begun."""
    cache = shared.results.cache(Keeping("5m"))
    for _ in range(5_000):
        if cache.statistics().joined >= callers:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("they do not come")


class TestInsideOneAnother:
    async def test_each_has_results_of_its_own(self) -> None:
        data = Data()
        with session("outer") as outer:
            await data.read("KO")
            with session("inner") as inner:
                assert current_session() is inner
                await data.read("KO")
                await data.read("KO")
            assert current_session() is outer
            await data.read("KO")
        assert data.runs["read"] == 2

    async def test_a_write_in_one_voids_in_all(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            with session():
                await data.read("KO")
                await data.write("KO")
                assert await data.read("KO") == "KO 1"
            assert await data.read("KO") == "KO 1"

    async def test_a_write_outside_voids_inside(self) -> None:
        data = Data()
        wrote = asyncio.Event()
        read = asyncio.Event()

        async def inner() -> None:
            with session():
                await data.read("KO")
                read.set()
                await wrote.wait()
                assert await data.read("KO") == "KO 1"

        with session():
            task = asyncio.create_task(inner())
            await read.wait()
            await data.write("KO")
            wrote.set()
            await task

    async def test_one_that_is_open_can_be_entered_again(self) -> None:
        data = Data()
        with session() as mine:
            await data.read("KO")
            with session():
                with mine:
                    await data.read("KO")
                assert current_session() is not mine
        assert current_session() is None
        assert data.runs["read"] == 1

    async def test_one_inside_two_joins_them(self) -> None:
        data = Data()
        mine, child = session(), session()
        with mine, child:
            await data.read("KO")
        with session(), mine:
            await data.write("KO")
        with mine, child:
            assert await data.read("KO") == "KO 1"

    @pytest.mark.parametrize("is_inside", [True, False])
    async def test_one_that_is_entered_during_a_write(self, is_inside: bool) -> None:
        data, other = Data(), Data()
        other.versions = data.versions
        with session() if is_inside else contextlib.nullcontext():
            other.hold()
            write = asyncio.create_task(other.write("KO"))
            await other.until_begun()
            with session() as late:
                assert await data.read("KO") == "KO 0"
                other.open.set()
                await write
                assert await data.read("KO") == "KO 1"
        assert late.statistics().tools["read"].voided == {"write": 1}

    def test_left_in_the_wrong_order(self) -> None:
        one, two = session(), session()
        with one:
            two.__enter__()
            with pytest.raises(BadSetup, match="left where it was not entered"):
                one.__exit__(None, None, None)
            two.__exit__(None, None, None)
        assert current_session() is None


async def test_a_write_that_belongs_to_no_session_reaches_all() -> None:
    data = Data()
    with session() as mine:
        await data.read("KO")

        def lost_its_context() -> None:
            asyncio.run(data.write("KO"))

        thread = threading.Thread(target=lost_its_context)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert await data.read("KO") == "KO 1"
    assert mine.statistics().tools["read"].ran == 2


async def test_a_write_in_a_session_leaves_strangers_alone() -> None:
    data = Data()
    wrote, read = asyncio.Event(), asyncio.Event()

    async def stranger() -> None:
        with session():
            await data.read("KO")
            read.set()
            await wrote.wait()
            assert (await data.read.answer("KO")).source == "hit"

    async def writer() -> None:
        with session():
            await read.wait()
            await data.write("KO")
            wrote.set()

    await asyncio.gather(stranger(), writer())


class TestWhoMayHaveAResult:
    async def test_different_credentials_never_share(self) -> None:
        data = Data()
        with session():
            for tenant in ("a", "b", "a"):
                with headway.scope(tenant=tenant):
                    await data.read("KO")
        assert data.runs["read"] == 2

    async def test_a_tenants_results_are_kept_across_sessions(self) -> None:
        data = Data(scope="tenant")
        for tenant in ("a", "b", "a", "b"):
            with session(), headway.scope(tenant=tenant):
                await data.read("T-KO")
        assert data.runs["read"] == 2

    async def test_a_missing_tenant_is_an_error(self) -> None:
        data = Data(scope="tenant")
        with session(), pytest.raises(HeadwayError, match=r"^read: .*no tenant is set"):
            await data.read("KO")
        assert data.runs["read"] == 0

    async def test_everyone_with_and_without_a_session(self) -> None:
        data = Data(scope="global")
        await data.read("G-KO")
        with session():
            await data.read("G-KO")
        with headway.scope(tenant="a"), session():
            await data.read("G-KO")
        assert data.runs["read"] == 1
        with session():
            await data.write("G-KO")
        assert await data.read("G-KO") == "G-KO 1"

    async def test_a_name_set_by_hand_parts_results_too(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            with headway.scope(session="of user 7"):
                await data.read("KO")
        assert data.runs["read"] == 2

    async def test_a_named_session_is_the_session_of_the_scope(self) -> None:
        from headway.scope import current

        with headway.scope(session="before"):
            with session("report"):
                assert current.get().session == "report"
            with session():
                assert current.get().session == "before"
            assert current.get().session == "before"


class TestAStoreThatIsGiven:
    async def test_sessions_of_one_name_share_it(self) -> None:
        data, store = Data(), MemoryStore()
        for name in ("a", "b", "a"):
            with session(name, store=store):
                await data.read("KO")
        assert data.runs["read"] == 2

    async def test_without_a_name_they_do_not(self) -> None:
        data, store = Data(), MemoryStore()
        for _ in range(2):
            with session(store=store):
                await data.read("KO")
        assert data.runs["read"] == 2

    async def test_a_write_in_one_session_voids_in_the_store(self) -> None:
        data, store = Data(), MemoryStore()
        with session("a", store=store):
            await data.read("KO")
        with session("b", store=store):
            await data.write("KO")
        with session("a", store=store):
            assert await data.read("KO") == "KO 1"

    async def test_wider_results_rest_there_too(self) -> None:
        data, store = Data(scope="global"), MemoryStore()
        with session(store=store):
            await data.read("S-KO")
            with session():
                await data.read("S-KO")
        assert store.statistics().entries == 1
        assert data.runs["read"] == 1


class TestByHand:
    async def test_invalidate(self) -> None:
        data = Data()
        with session() as mine:
            for resource in ("company:KO", "company:*", "*"):
                await data.read("KO")
                await data.read("PEP")
                data.versions["KO"] += 1
                await mine.invalidate(resource)
                assert await data.read("KO") == f"KO {data.versions['KO']}"
            await mine.invalidate("company:AMD")
            assert (await data.read.answer("KO")).source == "hit"
        assert mine.statistics().tools["read"].voided == {"invalidate": 4}

    async def test_clear(self) -> None:
        data = Data()
        with session() as mine:
            await data.read("KO")
            await mine.clear()
            await data.read("KO")
        assert data.runs["read"] == 2

    async def test_one_question(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            await data.read("PEP")
            await data.read.invalidate("KO")
            assert (await data.read.answer("KO")).source == "ran"
            assert (await data.read.answer("PEP")).source == "hit"

    def test_one_question_of_a_plain_function(self) -> None:
        @tool(reads=[])
        def add(a: int) -> int:
            return a

        with session():
            add(1)
            add.invalidate(1)
            assert add.answer(1).source == "ran"
            assert add.answer(1).source == "hit"


async def test_statistics_say_how_each_tool_was_answered() -> None:
    data = Data()
    with session("report") as mine:
        data.hold()
        asked = [asyncio.create_task(data.read("KO")) for _ in range(3)]
        await data.until_begun()
        data.open.set()
        await asyncio.gather(*asked)
        await data.read("KO")
        await data.write("KO")
        await data.read("KO")
        told = mine.statistics()
    read, write = told.tools["read"], told.tools["write"]
    assert (read.asked, read.ran, read.hit, read.joined) == (5, 2, 1, 2)
    assert read.voided == {"write": 1}
    assert (write.asked, write.ran, write.voided) == (1, 1, {})
    assert (told.name, told.asked, told.saved) == ("report", 6, 3)
    await data.read("KO")
    assert read.asked == 5  # what was told stays told


async def test_a_result_whose_time_was_over_was_not_voided() -> None:
    data, fake = Data(ttl="10s"), FakeClock()
    with clock.use(fake), session() as mine:
        await data.write("KO")
        await data.read("KO")
        await fake.advance("11s")
        await data.read("KO")
    assert mine.statistics().tools["read"].ran == 2
    assert mine.statistics().tools["read"].voided == {}


async def test_calls_that_fail_count_too() -> None:
    @tool(reads=["a"], name="fails")
    async def fails() -> None:
        raise LookupError

    with session() as mine:
        for _ in range(2):
            with pytest.raises(LookupError):
                await fails()
    assert mine.statistics().tools["fails"].ran == 2


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("",), {}, "a text that is not empty"),
        ((3,), {}, "a text that is not empty"),
        ((), {"store": MemoryStore}, "give an object, MemoryStore()"),
    ],
)
def test_slips(arguments: tuple[str, ...], options: dict[str, MemoryStore], said: str) -> None:
    with pytest.raises(BadSetup, match=said.replace("(", r"\(").replace(")", r"\)")):
        Session(*arguments, **options)


async def test_guards_of_one_tool_share_with_one_another() -> None:
    runs = 0

    async def run() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return runs

    def guard() -> Guard:
        return Guard("get", lambda arguments: Effects(reads=("a",)), server="s")

    async def sub_agent() -> int:
        return await guard().call({"x": 1}, run)

    with session():
        assert await asyncio.gather(*[sub_agent() for _ in range(4)]) == [1] * 4
        assert await sub_agent() == 1
