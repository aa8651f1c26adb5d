"""The server is killed, frozen, emptied, full, slow; the line breaks; a caller is cancelled."""

import asyncio
import time

import pytest
from redis import Redis

from headway.stores.ledger import News, Rebirth
from headway.stores.redis import RedisStore
from headway.testing import Valkey
from tests.stores.redis.kept import entry, until, value
from tests.stores.redis.proxy import Proxy


async def test_killed_and_started_again(own_server: Valkey, frail: RedisStore) -> None:
    await frail.set("key", entry("old"))
    own_server.kill()
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await frail.get("key")
        with pytest.raises(ConnectionError):
            await frail.set("key", entry())
    news: list[News] = []
    frail.ledger.listen(news.append)
    before = frail.mark()
    own_server.start()
    assert await value(frail, "key") is None  # the first look-up already
    assert [type(each) for each in news] == [Rebirth]
    assert frail.mark() > before
    await frail.set("key", entry("new", mark=frail.mark()))
    assert await value(frail, "key") == "new"
    await frail.set("late", entry("late", mark=before))
    assert await value(frail, "late") is None


async def test_work_begun_before_the_first_meeting_is_not_kept(own_server: Valkey) -> None:
    """Nobody knows what was invalidated while it ran."""
    own_server.kill()
    store = RedisStore(own_server.url)
    begun = store.mark()
    own_server.start()
    other = RedisStore(own_server.url)
    await other.invalidate(["company:NVDA"])
    await store.set("key", entry("old", tags=("company:NVDA",), mark=begun))
    assert await value(store, "key") is None
    assert store.statistics().void == 1
    await store.set("key", entry("new", tags=("company:NVDA",), mark=store.mark()))
    assert await value(store, "key") == "new"
    await store.aclose()
    await other.aclose()


async def test_frozen(own_server: Valkey, frail: RedisStore) -> None:
    await asyncio.gather(*[frail.set(n, entry(n)) for n in range(50)])
    own_server.freeze()
    began = time.monotonic()
    gets = [frail.get(n) for n in range(20)] + [frail.get_many(range(20, 40))]
    errors = await asyncio.gather(*gets, return_exceptions=True)
    took_s = time.monotonic() - began
    own_server.thaw()
    assert {type(error) for error in errors} == {TimeoutError}
    assert 0.25 <= took_s < 0.6  # timeout_s is 0.3
    for _ in range(5):
        found = await asyncio.gather(*[value(frail, n) for n in range(50)])
        assert found == list(range(50))


async def test_a_frozen_server_costs_who_queues_no_more(
    own_server: Valkey, frail: RedisStore
) -> None:
    await frail.set("key", entry())
    own_server.freeze()
    took = []

    async def late(after_s: float) -> None:
        await asyncio.sleep(after_s)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await frail.set("key", entry("x" * 1_000_000))
        took.append(time.monotonic() - began)

    await asyncio.gather(*[late(n / 50) for n in range(10)])
    own_server.thaw()
    assert max(took) < 0.6


async def test_emptied(own_server: Valkey, frail: RedisStore) -> None:
    news: list[News] = []
    await frail.set("key", entry())
    frail.ledger.listen(news.append)
    with Redis.from_url(own_server.url) as raw:
        raw.flushall()
    assert await value(frail, "key") is None
    assert [type(each) for each in news] == [Rebirth]
    await frail.set("key", entry("new", mark=frail.mark()))
    assert await value(frail, "key") == "new"


async def test_set_back_to_an_earlier_time(
    store: RedisStore, other: RedisStore, raw: Redis, namespace: str
) -> None:
    """A replica that lagged, or a snapshot: numbers given out before would be given out again."""
    await store.invalidate(["a"])
    earlier = raw.get(f"{namespace}:state")
    await store.set("key", entry(tags=("b",), mark=store.mark()))
    await store.invalidate(["b"])
    await other.catch_up()
    raw.set(f"{namespace}:state", earlier)
    news: list[News] = []
    other.ledger.listen(news.append)
    store_mark, other_mark = store.mark(), other.mark()
    assert await value(store, "key") is None
    await other.catch_up()
    assert store.mark() > store_mark
    assert other.mark() > other_mark
    assert [type(each) for each in news] == [Rebirth]


async def test_full_memory(namespace: str) -> None:
    with Valkey("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
        store = RedisStore(server.url, namespace=namespace)
        await store.set("first", entry("kept", tags=("a",)))
        sets = [store.set(number, entry("x" * 100_000)) for number in range(100)]
        errors = [each for each in await asyncio.gather(*sets, return_exceptions=True) if each]
        assert 0 < len(errors) < 100
        assert {type(error) for error in errors} == {OSError}
        assert all("no memory left" in str(error) for error in errors)
        assert await value(store, "first") == "kept"
        assert store.statistics().errors == {"OSError": len(errors)}
        await store.invalidate(["a"])  # what must not be lost is small, and let in
        assert await value(store, "first") is None
        await store.aclose()


async def test_slow(proxy: Proxy, far: RedisStore) -> None:
    await far.set("warm", entry())
    proxy.delay_s = 0.1
    began = time.monotonic()
    await asyncio.gather(*[far.set(n, entry(n)) for n in range(100)])
    found = await asyncio.gather(*[value(far, n) for n in range(100)])
    assert found == list(range(100))
    assert time.monotonic() - began < 3  # one after another: 20
    assert far.statistics().errors == {}


@pytest.mark.parametrize("passed", [0, 1, 5, 60, 200])
async def test_cut_in_mid_command(proxy: Proxy, far: RedisStore, passed: int) -> None:
    await asyncio.gather(*[far.set(n, entry(n)) for n in range(20)])
    proxy.reply_bytes = passed
    with pytest.raises(ConnectionError):
        await asyncio.gather(*[value(far, n) for n in range(20)])
    proxy.reply_bytes = None
    assert await asyncio.gather(*[value(far, n) for n in range(20)]) == list(range(20))


async def test_half_open(proxy: Proxy, far: RedisStore) -> None:
    await far.set("key", entry("value"))
    proxy.is_silent = True
    with pytest.raises(TimeoutError):
        await far.get("key")
    proxy.is_silent = False
    assert await value(far, "key") == "value"


async def test_a_cancelled_caller_cuts_nobody_s_command(store: RedisStore) -> None:
    keys = range(100)
    await store.set_many({key: entry(key) for key in keys})

    async def ask(turn: int) -> bool:
        key = turn * 7 % 100
        task = asyncio.create_task(value(store, key))
        for _ in range(turn % 9):
            await asyncio.sleep(0)
        if turn % 3 == 0:
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled() or task.result() == key
        return await task == key

    for start in range(0, 1_000, 50):
        answers = await asyncio.gather(*[ask(turn) for turn in range(start, start + 50)])
        assert all(answers)


async def test_a_cancelled_exchange_leaves_no_reply_behind(store: RedisStore) -> None:
    """Below the lanes, where a command really is cut: its connection is not used again."""
    await store.set_many({key: entry(key) for key in range(10)})
    exchange = store._clients.here()._connections.exchange
    for turn in range(200):
        task = asyncio.create_task(exchange([("ECHO", f"mine {turn}")]))
        for _ in range(turn % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await exchange([("ECHO", f"yours {turn}")]) == [f"yours {turn}".encode()]
        assert await value(store, turn % 10) == turn % 10


async def test_a_cancelled_write_is_done_before_what_is_asked_later(store: RedisStore) -> None:
    for turn in range(100):
        writing = asyncio.create_task(store.set("key", entry("x" * 200_000)))
        for _ in range(turn % 8):
            await asyncio.sleep(0)
        writing.cancel()
        await store.delete("key")
        assert await value(store, "key") is None
    await asyncio.sleep(0.05)
    assert await value(store, "key") is None


async def test_everything_is_bounded_or_ends(store: RedisStore, raw: Redis, namespace: str) -> None:
    for number in range(50):
        key = ("key", number)
        await store.set(
            key, entry(tags=(f"tag {number}",), ttl_s=[1, 1e9, float("inf")][number % 3])
        )
        await store.invalidate([f"tag {number}"])
        lease = await store.lease(key, 1)
        assert lease is not None
        await store.release(lease, kept=True)
    lasting = {name for name in raw.scan_iter(f"{namespace}:*") if raw.ttl(name) == -1}
    assert lasting == {f"{namespace}:state".encode(), f"{namespace}:log".encode()}
    assert all(raw.ttl(name) <= 30 * 86_400 for name in raw.scan_iter(f"{namespace}:*"))
    assert raw.pubsub_channels(f"{namespace}:*") == [f"{namespace}:bus".encode()]


async def test_what_is_asked_together_goes_together(own_server: Valkey, frail: RedisStore) -> None:
    await frail.set("warm", entry())
    with Redis.from_url(own_server.url) as raw:
        raw.config_resetstat()
        await asyncio.gather(*[frail.set(n, entry(n)) for n in range(300)])
        found = await asyncio.gather(*[value(frail, n) for n in range(300)])
        assert found == list(range(300))
        calls = {name: each["calls"] for name, each in raw.info("commandstats").items()}
    assert calls["cmdstat_set"] == 300
    assert calls["cmdstat_mget"] == 1
    # Nothing hidden: no CLIENT SETINFO, HELLO, PING, SELECT.
    assert calls.keys() <= {"cmdstat_set", "cmdstat_mget", "cmdstat_config|resetstat"}


async def test_the_bus_finds_out_that_nobody_is_there(
    proxy: Proxy, far: RedisStore, raw: Redis, namespace: str
) -> None:
    bus = f"{namespace}:bus"
    await far.catch_up()
    await until(lambda: raw.pubsub_numsub(bus) == [(bus.encode(), 1)])
    proxy.is_silent = True
    before = proxy.connections
    await until(lambda: proxy.connections > before, within_s=4.0)
