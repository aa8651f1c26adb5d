"""``@tool``: what counts in the key, how long and what is kept, and what stands around it."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

import headway
from headway import (
    BadSetup,
    Cache,
    CallEnded,
    CallTimedOut,
    Event,
    Limit,
    PolicyActed,
    Retry,
    Share,
    clock,
    listen,
)
from headway.testing import FakeClock
from headway.testing.clock import settle
from headway.tools import session, tool
from tests.policies.work import Work
from tests.tools.data import Data


def test_it_stays_a_real_function() -> None:
    @tool(reads=["company:{symbol}"])
    async def read(symbol: str, deep: bool = False) -> int:
        """What it is for."""
        return 1

    @tool(writes=["company:{symbol}"])
    def write(symbol: str) -> int:
        """What it changes."""
        return 1

    assert inspect.iscoroutinefunction(read)
    assert not inspect.iscoroutinefunction(write)
    assert (read.__doc__, write.__doc__) == ("What it is for.", "What it changes.")
    assert list(inspect.signature(read).parameters) == ["symbol", "deep"]
    assert list(inspect.signature(write).parameters) == ["symbol"]
    assert read.operation.kind == write.operation.kind == "tool"
    assert read.explain().startswith("Watch > InSession > tests.tools")


async def test_a_method() -> None:
    class Desk:
        def __init__(self) -> None:
            self.runs = 0

        @tool(reads=["company:{symbol}"])
        async def read(self, symbol: str) -> int:
            self.runs += 1
            return self.runs

        @tool(reads=["company:{symbol}"], normalise=lambda said: {"s": said["symbol"].upper()})
        async def look(self, symbol: str) -> int:
            self.runs += 1
            return self.runs

    one, other = Desk(), Desk()
    with session():
        assert [await one.read("KO"), await one.read("KO"), await other.read("KO")] == [1, 1, 1]
        assert [await one.look("ko"), await one.look("KO"), await other.look("KO")] == [2, 2, 2]
    assert (one.runs, other.runs) == (2, 2)


async def test_a_stream_is_kept_when_it_is_complete() -> None:
    runs = 0

    @tool(reads=["news"])
    async def news() -> AsyncIterator[int]:
        nonlocal runs
        runs += 1
        yield 1
        yield 2

    with session():
        for _ in range(2):
            assert [item async for item in await news()] == [1, 2]
    assert runs == 1


class TestWhatCountsInTheKey:
    async def test_every_argument_and_its_type(self) -> None:
        seen: list[object] = []

        @tool(reads=[])
        async def echo(value: object) -> object:
            seen.append(value)
            return value

        with session():
            for value in (1, True, 1.0, "1", [1], (1,), {"a": 1}, {"a": True}, None):
                await echo(value)
                await echo(value)
        assert len(seen) == 9

    async def test_volatile_arguments_do_not(self) -> None:
        work = Work()

        @tool(reads=["a"], volatile=["request_id", "at"])
        async def read(symbol: str, request_id: str, at: float = 0.0) -> int:
            return await work.run()

        with session():
            assert await read("KO", "1", at=1.0) == await read("KO", request_id="2") == 1
            assert await read("PEP", "1") == 2

    async def test_normalised_ones_do_as_they_are_then(self) -> None:
        work = Work()

        @tool(
            reads=["a"],
            volatile=["request_id"],
            normalise=lambda said: {**said, "query": " ".join(said["query"].lower().split())},
        )
        async def search(query: str, request_id: str, limit: int = 10) -> int:
            return await work.run()

        with session():
            assert await search("Coca  Cola", "1") == await search("coca cola", "2", limit=10) == 1
            assert await search("coca cola", "1", 20) == 2

    async def test_the_version(self) -> None:
        work = Work()

        async def read() -> int:
            return await work.run()

        with session():
            for version in (1, 2, 1):
                await tool(reads=["a"], name="read", version=version)(read)()
        assert work.runs == 2

    async def test_a_question_without_a_key_runs_each_time(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Context:
            def __init__(self) -> None:
                self.hidden = object()

        work = Work()

        @tool(reads=["a"], name="with_context")
        async def read(context: Context) -> int:
            return await work.run()

        with session() as here, caplog.at_level(logging.WARNING):
            assert [await read(Context()), await read(Context())] == [1, 2]
        assert here.statistics().tools["with_context"].bypassed == 2
        assert caplog.text.count("name what does not belong to it by volatile=") == 1


class TestWhatIsKept:
    async def test_for_a_time(self) -> None:
        data, fake = Data(ttl="10s"), FakeClock()
        with clock.use(fake), session():
            await data.read("KO")
            await fake.advance("9s")
            assert (await data.read.answer("KO")).source == "hit"
            await fake.advance("2s")
            assert (await data.read.answer("KO")).source == "ran"

    async def test_five_minutes_unless_said_otherwise(self) -> None:
        data, fake = Data(), FakeClock()
        with clock.use(fake), session():
            await data.read("KO")
            await fake.advance("299s")
            assert (await data.read.answer("KO")).age_s == pytest.approx(299)
            await fake.advance("2s")
            assert (await data.read.answer("KO")).source == "ran"

    async def test_a_time_told_by_the_result(self) -> None:
        data, fake = Data(ttl=lambda result: 5 if result.startswith("KO") else None), FakeClock()
        with clock.use(fake), session():
            for symbol, source in (("KO", "ran"), ("KO", "hit"), ("PEP", "ran"), ("PEP", "ran")):
                assert (await data.read.answer(symbol)).source == source

    async def test_no_error(self) -> None:
        work = Work()

        @tool(reads=["a"])
        async def read(error: Exception | None) -> int:
            return await work.run(error)

        with session():
            for _ in range(2):
                with pytest.raises(LookupError):
                    await read(LookupError("the same"))
        assert work.runs == 2

    async def test_nothing_that_is_not_wanted(self) -> None:
        work = Work()

        @tool(reads=["a"], keeps=lambda result: result % 2 == 0)
        async def read() -> int:
            return await work.run()

        with session():
            assert [await read() for _ in range(4)] == [1, 2, 2, 2]

    async def test_what_is_not_wanted_is_not_shared_either(self) -> None:
        work = Work()

        @tool(reads=["a"], keeps=lambda result: False, name="read")
        async def read() -> int:
            return await work.run()

        with session() as here:
            work.hold()
            asked = [asyncio.create_task(read()) for _ in range(3)]
            await settle()
            assert work.runs == 1
            work.let_go()
            assert sorted(await asyncio.gather(*asked)) == [1, 2, 3]
        assert (here.statistics().tools["read"].ran, work.runs) == (3, 3)

    async def test_the_same_object_unless_copies_are_wanted(self) -> None:
        def make(copy: bool) -> Any:
            async def read() -> list[int]:
                return [1]

            return tool(reads=["a"], name=f"read {copy}", copy=copy)(read)

        shared, copied = make(False), make(True)
        with session():
            assert await shared() is await shared()
            (await copied()).append(2)
            (await copied()).append(3)
            assert await copied() == [1]


class TestAround:
    async def test_a_time_out_and_a_limit(self) -> None:
        work, fake = Work(), FakeClock()

        @tool(reads=["{n}"], timeout="1s", at_once=2)
        async def read(n: int) -> int:
            return await work.run()

        with clock.use(fake), session():
            work.hold()
            asked = [asyncio.create_task(read(n)) for n in range(3)]
            await settle()
            assert work.inside == 2
            await fake.advance("1s")
            with pytest.raises(CallTimedOut):
                await asked[0]
            work.let_go()
            await asyncio.gather(*asked, return_exceptions=True)
        assert "Limit > Timeout" in read.explain()

    async def test_other_policies(self) -> None:
        work = Work()

        @tool(reads=["a"], policies=[Retry(3, on=ConnectionError, first_wait=0)])
        async def read() -> int:
            return await work.run(ConnectionError() if work.runs == 0 else None)

        with session():
            assert await read() == 2

    @pytest.mark.parametrize("policy", [Cache("1m"), Share()])
    def test_none_that_answers_past_the_session(self, policy: headway.Policy) -> None:
        async def read() -> None: ...

        with pytest.raises(BadSetup, match="would answer past the session"):
            tool(reads=["a"], policies=[Limit(at_once=1), policy])(read)


class TestSwitchedOff:
    async def test_every_call_runs(self) -> None:
        data = Data()
        with session(), headway.off():
            await data.read("KO")
            await data.read("KO")
        assert data.runs["read"] == 2

    async def test_a_write_still_voids(self) -> None:
        data = Data()
        with session():
            await data.read("KO")
            with headway.off():
                await data.write("KO")
            assert await data.read("KO") == "KO 1"

    async def test_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADWAY", "off")
        data = Data()
        with session():
            await data.read("KO")
            await data.read("KO")
        assert data.runs["read"] == 2


class TestEvents:
    async def test_calls_say_how_they_were_answered_and_what_they_touch(self) -> None:
        data, seen = Data(), list[Event]()
        with listen(seen.append), session():
            for _ in range(2):
                await data.read("KO")
            await data.write("KO")
        ended = [event for event in seen if isinstance(event, CallEnded)]
        assert [(event.operation, event.kind, event.source) for event in ended] == [
            ("read", "tool", "ran"),
            ("read", "tool", "hit"),
            ("write", "tool", "ran"),
        ]
        assert ended[0].key == ended[1].key
        assert ended[0].effects is not None
        assert ended[2].effects is not None
        assert ended[0].effects.reads == ended[2].effects.writes
        assert "KO" not in repr(seen)

    async def test_policies_say_what_they_did(self) -> None:
        data, seen = Data(), list[tuple[str, str, str | None]]()

        @tool(name="unknown")
        async def unknown() -> None: ...

        def note(event: Event) -> None:
            if isinstance(event, PolicyActed):
                seen.append((event.operation, event.action, event.detail))

        with listen(note):
            await data.read("KO")
            with session():
                await data.read("KO")
                await data.write("KO")
                await unknown()
                with headway.off():
                    await data.read("KO")
        assert seen == [
            ("read", "bypassed", "no session"),
            ("write", "voided", None),
            ("unknown", "voided", "everything"),
            ("read", "bypassed", "switched off"),
        ]
