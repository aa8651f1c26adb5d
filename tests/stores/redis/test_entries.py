"""Entries on the server: what is foreign is a miss; what is private stays; export and import."""

import asyncio

import pytest
from redis import Redis

from headway import clock
from headway.stores import Entry
from headway.stores.codec import Codec
from headway.stores.redis import RedisStore
from headway.stores.redis.names import Names
from headway.testing import Valkey
from tests.stores.redis.kept import entry, value

MONTH_MS = 30 * 86_400_000


def place_of(raw: Redis, namespace: str) -> bytes:
    (place,) = raw.keys(f"{namespace}:e:*")
    assert isinstance(place, bytes)
    return place


@pytest.mark.parametrize("garbage", [b"", b"x", b"\xff" * 100, b"HWE\x01\x00" + b"0" * 60])
async def test_foreign_bytes_are_a_miss(
    store: RedisStore, raw: Redis, namespace: str, garbage: bytes
) -> None:
    await store.set("key", entry())
    raw.set(place_of(raw, namespace), garbage)
    assert await value(store, "key") is None
    await store.set("key", entry("again"))
    assert await value(store, "key") == "again"


async def test_another_type_in_an_entry_s_place_is_a_miss(
    store: RedisStore, raw: Redis, namespace: str
) -> None:
    await store.set_many({"key": entry(1), "other": entry(2)})
    for place in raw.keys(f"{namespace}:e:*"):
        raw.delete(place)
        raw.lpush(place, "x")
    assert await store.get_many(["key", "other"]) == [None, None]
    await store.set("key", entry("again"))
    assert await value(store, "key") == "again"
    await store.delete("other")
    await store.set("other", entry(tags=("a",)))
    assert await value(store, "other") == "value"


async def test_tags_of_another_type_do_no_harm(
    own_server: Valkey, store: RedisStore, other: RedisStore, raw: Redis, namespace: str
) -> None:
    await store.set("key", entry(tags=("a",)))
    raw.lpush(f"{namespace}:t:a", "x")
    await store.invalidate(["b"])
    assert await value(other, "key") == "value"
    await store.invalidate(["a"])
    assert await value(other, "key") is None


async def test_an_entry_moved_to_another_key_is_a_miss(
    store: RedisStore, raw: Redis, namespace: str
) -> None:
    await store.set("key", entry("secret"))
    written = raw.get(place_of(raw, namespace))
    await store.set("other", entry())
    for place in raw.keys(f"{namespace}:e:*"):
        raw.set(place, written)
    assert sorted(map(str, [await value(store, "key"), await value(store, "other")])) == [
        "None",
        "secret",
    ]


async def test_what_others_wrote_without_the_secret_is_not_read(
    server: Valkey, store: RedisStore, namespace: str
) -> None:
    signed = RedisStore(server.url, namespace=namespace, codec=Codec(secret="s" * 32))
    await store.set("key", entry("forged"))
    assert await value(signed, "key") is None
    await signed.set("key", entry("genuine"))
    assert await value(signed, "key") == "genuine"
    await signed.aclose()


async def test_private_and_unstorable_values_never_get_there(
    store: RedisStore, raw: Redis, namespace: str
) -> None:
    now = clock.now()
    private = Entry("mine", made_at=now, fresh_until=now + 60, is_private=True)
    await store.set("key", private)
    await store.set("other", entry(object()))
    assert raw.keys(f"{namespace}:e:*") == []
    assert store.statistics().refused == 2


async def test_an_unstorable_value_does_not_leave_the_old_one(store: RedisStore) -> None:
    await store.set("key", entry("old"))
    await store.set("key", entry(object()))
    assert await value(store, "key") is None


@pytest.mark.parametrize(
    ("ttl_s", "least_ms", "most_ms"),
    [
        (60, 59_000, 60_000),
        (1e-6, 0, 1),
        (1e12, 1, 2_592_000_000),
        (float("inf"), 1, 2_592_000_000),
    ],
)
async def test_the_server_lets_go_in_time(
    store: RedisStore, raw: Redis, namespace: str, ttl_s: float, least_ms: int, most_ms: int
) -> None:
    await store.set("key", entry(ttl_s=ttl_s))
    left = [raw.pttl(place) for place in raw.keys(f"{namespace}:e:*")]
    assert all(least_ms <= each <= most_ms for each in left)
    assert left or ttl_s < 1


async def test_the_entry_given_is_left_as_it_was(store: RedisStore) -> None:
    await store.invalidate(["x"])
    mine = entry(mark=0)
    await store.set("key", mine)
    assert mine.mark == 0


async def test_thousands_in_one_way(store: RedisStore) -> None:
    keys = list(range(3_000))
    await store.set_many({key: entry(key) for key in keys})
    found = await store.get_many(keys)
    assert [each.value for each in found if each] == keys
    assert await store.get_many([]) == []
    await store.set_many({})


async def test_large_values_side_by_side(store: RedisStore) -> None:
    values = {n: bytes([n]) * 3_000_000 for n in range(6)}
    await asyncio.gather(*[store.set(n, entry(each)) for n, each in values.items()])
    assert [await value(store, n) for n in values] == list(values.values())


async def test_out_and_in_again(server: Valkey, namespace: str, store: RedisStore) -> None:
    keys = range(1_200)
    await store.set_many({key: entry(key, tags=("a",)) for key in keys})
    await store.set("brief", entry(ttl_s=0.05))
    pairs = [pair async for pair in store.scan()]
    assert len(dict(pairs)) == 1_201
    await asyncio.sleep(0.06)
    into = RedisStore(server.url, namespace=namespace + "-copy*[")
    assert await into.load([*pairs, ("name", b"garbage")]) == 1_200
    assert [each.value for each in await into.get_many(keys) if each] == list(keys)
    assert len([pair async for pair in into.scan()]) == 1_200
    await into.invalidate(["a"])
    assert await into.get_many(keys) == [None] * 1_200
    await into.aclose()


def test_a_pattern_in_the_namespace_is_taken_literally() -> None:
    assert Names("a*[b]?").every_entry() == r"a\*\[b\]\?:e:*"


async def test_other_namespaces_are_not_seen(server: Valkey, store: RedisStore) -> None:
    elsewhere = RedisStore(server.url, namespace=store.namespace + "2")
    await store.set("key", entry())
    assert await value(elsewhere, "key") is None
    await elsewhere.clear()
    assert await value(store, "key") == "value"
    await elsewhere.aclose()
