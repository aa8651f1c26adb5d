"""Coalescing under random arrivals, cancellations and failures of the work."""

import asyncio
import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import Cache, CallCancelled, Policy, Share, clock, operation
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import on_threads


@dataclass(frozen=True)
class Caller:
    """Asks about *key* at *arrives* ms, and is cancelled at *leaves* ms unless that is None."""

    key: int
    arrives: int
    leaves: int | None


@dataclass(frozen=True)
class Run:
    """How one run of the work goes: for how long, how it ends, how long it takes to clean up."""

    takes: int
    ends: str
    cleans_up: int


callers = st.builds(Caller, st.integers(0, 2), st.integers(0, 30), st.none() | st.integers(0, 60))
runs = st.builds(
    Run,
    st.integers(0, 20),
    st.sampled_from(["answers", "answers", "fails", "cancels itself"]),
    st.integers(0, 5),
)


class World:
    """Work on a fake clock, and what is found out about it."""

    def __init__(self, plan: list[Run]) -> None:
        self.plan = plan
        self.begun = 0
        self.runs: Counter[int] = Counter()
        self.inside: Counter[int] = Counter()
        self.most_inside = 0
        self.errors: set[Exception] = set()

    async def work(self, key: int) -> tuple[int, int]:
        run = self.plan[self.begun % len(self.plan)]
        self.begun += 1
        number = self.begun
        self.runs[key] += 1
        self.inside[key] += 1
        self.most_inside = max(self.most_inside, self.inside[key])
        try:
            try:
                await clock.sleep(run.takes / 1000)
            finally:
                if run.cleans_up:
                    await clock.sleep(run.cleans_up / 1000)
            if run.ends == "fails":
                error = ConnectionError(number)
                self.errors.add(error)
                raise error
            if run.ends == "cancels itself":
                raise asyncio.CancelledError
            return key, number
        finally:
            self.inside[key] -= 1


async def ask(find: Any, caller: Caller) -> object:
    await clock.sleep(caller.arrives / 1000)
    return await find(caller.key)


async def play(policy: Policy, plan: list[Run], people: list[Caller]) -> None:
    world, time = World(plan), FakeClock()
    with clock.use(time):
        before = asyncio.all_tasks()
        find = operation(policy, name="find")(world.work)
        tasks = [asyncio.create_task(ask(find, caller)) for caller in people]
        for task, caller in zip(tasks, people, strict=True):
            if caller.leaves is not None:
                time.call_later(caller.leaves / 1000, task.cancel)
        for _ in range(200):
            await time.advance("5ms")
            if all(task.done() for task in tasks):
                break
        assert all(task.done() for task in tasks), "a caller hangs"
        await time.advance("1s")
        assert asyncio.all_tasks() == before, "a task was left behind"
        assert world.most_inside <= 1, "two runs at once for one key"
        assert sum(world.inside.values()) == 0
        assert time.waiting == 0
    for task, caller in zip(tasks, people, strict=True):
        check(task, caller, world)


def check(task: "asyncio.Task[object]", caller: Caller, world: World) -> None:
    if task.cancelled():
        assert caller.leaves is not None, "cancelled, though nobody asked for it"
    elif (error := task.exception()) is not None:
        assert error in world.errors or isinstance(error, CallCancelled)
    else:
        key, number = task.result()  # type: ignore[misc]
        assert key == caller.key
        assert 1 <= number <= world.begun


@pytest.mark.parametrize("policy", [Share, lambda: Cache("1h"), lambda: Cache("10ms", stale_for=1)])
@settings(max_examples=120)
@given(plan=st.lists(runs, min_size=1, max_size=6), people=st.lists(callers, max_size=12))
def test_under_random_cancellation(policy: Any, plan: list[Run], people: list[Caller]) -> None:
    asyncio.run(play(policy(), plan, people))


@settings(max_examples=60)
@given(people=st.lists(callers, max_size=20), takes=st.integers(0, 50))
def test_who_stays_keeps_the_first_run_alive(people: list[Caller], takes: int) -> None:
    async def run() -> None:
        time, world = FakeClock(), World([Run(takes, "answers", 0)])
        everyone = [Caller(0, 0, None), *people]
        with clock.use(time):
            find = operation(Cache("1h"), name="find")(world.work)
            tasks = [asyncio.create_task(ask(find, caller)) for caller in everyone]
            for task, caller in zip(tasks, everyone, strict=True):
                if caller.leaves is not None:
                    time.call_later(caller.leaves / 1000, task.cancel)
            await time.advance("1s")
        assert world.runs[0] == 1
        for task, caller in zip(tasks, everyone, strict=True):
            assert task.done()
            assert caller.leaves is not None or not task.cancelled()

    asyncio.run(run())


@settings(max_examples=120)
@given(
    plan=st.lists(runs, min_size=1, max_size=6),
    people=st.lists(st.tuples(callers, st.integers(0, 2)), max_size=12),
    fails=st.sets(st.sampled_from(["get", "set", "lease", "wait", "renew", "release"]), max_size=2),
)
def test_among_processes_under_random_cancellation(
    plan: list[Run], people: list[tuple[Caller, int]], fails: set[str]
) -> None:
    """Three processes over one store, of which one finds the store failing."""

    async def run() -> None:
        world, time, server = World(plan), FakeClock(), Server()
        with clock.use(time):
            before = asyncio.all_tasks()
            views = [SharedView(server) for _ in range(3)]
            views[2].fails = fails
            caches = [Cache("1h", store=view, lease="9ms") for view in views]
            finds: list[Any] = [operation(cache, name="find")(world.work) for cache in caches]
            tasks = [asyncio.create_task(ask(finds[process], caller)) for caller, process in people]
            for task, (caller, _) in zip(tasks, people, strict=True):
                if caller.leaves is not None:
                    time.call_later(caller.leaves / 1000, task.cancel)
            for _ in range(200):
                await time.advance("5ms")
                if all(task.done() for task in tasks):
                    break
            assert all(task.done() for task in tasks), "a caller hangs"
            await time.advance("1s")
            assert asyncio.all_tasks() == before, "a task was left behind"
            assert sum(world.inside.values()) == 0
            assert time.waiting == 0
            assert all(server.holder(key) is None for key in server.holders)
        for task, (caller, _) in zip(tasks, people, strict=True):
            check(task, caller, world)

    asyncio.run(run())


@settings(max_examples=60)
@given(
    people=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=20),
    takes=st.integers(0, 40),
)
def test_among_processes_who_stay_share_one_run(people: list[tuple[int, int]], takes: int) -> None:
    async def run() -> None:
        time, world, server = FakeClock(), World([Run(takes, "answers", 0)]), Server()
        with clock.use(time):
            caches = [Cache("1h", store=SharedView(server), lease="9ms") for _ in range(4)]
            finds: list[Any] = [operation(cache, name="find")(world.work) for cache in caches]
            tasks = [
                asyncio.create_task(ask(finds[process], Caller(0, arrives, None)))
                for arrives, process in people
            ]
            await time.advance("1s")
            assert {task.result() for task in tasks} == {(0, 1)}
        assert world.begun == 1
        counted = [cache.statistics() for cache in caches]
        assert sum(one.misses for one in counted) == 1
        assert sum(one.misses + one.joined + one.hits for one in counted) == len(people)

    asyncio.run(run())


@settings(max_examples=60)
@given(
    plan=st.lists(
        st.sampled_from(["ask", "ask", "ask", "invalidate", "clear", "wait"]), max_size=25
    )
)
def test_no_answer_from_before_an_invalidation_is_given_after_it(plan: list[str]) -> None:
    async def world() -> None:
        time, version = FakeClock(), 0
        cache = Cache("1h", tags=("all",))
        asked: list[tuple[int, asyncio.Task[int]]] = []

        @operation(cache)
        async def find(name: str) -> int:
            seen = version
            await clock.sleep(0.01)
            return seen

        with clock.use(time):
            for step in plan:
                if step == "ask":
                    asked.append((version, asyncio.create_task(find("x"))))
                    await settle(3)
                elif step == "wait":
                    await time.advance("7ms")
                else:
                    version += 1
                    await (cache.clear() if step == "clear" else cache.invalidate("all"))
            await time.advance("1s")
        for version_then, task in asked:
            assert task.result() >= version_then

    asyncio.run(world())


@settings(max_examples=60)
@given(
    plan=st.lists(
        st.tuples(
            st.sampled_from(["ask", "ask", "ask", "invalidate", "question", "clear", "wait"]),
            st.integers(0, 1),
        ),
        max_size=25,
    )
)
def test_among_processes_nothing_from_before_an_invalidation(plan: list[tuple[str, int]]) -> None:
    async def world() -> None:
        time, version, server = FakeClock(), 0, Server()
        caches = [Cache("1h", tags=("all:x",), store=SharedView(server)) for _ in range(2)]
        asked: list[tuple[int, asyncio.Task[int]]] = []

        async def find(name: str) -> int:
            seen = version
            await clock.sleep(0.01)
            return seen

        finds: list[Any] = [operation(cache, name="find")(find) for cache in caches]
        with clock.use(time):
            for step, process in plan:
                if step == "ask":
                    asked.append((version, asyncio.create_task(finds[process]("x"))))
                    await settle(3)
                elif step == "wait":
                    await time.advance("7ms")
                elif step == "question":
                    version += 1
                    await finds[process].invalidate("x")
                else:
                    version += 1
                    cache = caches[process]
                    await (cache.clear() if step == "clear" else cache.invalidate("all:*"))
            await time.advance("10s")
        for version_then, task in asked:
            assert task.result() >= version_then

    asyncio.run(world())


@pytest.mark.parametrize("seed", range(3))
def test_two_loops_and_plain_threads_at_random(seed: int) -> None:
    """Real threads: what must hold whatever the order is."""
    share, lock = Share(), threading.Lock()
    inside: Counter[int] = Counter()
    most: list[int] = []

    def enter(key: int) -> None:
        with lock:
            inside[key] += 1
            most.append(inside[key])

    def leave(key: int) -> None:
        with lock:
            inside[key] -= 1

    @operation(share)
    async def find(key: int) -> int:
        enter(key)
        try:
            await asyncio.sleep(0.001)
            return key
        finally:
            leave(key)

    async def visit(chance: random.Random) -> None:
        for _ in range(20):
            key = chance.randrange(3)
            try:
                async with asyncio.timeout(chance.choice([0.0005, 0.001, 5])):
                    assert await find(key) == key
            except TimeoutError:
                pass

    async def many(number: int) -> str:
        chance = random.Random(f"{seed} {number}")
        await asyncio.gather(*(visit(chance) for _ in range(5)))
        await settle()
        return "done" if len(asyncio.all_tasks()) == 1 else f"left {asyncio.all_tasks()}"

    assert on_threads(3, lambda number: asyncio.run(many(number)), within_s=20) == ["done"] * 3
    assert sum(inside.values()) == 0
    assert not share._flights
