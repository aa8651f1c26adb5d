"""A cache in front of memory in front of a shared store: what it says, and what it asks."""

import asyncio
from typing import Any

import pytest

from headway import Cache, CallEnded, Event, MemoryStore, listen, operation, scope
from headway.stores.tiered import TieredStore
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import Work

pytestmark = pytest.mark.usefixtures("time")


class Process:
    """A cache of its own over memory and the common server."""

    def __init__(self, server: Server, work: Work, **options: Any) -> None:
        self.second = SharedView(server)
        self.store = TieredStore(MemoryStore(), self.second)
        self.cache = cache = Cache(**{"ttl": "15m", **options}, store=self.store)

        @operation(cache, name="shop.find")
        async def find(name: str) -> int:
            return await work.run()

        self.find: Any = find


async def test_it_says_which_tier_had_the_answer() -> None:
    server, work = Server(), Work()
    one, two = Process(server, work), Process(server, work)
    seen: list[Event] = []
    with listen(seen.append):
        for process in (one, one, two, two):
            assert await process.find("x") == 1
    ended = [event for event in seen if isinstance(event, CallEnded)]
    assert [(event.source, event.tier) for event in ended] == [
        ("ran", None),
        ("hit", "memory"),
        ("hit", "shared"),
        ("hit", "memory"),
    ]
    assert one.cache.statistics().hits_by_tier == {"memory": 1, "shared": 0}
    assert two.cache.statistics().hits_by_tier == {"memory": 1, "shared": 1}


async def test_a_memory_store_is_its_own_tier() -> None:
    cache = Cache("15m")

    @operation(cache)
    async def find(name: str) -> int:
        return 1

    await find("x"), await find("x")
    assert cache.statistics().hits_by_tier == {"memory": 1}


async def test_what_another_process_refreshed_is_taken_past_a_stale_memory(
    time: FakeClock,
) -> None:
    server, work = Server(), Work()
    one, two = (Process(server, work, ttl="1m", stale_for="1h") for _ in range(2))
    await one.find("x"), await two.find("x")
    await time.advance("2m")
    for process in (one, two):
        assert (await process.find.answer("x")).source == "stale"
        await time.advance("100ms")
    for process in (one, two):
        answer = await process.find.answer("x")
        assert (answer.value, answer.source) == (2, "hit")
    assert work.runs == 2


async def test_four_tiered_processes_run_once(time: FakeClock) -> None:
    server, work = Server(), Work()
    work.hold()
    four = [Process(server, work) for _ in range(4)]
    callers = [asyncio.create_task(one.find("x")) for one in four for _ in range(25)]
    await time.advance("5s")
    work.let_go()
    await time.advance("100ms")
    assert {caller.result() for caller in callers} == {1}
    assert work.runs == 1


async def test_what_is_private_stays_in_the_first_tier() -> None:
    server, work = Server(), Work()
    process = Process(server, work)
    with scope(private=True):
        assert [await process.find("x"), await process.find("x")] == [1, 1]
    await settle()
    assert not server.entries
    assert process.second.asked["set"] == process.second.asked["lease"] == 0


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_second_tier_that_fails_or_hangs_fails_no_caller(how: str, time: FakeClock) -> None:
    server, work = Server(), Work()
    process = Process(server, work, ttl="1m", stale_for="1h")
    await process.find("x")
    everything = {"get", "set", "lease", "wait", "renew", "release", "probe"}
    setattr(process.second, how, everything)
    await time.advance("2m")
    for number in range(5):
        asking = [asyncio.create_task(process.find(name)) for name in ("x", f"new {number}")]
        await time.advance("300ms")
        assert all(task.done() and task.exception() is None for task in asking)
