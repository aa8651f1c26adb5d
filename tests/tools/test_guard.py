"""Guard: the same decisions for tools that are known by name and JSON arguments."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

import headway
from headway import BadSetup, Cache, HeadwayError, MemoryStore, Timeout, bridge
from headway.testing.clock import settle
from headway.tools import UNKNOWN, Effects, Guard, session
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import Work


def reads_company(arguments: Mapping[str, object]) -> Effects:
    return Effects(reads=(f"company:{arguments['symbol']}",))


def writes_company(arguments: Mapping[str, object]) -> Effects:
    return Effects(writes=(f"company:{arguments['symbol']}",))


KO = {"symbol": "KO"}


async def test_reads_are_kept_and_writes_void_them() -> None:
    read, write = Guard("get", reads_company), Guard("set", writes_company)
    work = Work()
    with session() as here:
        assert [await read.call(KO, work.run), await read.call(dict(KO), work.run)] == [1, 1]
        assert await write.call(KO, work.run) == 2
        assert await read.call(KO, work.run) == 3
        assert await write.call({"symbol": "PEP"}, work.run) == 4
        assert await read.call(KO, work.run) == 3
    assert here.statistics().tools["get"].voided == {"set": 1}


async def test_arguments_count_by_value_and_type_at_every_depth() -> None:
    guard, work = Guard("get", lambda arguments: Effects()), Work()
    different: list[dict[str, Any]] = [
        {"a": 1},
        {"a": 1.0},
        {"a": True},
        {"a": "1"},
        {"a": None},
        {},
        {"a": {"b": [1]}},
        {"a": {"b": [True]}},
    ]
    with session():
        for arguments in different:
            await guard.call(arguments, work.run)
        assert work.runs == len(different)
        await guard.call({"y": 1, "x": 2}, work.run)
        await guard.call({"x": 2, "y": 1}, work.run)
        assert work.runs == len(different) + 1


async def test_server_tool_and_version_tell_tools_apart() -> None:
    work = Work()

    def guard(server: str, name: str, version: str = "") -> Guard:
        return Guard(name, reads_company, server=server, version=version)

    with session():
        for one in (guard("a", "b.c"), guard("a.b", "c"), guard("", "a.b.c")):
            await one.call(KO, work.run)
        await guard("a", "b.c", "2").call(KO, work.run)
        await guard("a", "b.c").call(KO, work.run)
    assert work.runs == 4


async def test_guards_in_two_processes_ask_once() -> None:
    server, work = Server(), Work()
    guards = [
        Guard("get", reads_company, server="s", scope="global", store=SharedView(server))
        for _ in range(2)
    ]
    work.hold()
    asked = [asyncio.create_task(guard.call(KO, work.run)) for guard in guards]
    await settle()
    work.let_go()
    assert await asyncio.gather(*asked) == [1, 1]
    assert await guards[1].call(KO, work.run) == 1


async def test_a_store_of_its_own_is_voided_too() -> None:
    store, work = MemoryStore(), Work()
    read = Guard("get", reads_company, scope="global", store=store)
    write = Guard("set", writes_company)
    await read.call(KO, work.run)
    with session():
        await read.call(KO, work.run)
        await Guard("set", writes_company, store=store).call(KO, work.run)
        assert await read.call(KO, work.run) == 3
    await write.call(KO, work.run)  # outside of any session: it reaches all
    assert await read.call(KO, work.run) == 5
    with session():
        await write.call(KO, work.run)
        assert await read.call(KO, work.run) == 7


async def test_volatile_arguments() -> None:
    guard, work = Guard("get", reads_company, volatile=["request_id"]), Work()
    with session():
        for number in range(2):
            assert await guard.call({**KO, "request_id": number}, work.run) == 1


class TestErrorsAsResults:
    async def test_are_not_kept(self) -> None:
        guard, answers = Guard("get", reads_company), iter(["error", "fine", "never"])

        async def run() -> str:
            return next(answers)

        def keeps(result: str) -> bool:
            return result != "error"

        with session():
            told = [await guard.call(KO, run, keeps=keeps) for _ in range(3)]
        assert told == ["error", "fine", "fine"]

    async def test_nor_if_the_tool_called_another_tool(self) -> None:
        outer, inner, work = Guard("get", reads_company), Guard("look", reads_company), Work()

        async def run() -> str:
            await inner.call(KO, work.run)
            return f"error {work.runs}"

        with session() as here:
            for _ in range(2):
                await outer.call(KO, run, keeps=lambda result: not result.startswith("error"))
            tools = here.statistics().tools
        assert (tools["get"].ran, tools["look"].ran, tools["look"].hit) == (2, 1, 1)

    async def test_are_the_answer_of_who_asked_alone(self) -> None:
        guard, work = Guard("get", reads_company), Work()
        with session() as here:
            work.hold()
            asked = [
                asyncio.create_task(guard.call(KO, work.run, keeps=lambda result: False))
                for _ in range(3)
            ]
            await settle()
            work.let_go()
            assert sorted(await asyncio.gather(*asked)) == [1, 2, 3]
        assert here.statistics().tools["get"].ran == 3

    async def test_each_asker_says_what_it_keeps(self) -> None:
        guard, work = Guard("get", reads_company), Work()
        with session():
            assert await guard.call(KO, work.run, keeps=lambda result: False) == 1
            assert await guard.call(KO, work.run) == 2
            assert await guard.call(KO, work.run, keeps=lambda result: False) == 2  # as it was kept

    async def test_raised_ones_reach_who_waits_and_are_not_kept(self) -> None:
        guard, work = Guard("get", reads_company), Work()

        async def fails() -> int:
            return await work.run(LookupError())

        with session():
            work.hold()
            asked = [asyncio.create_task(guard.call(KO, fails)) for _ in range(2)]
            await settle()
            work.let_go()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [LookupError] * 2
            assert work.runs == 1
            assert await guard.call(KO, work.run) == 2


class TestEffectsThatCannotBeTold:
    async def test_are_a_write_of_anything(self) -> None:
        careless, read = Guard("odd", lambda said: said["missing"]), Guard("get", reads_company)  # type: ignore[arg-type, return-value]
        work = Work()
        with session():
            await read.call(KO, work.run)
            assert [await careless.call({}, work.run) for _ in range(2)] == [2, 3]
            assert await read.call(KO, work.run) == 4
        assert careless.effects({}) == UNKNOWN
        assert read.effects(KO) == Effects(reads=("company:KO",))

    async def test_nor_what_is_no_effects(self) -> None:
        assert Guard("odd", lambda said: "read").effects({}) == UNKNOWN  # type: ignore[arg-type, return-value]


class TestScopes:
    async def test_tenants(self) -> None:
        guard, work = Guard("tget", reads_company, scope="tenant"), Work()
        for tenant in ("a", "b", "a"):
            with headway.scope(tenant=tenant):
                await guard.call(KO, work.run)
        assert work.runs == 2
        with pytest.raises(HeadwayError, match=r"tget: .*no tenant is set"):
            await guard.call(KO, work.run)

    async def test_outside_of_a_session(self) -> None:
        guard, work = Guard("get", reads_company), Work()
        assert [await guard.call(KO, work.run) for _ in range(2)] == [1, 2]

    async def test_one_session_for_guards_made_before_and_in_it(self) -> None:
        before, work = Guard("get", reads_company), Work()
        with session():
            await before.call(KO, work.run)
            await Guard("get", reads_company).call(KO, work.run)
        assert work.runs == 1


class TestWithoutALoop:
    def test_kept_shared_and_voided(self) -> None:
        read, write = Guard("get", reads_company), Guard("set", writes_company)
        runs = []

        def run() -> int:
            runs.append(threading.current_thread())
            return len(runs)

        with session():
            assert [read.call_sync(KO, run) for _ in range(2)] == [1, 1]
            write.call_sync(KO, run)
            assert read.call_sync(KO, run) == 3
        assert threading.current_thread() not in runs

    async def test_the_same_question_asked_with_and_without(self) -> None:
        guard, work = Guard("get", reads_company), Work()
        with session():
            assert await guard.call(KO, work.run) == 1
            assert await asyncio.to_thread(guard.call_sync, KO, lambda: 2) == 1


async def test_a_hit_needs_no_task() -> None:
    guard, work = Guard("get", reads_company), Work()
    with session():
        first = bridge.now_or_task(guard.call(KO, work.run))
        assert isinstance(first, asyncio.Task)
        assert await first == 1
        assert bridge.now_or_task(guard.call(KO, work.run)) == 1


async def test_invalidate_one_question() -> None:
    guard, work = Guard("get", reads_company), Work()
    with session():
        await guard.call(KO, work.run)
        await guard.invalidate(KO)
        assert await guard.call(KO, work.run) == 2


def test_policies_and_slips() -> None:
    guard = Guard("get", reads_company, server="s", policies=[Timeout("1s")])
    assert guard.operation.explain() == "Watch > InSession > Timeout > s.get"
    with pytest.raises(BadSetup, match=r"s.get: Cache among the policies"):
        Guard("get", reads_company, server="s", policies=[Cache("1m")])
    with pytest.raises(BadSetup, match="get: scope='all'"):
        Guard("get", reads_company, scope="all")  # type: ignore[arg-type]
    with pytest.raises(BadSetup, match="get: ttl"):
        Guard("get", reads_company, ttl="soon")
