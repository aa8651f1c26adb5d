"""What every store promises. A new store joins by one entry in STORES."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from headway import clock
from headway.stores import NEVER, Entry, Key, MemoryStore, Store
from headway.testing import FakeClock
from tests.stores.disk.factory import disk
from tests.stores.redis.factory import redis
from tests.stores.tiered.factory import tiered_disk, tiered_redis, tiered_scripted


@asynccontextmanager
async def memory_s3_fifo() -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def memory_lru() -> AsyncIterator[Store]:
    yield MemoryStore(policy="lru")


STORES: dict[str, Callable[[], AbstractAsyncContextManager[Store]]] = {
    "memory s3-fifo": memory_s3_fifo,
    "memory lru": memory_lru,
    "disk": disk,
    "redis": redis,
    "tiered": tiered_scripted,
    "tiered disk": tiered_disk,
    "tiered redis": tiered_redis,
}

BEGUN_NOW = -1

KEYS: list[Key] = [
    "",
    "short",
    "Zürich ☕ 東京 \U0001f30d",
    b"",
    b"\x00\xff\x00",
    ("shop.price", ("NVDA", 1, None)),
    ("shop.price", frozenset({"a", "b"})),
    "long" * 5_000,
]


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, time: FakeClock) -> AsyncIterator[Store]:
    async with STORES[request.param]() as store:
        await store.get("met before work begins, as Cache does")
        yield store


def entry(
    value: object = "value",
    ttl_s: float = 60,
    stale_for_s: float = 0,
    tags: tuple[str, ...] = (),
    mark: int = BEGUN_NOW,
) -> Entry:
    """An entry made now; ``keep`` says when its work began, unless *mark* does."""
    now = clock.now()
    return Entry(
        value,
        made_at=now,
        fresh_until=now + ttl_s,
        stale_until=now + ttl_s + stale_for_s,
        tags=tags,
        mark=mark,
    )


async def keep(store: Store, key: Key, entry: Entry) -> None:
    if entry.mark == BEGUN_NOW:
        entry.mark = store.mark()
    await store.set(key, entry)


async def read(store: Store, key: Key) -> Entry | None:
    """What ``get`` finds, after a look at ``peek``, which must not contradict it."""
    peeked = store.peek(key)
    found = await store.get(key)
    if peeked is not None:
        assert found is not None
        assert found.value == peeked.value
    elif store.is_local:
        assert found is None
    return found


async def value_of(store: Store, key: Key) -> object:
    """The value under *key*, which must be there."""
    found = await read(store, key)
    assert found is not None
    return found.value


async def test_nothing_is_found_where_nothing_was_kept(store: Store) -> None:
    assert await read(store, "key") is None


async def test_an_entry_comes_back_whole(store: Store) -> None:
    kept = Entry(
        {"price": 181.5, "symbols": ["NVDA", "AMD"]},
        made_at=clock.now(),
        fresh_until=clock.now() + 60,
        stale_until=clock.now() + 90,
        tags=("company:NVDA", "prices"),
        version="7",
        mark=store.mark(),
    )
    await keep(store, "key", kept)
    found = await read(store, "key")
    assert found is not None
    assert found.value == {"price": 181.5, "symbols": ["NVDA", "AMD"]}
    assert (found.made_at, found.fresh_until) == (kept.made_at, kept.fresh_until)
    assert found.stale_until == kept.stale_until
    assert (found.tags, found.version) == (("company:NVDA", "prices"), "7")


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}])
async def test_none_and_empty_values_are_kept_like_others(store: Store, value: object) -> None:
    await keep(store, "key", entry(value))
    assert await value_of(store, "key") == value


async def test_any_key_finds_its_own_value(store: Store) -> None:
    for number, key in enumerate(KEYS):
        await keep(store, key, entry(number))
    assert [await value_of(store, key) for key in KEYS] == list(range(len(KEYS)))


async def test_text_bytes_and_numbers_are_different_keys(store: Store) -> None:
    for number, key in enumerate(["1", b"1", 1, ("1",)]):
        await keep(store, key, entry(number))
    assert [await value_of(store, key) for key in ["1", b"1", 1, ("1",)]] == [0, 1, 2, 3]


async def test_a_large_value_comes_back_whole(store: Store) -> None:
    text = "0123456789" * 100_000
    await keep(store, "key", entry(text))
    assert await value_of(store, "key") == text


async def test_a_later_entry_replaces_the_earlier(store: Store) -> None:
    await keep(store, "key", entry("old", ttl_s=1_000))
    await keep(store, "key", entry("new", ttl_s=10))
    assert await value_of(store, "key") == "new"


async def test_a_replaced_entry_does_not_come_back(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry("old", ttl_s=1_000))
    await keep(store, "key", entry("new", ttl_s=10))
    await time.advance(10)
    assert await read(store, "key") is None


async def test_a_deleted_entry_is_gone_and_its_key_can_be_used_again(store: Store) -> None:
    await keep(store, "key", entry("old"))
    await keep(store, "other", entry("other"))
    await store.delete("key")
    assert await read(store, "key") is None
    assert await value_of(store, "other") == "other"
    await keep(store, "key", entry("new"))
    assert await value_of(store, "key") == "new"


async def test_deleting_what_is_not_there_is_harmless(store: Store) -> None:
    await store.delete("key")
    await keep(store, "key", entry())
    await store.delete("key")
    await store.delete("key")
    assert await read(store, "key") is None


async def test_an_entry_is_returned_until_its_time_is_over(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry(ttl_s=60))
    await time.advance(59.9)
    assert await value_of(store, "key") == "value"
    await time.advance(0.1)
    assert await read(store, "key") is None


async def test_a_stale_entry_is_returned_within_its_window(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry(ttl_s=60, stale_for_s=30))
    await time.advance(60)
    found = await read(store, "key")
    assert found is not None
    assert found.fresh_until <= clock.now() < found.stale_until
    await time.advance(30)
    assert await read(store, "key") is None


async def test_an_entry_may_live_for_ever(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry(ttl_s=NEVER))
    await time.advance("520w")
    assert await value_of(store, "key") == "value"


async def test_an_entry_that_comes_too_late_is_not_kept(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry("old", ttl_s=1_000))
    late = entry("late", ttl_s=10)
    await time.advance(10)
    await keep(store, "key", late)
    assert await read(store, "key") is None


async def test_time_set_back_is_survived(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry(ttl_s=60))
    time.step_wall(-3_600)
    await keep(store, "other", entry(ttl_s=60))
    found = await read(store, "key")  # a store without a stopwatch of its own lets go of it
    assert found is None or found.value == "value"
    assert await value_of(store, "other") == "value"
    time.step_wall(+7_200)
    assert await read(store, "key") is None
    assert await read(store, "other") is None


async def test_invalidation_hits_every_entry_with_one_of_the_tags(store: Store) -> None:
    await keep(store, "one", entry(tags=("a",)))
    await keep(store, "two", entry(tags=("b", "c")))
    await keep(store, "other", entry(tags=("d",)))
    await keep(store, "untagged", entry())
    await store.invalidate(tag for tag in ("a", "c", "unknown"))
    assert await read(store, "one") is None
    assert await read(store, "two") is None
    assert await value_of(store, "other") == "value"
    assert await value_of(store, "untagged") == "value"


async def test_after_an_invalidation_new_entries_are_kept(store: Store) -> None:
    await keep(store, "key", entry("old", tags=("a",), mark=store.mark()))
    await store.invalidate(["a"])
    await keep(store, "key", entry("new", tags=("a",), mark=store.mark()))
    assert await value_of(store, "key") == "new"
    await store.invalidate(["b"])
    assert await value_of(store, "key") == "new"
    await store.invalidate(["a"])
    assert await read(store, "key") is None


async def test_work_begun_before_an_invalidation_is_not_kept(store: Store) -> None:
    mark = store.mark()
    await store.invalidate(["a"])
    await keep(store, "tagged", entry(tags=("b", "a"), mark=mark))
    await keep(store, "other", entry(tags=("b",), mark=mark))
    await keep(store, "untagged", entry(mark=mark))
    assert await read(store, "tagged") is None
    assert await value_of(store, "other") == "value"
    assert await value_of(store, "untagged") == "value"


async def test_a_void_latecomer_does_not_displace_a_newer_entry(store: Store) -> None:
    mark = store.mark()
    await store.invalidate(["a"])
    await keep(store, "key", entry("new", tags=("a",), mark=store.mark()))
    await keep(store, "key", entry("late", tags=("a",), mark=mark))
    assert await value_of(store, "key") == "new"


async def test_clearing_makes_everything_void(store: Store) -> None:
    await keep(store, "key", entry())
    await keep(store, "tagged", entry(tags=("a",)))
    await store.clear()
    assert await read(store, "key") is None
    assert await read(store, "tagged") is None
    await keep(store, "key", entry("new", mark=store.mark()))
    assert await value_of(store, "key") == "new"


async def test_work_begun_before_a_clear_is_not_kept(store: Store) -> None:
    mark = store.mark()
    await store.clear()
    await keep(store, "key", entry(mark=mark))
    assert await read(store, "key") is None


async def test_marks_count_up_with_every_invalidation(store: Store) -> None:
    marks = [store.mark()]
    await store.invalidate(["a"])
    marks.append(store.mark())
    await store.clear()
    marks.append(store.mark())
    assert marks == sorted(set(marks))


async def test_statistics_count_what_happened(store: Store, time: FakeClock) -> None:
    await keep(store, "key", entry("x" * 1_000))
    await keep(store, "brief", entry(ttl_s=1))
    await time.advance(2)
    before = store.statistics()
    assert await store.get("key") is not None
    assert await store.get("nothing") is None
    assert await store.get("brief") is None
    after = store.statistics()
    assert after.hits - before.hits == 1
    assert after.misses - before.misses == 2
    assert after.expired - before.expired == 1
    assert after.entries == 1
    assert after.size_bytes >= 1_000
    await store.clear()
    assert (store.statistics().entries, store.statistics().size_bytes) == (0, 0)


async def test_many_tasks_may_use_it_at_once(store: Store) -> None:
    async def write_and_read(number: int) -> None:
        key = ("key", number % 7)
        for turn in range(20):
            await keep(store, key, entry(number % 7, mark=store.mark()))
            # Another task may delete it between a look with peek and one with get.
            for found in (store.peek(key), await store.get(key)):
                assert found is None or found.value == number % 7
            if turn % 5 == number % 5:
                await store.delete(key)
            await asyncio.sleep(0)

    await asyncio.gather(*[write_and_read(number) for number in range(30)])
    assert store.statistics().entries <= 7
