"""Invalidations reach every process: by the bus, by every look-up, by the log after a silence."""

import asyncio
import sys
import time

import pytest
from redis import Redis

from headway.stores.ledger import Change, Gap, News, Rebirth, tag_of_key
from headway.stores.redis import RedisStore
from headway.testing import Valkey
from tests.stores.redis.kept import entry, until, value
from tests.stores.redis.proxy import Proxy


@pytest.fixture
async def met(store: RedisStore, other: RedisStore) -> tuple[RedisStore, RedisStore]:
    """Two stores that have both begun to listen."""
    await store.catch_up()
    await other.catch_up()
    await store.invalidate(["first"])
    await until(lambda: other.mark() == store.mark())
    return store, other


def heard_by(store: RedisStore) -> list[News]:
    news: list[News] = []
    store.ledger.listen(news.append)
    return news


async def test_another_store_hears_without_asking(met: tuple[RedisStore, RedisStore]) -> None:
    store, other = met
    news, own = heard_by(other), heard_by(store)
    await store.invalidate(["company:Zürich ☕", "b c", "", '"'])
    await store.clear()
    await until(lambda: len(news) == 2)
    assert news == own
    change, clear = news
    assert change == Change(store.mark() - 1, ("company:Zürich ☕", "b c", "", '"'))
    assert clear == Change(store.mark(), ())


async def test_a_key_is_invalidated_alone(met: tuple[RedisStore, RedisStore]) -> None:
    store, other = met
    await store.set_many({"key": entry(1), "other": entry(2)})
    await other.invalidate([tag_of_key("key")])
    assert await value(store, "key") is None
    assert await value(store, "other") == 2


async def test_no_tags_are_no_invalidation(met: tuple[RedisStore, RedisStore]) -> None:
    store, _ = met
    await store.set("key", entry())
    before = store.mark()
    await store.invalidate([])
    assert store.mark() == before
    assert await value(store, "key") == "value"


async def test_numbers_follow_each_other_whoever_counts(
    met: tuple[RedisStore, RedisStore],
) -> None:
    news = heard_by(met[0])
    before = met[0].mark()
    await asyncio.gather(*[met[n % 2].invalidate([f"tag {n}"]) for n in range(200)])
    await until(lambda: len(news) == 200)
    assert [each.number for each in news] == list(range(before + 1, before + 201))
    assert {each.tags for each in news if isinstance(each, Change)} == {
        (f"tag {n}",) for n in range(200)
    }


async def test_a_look_up_is_never_behind(
    server: Valkey, proxy: Proxy, namespace: str, store: RedisStore
) -> None:
    """Also with the bus cut: the look-up itself brings the state along."""
    reader = RedisStore(proxy.url, namespace=namespace)
    await store.set("key", entry(tags=("a",)))
    assert await value(reader, "key") == "value"
    for turn in range(100):
        if turn % 10 == 0:
            proxy.cut()
            await asyncio.sleep(0.01)
        await store.set("key", entry(turn, tags=("a", "b"), mark=store.mark()))
        assert await value(reader, "key") == turn
        await store.invalidate(["a"])
        assert await value(reader, "key") is None
    await reader.aclose()


async def test_what_was_said_while_the_line_was_cut_is_made_good(
    proxy: Proxy, far: RedisStore, store: RedisStore
) -> None:
    await far.catch_up()
    await store.catch_up()
    news = heard_by(far)
    await asyncio.sleep(0.05)
    proxy.is_refusing = True
    proxy.cut()
    for n in range(30):
        await store.invalidate([f"tag {n}"])
    assert news == []
    proxy.is_refusing = False
    await until(lambda: len(news) == 30)  # nobody asked: the bus came back by itself
    assert [each.tags for each in news if isinstance(each, Change)] == [
        (f"tag {n}",) for n in range(30)
    ]


async def test_a_long_silence_is_replayed_in_pages(
    store: RedisStore, other: RedisStore, raw: Redis, namespace: str
) -> None:
    await other.catch_up()
    await other.aclose()
    news = heard_by(other)
    for _ in range(5):
        await asyncio.gather(*[store.invalidate([f"tag {n}"]) for n in range(500)])
    await other.catch_up()
    assert len(news) == 2_500
    assert all(isinstance(each, Change) for each in news)
    assert other.mark() == store.mark()


@pytest.mark.parametrize("loss", ["trimmed", "deleted", "of another type", "garbage"])
async def test_what_the_log_has_no_more_is_a_gap(
    store: RedisStore, other: RedisStore, raw: Redis, namespace: str, loss: str
) -> None:
    log = f"{namespace}:log"
    await store.set("old", entry(tags=("a",)))
    await store.set("good", entry(tags=("c",)))
    assert await value(other, "old") == "value"
    await other.aclose()
    news = heard_by(other)
    await store.invalidate(["a"])
    for _ in range(5):
        await store.invalidate(["b"])
    match loss:
        case "trimmed":
            raw.xtrim(log, maxlen=2, approximate=False)
        case "deleted":
            raw.delete(log)
        case "of another type":
            raw.set(log, "no log")
        case "garbage":
            raw.delete(log)
            raw.xadd(log, {"tags": "not [json"}, id=f"{other.mark() + 1}-0")
    await other.catch_up()
    assert news == [Gap(store.mark())]
    # The ledger cannot tell any more; the server can, by the tags themselves.
    assert await value(other, "old") is None
    assert await value(other, "good") == "value"
    await other.invalidate(["c"])  # the log is mended on the way
    assert await value(other, "good") is None
    assert await value(store, "good") is None


async def test_a_late_process_asks_for_each_tag_once(own_server: Valkey, frail: RedisStore) -> None:
    keys = range(50)
    await frail.set_many({key: entry(key, tags=("all", f"tag {key}")) for key in keys})
    await frail.invalidate([f"tag {key}" for key in keys if key % 2])
    late = RedisStore(own_server.url)
    with Redis.from_url(own_server.url) as raw:
        await late.catch_up()
        await until(lambda: raw.pubsub_numsub("headway:bus") == [(b"headway:bus", 2)])
        await asyncio.sleep(0.05)  # the bus, too, catches up with an MGET
        raw.config_resetstat()
        for _ in range(3):
            found = await asyncio.gather(*[value(late, key) for key in keys])
            assert found == [None if key % 2 else key for key in keys]
        calls = raw.info("commandstats")["cmdstat_mget"]["calls"]
    assert calls == 4  # the entries three times, all their tags once
    await late.invalidate(["all"])
    assert await late.get_many(keys) == [None] * 50
    await late.aclose()


async def test_the_state_is_found_again_after_anything(
    store: RedisStore, raw: Redis, namespace: str
) -> None:
    state = f"{namespace}:state"
    news = heard_by(store)
    await store.set("key", entry())

    def wrong_type() -> None:
        raw.delete(state)
        raw.lpush(state, "x")

    damages = [
        lambda: raw.delete(state),
        lambda: raw.set(state, "1 2"),
        lambda: raw.set(state, "9" * 40 + " 1 1"),
        lambda: raw.set(state, b"\xff\x00"),
        wrong_type,
    ]
    for turn, damage in enumerate(damages):
        mark = store.mark()
        await store.set("key", entry(turn, mark=mark))
        damage()
        if turn % 2:
            await store.invalidate(["a"])
        assert await value(store, "key") is None
        assert store.mark() > mark
        assert sum(isinstance(each, Rebirth) for each in news) == turn + 1


async def test_foreign_words_on_the_bus_are_passed_over(
    met: tuple[RedisStore, RedisStore], raw: Redis, namespace: str
) -> None:
    store, other = met
    for word in [
        "",
        "x",
        "i",
        "i 7",
        "i x []",
        "i 99999999999999999 []",
        "l",
        "l a b",
        b"\xff i 1 []",
    ]:
        raw.publish(f"{namespace}:bus", word)
    await store.invalidate(["a"])
    await until(lambda: other.mark() == store.mark())
    assert raw.pubsub_numsub(f"{namespace}:bus") == [(f"{namespace}:bus".encode(), 2)]


LISTENER = """
import asyncio, sys, time
from headway.stores.redis import RedisStore

async def main():
    store = RedisStore(sys.argv[1], namespace=sys.argv[2])
    await store.catch_up()
    store.ledger.listen(lambda news: print(news.number, time.monotonic_ns(), flush=True))
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await store.aclose()

asyncio.run(main())
"""


async def test_another_process_hears_within_50_ms(
    server: Valkey, store: RedisStore, namespace: str
) -> None:
    pipe = asyncio.subprocess.PIPE
    listener = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LISTENER, server.url, namespace), stdin=pipe, stdout=pipe
    )
    assert listener.stdout is not None
    assert await listener.stdout.readline() == b"ready\n"
    took_ms = []
    for n in range(1_000):  # one after the other, so that a pause of the machine counts once
        began = time.monotonic_ns()
        await store.invalidate([f"tag {n % 50}"])
        number, heard_at = (await listener.stdout.readline()).split()
        assert int(number) == store.mark()
        took_ms.append((int(heard_at) - began) / 1e6)
    await listener.communicate(b"")  # ends its standard input, and so itself
    took_ms.sort()
    assert took_ms[990] < 50, (took_ms[500], took_ms[990], took_ms[-1])


@pytest.mark.parametrize("number", [b"9" * 5_000, b"no number"])
async def test_a_number_that_is_none_makes_void(
    store: RedisStore, raw: Redis, namespace: str, number: bytes
) -> None:
    await store.catch_up()
    await store.set("key", entry(tags=("tag",), mark=store.mark()))
    await store.invalidate(["other"])
    raw.set(f"{namespace}:t:tag", number)
    new = RedisStore(store.url, namespace=namespace)
    assert await value(new, "key") is None
    await new.aclose()
