"""One does the work, the others wait for a message; a dead holder is replaced in time."""

import asyncio
import subprocess
import sys
import time

from redis import Redis

from headway.stores.redis import RedisStore
from headway.testing import Valkey
from tests.stores.redis.kept import entry, until
from tests.stores.redis.proxy import Proxy

HOLDER = """
import asyncio, sys
from headway.stores.redis import RedisStore

async def main():
    store = RedisStore(sys.argv[1], namespace=sys.argv[2])
    assert await store.lease("key", float(sys.argv[3])) is not None
    print("held", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_one_at_a_time(store: RedisStore, other: RedisStore) -> None:
    held = await store.lease("key", 5)
    assert held is not None
    assert (held.key, held.seconds) == ("key", 5)
    assert await other.lease("key", 5) is None
    assert await store.lease("key", 5) is None
    assert await other.lease("another", 5) is not None
    await store.release(held, kept=True)
    assert await other.lease("key", 5) is not None


async def test_a_hundred_at_once_are_one(store: RedisStore, other: RedisStore) -> None:
    leases = await asyncio.gather(*[(store, other)[n % 2].lease("key", 5) for n in range(100)])
    assert sum(lease is not None for lease in leases) == 1


async def test_it_runs_out_and_a_late_holder_harms_nobody(
    store: RedisStore, other: RedisStore
) -> None:
    late = await store.lease("key", 0.05)
    assert late is not None
    began = time.monotonic()
    assert await other.lease("key", 5) is None
    assert await other.wait("key", 5) == "over"
    assert time.monotonic() - began < 1
    held = await other.lease("key", 5)
    assert held is not None
    assert not await store.renew(late)
    await store.release(late, kept=True)
    assert await store.lease("key", 5) is None
    assert await other.renew(held)


async def test_renewing_holds_it(store: RedisStore, other: RedisStore) -> None:
    held = await store.lease("key", 0.2)
    assert held is not None
    for _ in range(5):
        await asyncio.sleep(0.1)
        assert await store.renew(held)
        assert await other.lease("key", 1) is None
    await store.release(held, kept=False)
    assert not await store.renew(held)


async def test_waiters_hear_how_it_ended(store: RedisStore, other: RedisStore) -> None:
    for kept, ending in ((True, "kept"), (False, "given up")):
        held = await store.lease("key", 5)
        assert held is not None
        waiters = [asyncio.create_task(each.wait("key", 5)) for each in (store, other) * 5]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await store.release(held, kept=kept)
        assert await asyncio.gather(*waiters) == [ending] * 10
        assert time.monotonic() - began < 0.5


async def test_waiting_for_nobody_is_over_at_once(store: RedisStore) -> None:
    assert await store.wait("key", 5) == "over"
    held = await store.lease("key", 5)
    assert held is not None
    await store.release(held, kept=True)
    assert await store.wait("key", 5) == "over"


async def test_waiting_has_an_end(store: RedisStore, other: RedisStore) -> None:
    assert await store.lease("key", 5) is not None
    began = time.monotonic()
    assert await other.wait("key", 0.1) == "over"
    assert 0.09 <= time.monotonic() - began < 1


async def test_released_between_asking_and_waiting(store: RedisStore, other: RedisStore) -> None:
    """The message was told before anybody listened for it: the server still knows."""
    held = await store.lease("key", 5)
    assert held is not None
    assert await other.lease("key", 5) is None
    await store.release(held, kept=True)
    await asyncio.sleep(0.02)
    assert await other.wait("key", 5) == "kept"


async def test_a_lost_message_costs_no_more_than_the_rest(
    proxy: Proxy, far: RedisStore, store: RedisStore
) -> None:
    held = await store.lease("key", 0.8)
    assert held is not None
    assert await far.lease("key", 1) is None
    waiter = asyncio.create_task(far.wait("key", 10))
    await asyncio.sleep(0.1)
    proxy.is_silent = True  # the message is swallowed, and the bus does not notice
    await store.release(held, kept=True)
    await asyncio.sleep(0.1)
    assert not waiter.done()
    proxy.is_silent = False
    began = time.monotonic()
    assert await waiter == "kept"
    assert time.monotonic() - began < 0.8


async def test_a_cut_line_is_made_good_before_the_lease_is_over(
    proxy: Proxy, far: RedisStore, store: RedisStore
) -> None:
    held = await store.lease("key", 30)
    assert held is not None
    assert await far.lease("key", 1) is None
    waiter = asyncio.create_task(far.wait("key", 30))
    await asyncio.sleep(0.1)
    proxy.is_refusing = True
    proxy.cut()
    await store.release(held, kept=True)
    proxy.is_refusing = False
    assert await asyncio.wait_for(waiter, 3) == "kept"


async def test_a_killed_holder_is_replaced_within_its_seconds(
    server: Valkey, store: RedisStore, namespace: str
) -> None:
    command = [sys.executable, "-c", HOLDER, server.url, namespace, "1"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    with holder:
        assert holder.stdout is not None
        await asyncio.to_thread(holder.stdout.readline)
        began = time.monotonic()
        assert await store.lease("key", 1) is None
        holder.kill()
        assert await store.wait("key", 10) == "over"
        assert await store.lease("key", 1) is not None
        assert time.monotonic() - began < 1.2


async def test_who_is_cancelled_while_asking_holds_nothing(
    store: RedisStore, other: RedisStore
) -> None:
    await store.catch_up()
    for turns in range(12):
        asking = asyncio.create_task(store.lease("key", 60))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            lease = asking.result()
            assert lease is not None
            await store.release(lease, kept=False)
        await asyncio.sleep(0.02)
        taken = await other.lease("key", 60)
        assert taken is not None
        await other.release(taken, kept=False)


async def test_a_cancelled_waiter_leaves_nothing(store: RedisStore) -> None:
    assert await store.lease("key", 5) is not None
    waiter = asyncio.create_task(store.wait("key", 5))
    await asyncio.sleep(0.05)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert store._clients.here().leases._waiting == {}


async def test_foreign_things_in_a_lease_s_place(
    store: RedisStore, raw: Redis, namespace: str
) -> None:
    held = await store.lease("key", 5)
    assert held is not None
    (place,) = raw.keys(f"{namespace}:l:*")
    raw.delete(place)
    raw.lpush(place, "x")
    assert not await store.renew(held)
    await store.release(held, kept=True)
    assert await store.lease("key", 5) is not None
    raw.set(place, "@without an end")
    assert await store.lease("key", 5) is not None
    raw.set(place, "anything")
    assert await store.wait("key", 5) == "over"
    assert await store.lease("key", 5) is not None


async def test_waking_is_quick(store: RedisStore, other: RedisStore) -> None:
    took = []
    for turn in range(50):
        held = await store.lease(turn, 5)
        assert held is not None
        assert await other.lease(turn, 5) is None
        waiter = asyncio.create_task(other.wait(turn, 5))
        await asyncio.sleep(0.005)
        began = time.monotonic()
        await store.set(turn, entry(turn))
        await store.release(held, kept=True)
        assert await waiter == "kept"
        took.append(time.monotonic() - began)
    assert sorted(took)[25] < 0.05, sorted(took)[25]


async def test_a_waiter_outlives_a_restart(own_server: Valkey, frail: RedisStore) -> None:
    assert await frail.lease("key", 60) is not None
    waiter = asyncio.create_task(frail.wait("key", 60))
    await asyncio.sleep(0.1)
    own_server.kill()
    own_server.start()
    await until(waiter.done)
    assert waiter.result() == "over"
