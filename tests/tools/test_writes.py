"""A write makes results void when it begins and when it ends, however it ends, and only its own."""

import asyncio
import contextlib
import threading
import time as machine_time
from collections.abc import AsyncIterator

import pytest

from headway import BadSetup, CallTimedOut, clock
from headway.testing import FakeClock
from headway.testing.clock import settle
from headway.tools import session, tool
from tests.policies.shared_store import Server, SharedView
from tests.tools.data import Data


async def test_only_what_was_written() -> None:
    data = Data()
    with session():
        await data.read("KO")
        await data.read("PEP")
        await data.write("KO")
        assert (await data.read.answer("PEP")).source == "hit"
        assert await data.read("KO") == "KO 1"


async def test_wildcards_on_either_side() -> None:
    runs = 0

    @tool(reads=["company:*"])
    async def screen() -> int:
        nonlocal runs
        runs += 1
        return runs

    data = Data()

    @tool(writes=["company:*"])
    async def reload() -> None: ...

    with session():
        await screen()
        await data.write("KO")
        assert await screen() == 2
        await data.read("KO")
        await reload()
        assert await screen() == 3
        assert (await data.read.answer("KO")).source == "ran"


async def test_an_undeclared_tool_voids_everything_and_is_never_kept() -> None:
    data = Data()
    runs = 0

    @tool()
    async def run_sql(text: str) -> int:
        nonlocal runs
        runs += 1
        return runs

    @tool(reads=[])
    async def add(a: int, b: int) -> int:
        return a + b

    with session():
        await data.read("KO")
        await add(1, 2)
        assert [await run_sql("select 1") for _ in range(2)] == [1, 2]
        assert (await data.read.answer("KO")).source == "ran"
        assert (await add.answer(1, 2)).source == "hit"  # which depends on nothing


async def test_equal_writes_at_once_all_run() -> None:
    data = Data()
    with session():
        await asyncio.gather(*[data.write("KO") for _ in range(3)])
    assert data.versions["KO"] == 3


async def test_what_reads_and_writes_is_a_write() -> None:
    runs = 0

    @tool(reads=["company:KO"], writes=["log"])
    async def look_up() -> int:
        nonlocal runs
        runs += 1
        return runs

    with session():
        assert [await look_up(), await look_up()] == [1, 2]


class TestWhileItRuns:
    async def test_what_was_kept_is_gone_when_it_begins(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            data.hold()
            write = asyncio.create_task(data.write("KO"))
            await data.until_begun()
            read = asyncio.create_task(data.read.answer("KO"))
            await settle()
            data.open.set()
            await write
            assert (await read).source == "ran"

    async def test_what_was_read_meanwhile_is_gone_when_it_ends(self) -> None:
        data = Data()
        with session():
            data.hold()
            write = asyncio.create_task(data.write("KO"))
            await data.until_begun()

            @tool(reads=["company:{symbol}"], name="quick")
            async def quick(symbol: str) -> int:
                return data.versions[symbol]

            assert await quick("KO") == 0
            assert (await quick.answer("KO")).source == "hit"
            data.open.set()
            await write
            assert await quick("KO") == 1

    async def test_a_read_begun_before_is_neither_kept_nor_joined(self) -> None:
        data, other = Data(), Data()
        with session():
            data.hold()
            before = asyncio.create_task(data.read("KO"))
            await data.until_begun()
            other.versions = data.versions
            other.hold()
            write = asyncio.create_task(other.write("KO"))
            await other.until_begun()
            after = asyncio.create_task(data.read.answer("KO"))
            await data.until_begun()
            assert data.runs["read"] == 2
            data.open.set()
            assert await before == "KO 0"
            assert (await after).source == "ran"
            other.open.set()
            await write
            assert await data.read("KO") == "KO 1"

    async def test_a_read_that_is_done_but_not_yet_answered_is_not_joined(self) -> None:
        versions, go_on = {"KO": 0}, asyncio.Event()

        @tool(reads=["company:KO"])
        async def read() -> int:
            seen = versions["KO"]
            await go_on.wait()
            return seen

        @tool(writes=["company:KO"])
        async def write() -> None:
            versions["KO"] += 1

        async def writes_in_that_very_turn() -> int:
            await go_on.wait()
            await write()
            return await read()

        with session():
            before = asyncio.create_task(read())
            await settle()
            after = asyncio.create_task(writes_in_that_very_turn())
            await settle()
            go_on.set()  # wakes the read first; its answer is handed out one turn later
            assert (await before, await after) == (0, 1)

    async def test_a_read_of_something_else_is_joined(self) -> None:
        data, other = Data(), Data()
        with session():
            data.hold()
            before = asyncio.create_task(data.read("PEP"))
            await data.until_begun()
            await other.write("KO")
            after = asyncio.create_task(data.read.answer("PEP"))
            await settle()
            data.open.set()
            assert (await after).source == "joined"
            await before
            assert (await data.read.answer("PEP")).source == "hit"


class TestHoweverItEnds:
    async def test_with_an_error(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            with pytest.raises(LookupError):
                await data.write("KO", LookupError())
            assert await data.read("KO") == "KO 1"

    async def test_cancelled_in_the_middle(self) -> None:
        data = Data()

        @tool(writes=["company:KO"])
        async def slow_write() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                data.versions["KO"] += 1

        with session():
            write = asyncio.create_task(slow_write())
            await settle()
            assert await data.read("KO") == "KO 0"
            write.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await write
            assert await data.read("KO") == "KO 1"

    async def test_out_of_time(self) -> None:
        data, fake = Data(), FakeClock()

        @tool(writes=["company:KO"], timeout="1s")
        async def slow_write() -> None:
            try:
                await clock.sleep(10)
            finally:
                data.versions["KO"] += 1

        with clock.use(fake), session():
            write = asyncio.create_task(slow_write())
            await settle()
            assert await data.read("KO") == "KO 0"
            await fake.advance("1s")
            with pytest.raises(CallTimedOut):
                await write
            assert await data.read("KO") == "KO 1"

    async def test_thrown_away_with_its_loop(self) -> None:
        data = Data()

        @tool(writes=["company:KO"])
        async def slow_write() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                data.versions["KO"] += 1

        with session():
            begun = slow_write()
            begun.send(None)
            assert await data.read("KO") == "KO 0"
            begun.close()
            assert await data.read("KO") == "KO 1"

    async def test_a_stream_writes_until_its_last_chunk(self) -> None:
        data = Data()
        go_on = asyncio.Event()

        @tool(writes=["company:KO"])
        async def import_all() -> AsyncIterator[str]:
            yield "first"
            await go_on.wait()
            data.versions["KO"] += 1
            yield "last"

        with session():
            stream = await import_all()
            await settle()
            assert await data.read("KO") == "KO 0"
            go_on.set()
            assert [chunk async for chunk in stream] == ["first", "last"]
            assert await data.read("KO") == "KO 1"

    def test_on_a_thread_that_goes_on_after_its_caller_was_released(self) -> None:
        versions = {"KO": 0}
        released, may_write, written = (threading.Event() for _ in range(3))

        @tool(writes=["company:KO"], timeout="20ms")
        def write() -> None:
            released.wait(5)
            may_write.wait(5)
            versions["KO"] += 1

        @tool(reads=["company:{symbol}"])
        def read(symbol: str) -> int:
            return versions[symbol]

        with session():
            with pytest.raises(CallTimedOut):
                write()
            released.set()
            assert read("KO") == 0
            assert read.answer("KO").source == "hit"
            may_write.set()
            deadline = machine_time.monotonic() + 5
            while read("KO") == 0 and machine_time.monotonic() < deadline:
                written.wait(0.001)
            assert read("KO") == 1

    def test_plain_functions(self) -> None:
        versions = {"KO": 0}

        @tool(writes=["company:{symbol}"])
        def write(symbol: str, error: Exception | None = None) -> None:
            versions[symbol] += 1
            if error is not None:
                raise error

        @tool(reads=["company:{symbol}"])
        def read(symbol: str) -> int:
            return versions[symbol]

        with session():
            assert read("KO") == 0
            write("KO")
            assert read("KO") == 1
            with pytest.raises(LookupError):
                write("KO", LookupError())
            assert read("KO") == 2


class TestAmongProcesses:
    """Two sessions of one name, each with its own view of one store, as two processes have it."""

    async def test_a_write_there_is_known_here(self) -> None:
        data, server = Data(), Server()
        here, there = session("p", store=SharedView(server)), session("p", store=SharedView(server))
        with here:
            await data.read("KO")
        with there:
            assert (await data.read.answer("KO")).source == "hit"
            await data.write("KO")
        with here:
            assert await data.read("KO") == "KO 1"
        assert data.runs["read"] == 2

    async def test_work_under_way_here_is_not_joined_after_a_write_began_there(self) -> None:
        data, other, server = Data(), Data(), Server()
        other.versions = data.versions
        here, there = session("p", store=SharedView(server)), session("p", store=SharedView(server))
        data.hold()
        with here:
            before = asyncio.create_task(data.read("KO"))
        await data.until_begun()
        with there:
            await other.write("KO")
        with here:
            after = asyncio.create_task(data.read("KO"))
        await data.until_begun()
        data.open.set()
        assert (await before, await after) == ("KO 0", "KO 1")
        with there:
            assert await data.read("KO") == "KO 1"

    async def test_a_store_that_cannot_be_told_is_not_read(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        data, view = Data(), SharedView(Server())
        with session("p", store=view):
            await data.read("KO")
            view.fails = {"invalidate"}
            await data.write("KO")
            assert await data.read("KO") == "KO 1"
            assert await data.read("KO") == "KO 1"
            assert data.runs["read"] == 3
            assert caplog.text.count("cannot be told of a write") == 1
            view.fails = set()
            for _ in range(2):
                assert await data.read("KO") == "KO 1"
            assert data.runs["read"] == 4

    async def test_what_is_owed_anew_while_it_is_paid_stays_owed(self) -> None:
        data, server = Data(), Server()
        view, elsewhere = SharedView(server), session("p", store=SharedView(server))
        may_return, paid = asyncio.Event(), asyncio.Event()
        in_time = view.invalidate

        async def slowly(tags: tuple[str, ...]) -> None:
            await in_time(tags)
            paid.set()
            await may_return.wait()

        async def reads_elsewhere() -> str:
            await paid.wait()
            with elsewhere:
                return await data.read("KO")

        reading = asyncio.create_task(reads_elsewhere())
        with session("p", store=view):
            view.fails = {"invalidate"}
            await data.write("KO")
            view.fails, view.invalidate = set(), slowly  # type: ignore[method-assign, assignment]
            before = asyncio.create_task(data.read("PEP"))
            await paid.wait()
            assert await reading == "KO 1"
            view.fails, view.invalidate = {"invalidate"}, in_time  # type: ignore[method-assign]
            await data.write("KO")
            view.fails = set()
            may_return.set()
            await before
            assert await data.read("KO") == "KO 2"
            told = view.asked["invalidate"]
            assert (await data.read.answer("KO")).source == "hit"
            assert view.asked["invalidate"] == told  # nothing is owed any more

    async def test_cancelled_twice_while_the_store_is_told(self) -> None:
        data, view = Data(), SharedView(Server())
        told = asyncio.Event()
        in_time = view.invalidate

        async def slowly(tags: tuple[str, ...]) -> None:
            await told.wait()
            await in_time(tags)

        begun = asyncio.Event()

        @tool(writes=["company:KO"])
        async def slow_write() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                data.versions["KO"] += 1

        with session("p", store=view):
            write = asyncio.create_task(slow_write())
            await begun.wait()
            assert await data.read("KO") == "KO 0"
            view.invalidate = slowly  # type: ignore[method-assign, assignment]
            write.cancel()
            await settle()
            write.cancel()
            with pytest.raises(asyncio.CancelledError):
                await write
            read = asyncio.create_task(data.read("KO"))
            await settle()
            told.set()
            assert await read == await data.read("KO") == "KO 1"

    async def test_a_function_without_a_name_is_refused(self) -> None:
        @tool(reads=["a"])
        async def nameless() -> None: ...

        with session("p", store=SharedView(Server())), pytest.raises(BadSetup, match="give it a"):
            await nameless()
        with session():
            await nameless()
