"""Several loops, threads, forks; loops that end; nothing is left open."""

import asyncio
import gc
import os
import threading
import warnings

import pytest

from headway.bridge import now_or_wait, on_a_loop
from headway.stores.redis import RedisStore
from headway.stores.redis.client import Client
from headway.testing import Valkey
from tests.stores.redis.kept import entry, value


def test_one_loop_after_another(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)
    for turn in range(5):

        async def work(turn: int = turn) -> object:
            before = await value(store, "key")
            await store.set("key", entry(turn))
            return before

        assert asyncio.run(work()) == (turn - 1 if turn else None)
        gc.collect()  # and nothing warns
        assert store._clients._by_loop == {}


def test_a_loop_may_end_at_any_moment(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)

    async def work(turns: int) -> None:
        writing = asyncio.create_task(store.set("key", entry(turns)))
        for _ in range(turns):
            await asyncio.sleep(0)
        del writing

    for turns in range(40):
        asyncio.run(work(turns))
    gc.collect()  # and nothing warns
    assert store._clients._by_loop == {}
    assert [each for each in gc.get_objects() if isinstance(each, Client)] == []


def test_two_loops_at_once(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)
    wrong: list[object] = []

    async def work(number: int) -> None:
        for turn in range(100):
            await store.set((number, turn), entry((number, turn)))
            if await value(store, (number, turn)) != (number, turn):
                wrong.append((number, turn))
            if turn % 10 == 0:
                await store.invalidate([f"tag {number}"])
        await store.aclose()

    threads = [threading.Thread(target=asyncio.run, args=(work(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.statistics().errors == {}
    assert store._clients._by_loop == {}


def test_a_loop_closed_without_a_word_does_no_harm(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(store.set("key", entry("value")))
    loop.run_until_complete(asyncio.sleep(0.05))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # whoever closes a loop so asks for it
        for task in asyncio.all_tasks(loop):
            task.cancel()
        del task  # it would hold all that was on its way
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        assert asyncio.run(value(store, "key")) == "value"
        gc.collect()
    assert store._clients._by_loop == {}


def test_threads_without_a_loop(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)
    found: dict[int, object] = {}

    async def work(number: int) -> object:
        await on_a_loop()
        await store.set(number, entry(number))
        return await value(store, number)

    def call(number: int) -> None:
        found[number] = now_or_wait(work(number))

    async def close() -> None:
        await on_a_loop()
        await store.aclose()

    threads = [threading.Thread(target=call, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now_or_wait(close())
    assert found == {n: n for n in range(30)}


async def test_closing_and_using_again(store: RedisStore) -> None:
    await store.aclose()
    await store.set("key", entry("value"))
    await store.aclose()
    await store.aclose()
    assert await value(store, "key") == "value"


async def test_closing_while_others_ask(store: RedisStore) -> None:
    await store.set("key", entry("value"))
    asking = [asyncio.create_task(value(store, "key")) for _ in range(10)]
    await asyncio.sleep(0)
    await store.aclose()
    ends = await asyncio.gather(*asking, return_exceptions=True)
    assert all(end == "value" or isinstance(end, ConnectionError) for end in ends)
    assert await value(store, "key") == "value"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_leaves_the_parent_s_connections_alone(server: Valkey, namespace: str) -> None:
    store = RedisStore(server.url, namespace=namespace)

    async def parent() -> None:
        await store.set_many({n: entry(n) for n in range(100)})
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                os._exit(in_the_child(store, child))
            children.append(pid)
        for turn in range(300):
            assert await value(store, turn % 100) == turn % 100
        for pid in children:
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
        await store.invalidate(["from the parent"])
        assert await value(store, 7) == 7
        await store.aclose()

    asyncio.run(parent())


def in_the_child(store: RedisStore, child: int) -> int:
    """0 if all is well, in a process that inherited the parent's store in use."""

    async def work() -> bool:
        for turn in range(300):
            await store.set(("child", child), entry(turn))
            if await value(store, ("child", child)) != turn or await value(store, 5) != 5:
                return False
        await store.invalidate([f"from child {child}"])
        return True

    try:
        is_well = asyncio.run(work())
        gc.collect()
    except BaseException:
        return 2
    return 0 if is_well else 1
