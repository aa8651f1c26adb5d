"""Bounded in bytes: the file, the log, and one value; who was not read leaves first."""

import asyncio
from pathlib import Path

import pytest

from headway import clock
from headway.errors import BadSetup
from headway.stores.disk import DiskStore
from headway.stores.ledger import tag_of_key
from headway.testing import FakeClock
from tests.stores.disk.kept import entry


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("size", [10, 500, 3_000, 20_000, 100_000])
async def test_the_files_stay_within_max_bytes(tmp_path: Path, size: int) -> None:
    store = DiskStore(tmp_path / "cache", max_bytes="1MB")
    most = 0
    for turn in range(max(4, 3_000_000 // max(size, 300) // 50)):
        await store.set_many({(turn, n): entry(f"{turn}".rjust(size)) for n in range(50)})
        most = max(most, bytes_in(store.folder) - 65_536)  # the shared index is no content
    assert 500_000 < most <= 1_000_000
    assert store.statistics().evicted > 0
    assert store.statistics().size_bytes <= 1_000_000
    assert await store.get((turn, 49)) is not None
    await store.aclose()


@pytest.mark.parametrize("tags", [1, 40, 2_000])
async def test_a_full_store_always_takes_an_invalidation(tmp_path: Path, tags: int) -> None:
    store = DiskStore(tmp_path / "cache", max_bytes="512KiB")
    for turn in range(10):
        await store.set_many({(turn, n): entry("x" * 800, mark=store.mark()) for n in range(60)})
        await asyncio.gather(
            *[
                store.invalidate([f"a tag of some length {turn} {n} {tag}" for tag in range(tags)])
                for n in range(max(2, 300 // tags))
            ]
        )
        lease = await store.lease("work", 1)
        assert lease is not None
        await store.release(lease, kept=False)
    await store.set("key", entry("x" * 800, mark=store.mark()))
    assert await store.get("key") is not None
    assert bytes_in(store.folder) - 32_768 <= 512 * 1024
    assert store.statistics().errors == {}
    await store.aclose()


async def test_many_keys_are_read_at_once(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set_many({n: entry(n) for n in range(0, 100, 2)})
    await store.invalidate([tag_of_key(10)])
    for count in (5, 30, 100):
        found = await store.get_many(range(count))
        expected = [None if n % 2 or n == 10 else n for n in range(count)]
        assert [None if one is None else one.value for one in found] == expected
    await store.aclose()


async def test_what_is_read_outlives_what_is_not(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", max_bytes="1MB")
    text = "x" * 2_000
    for number in range(100):
        await store.set(number, entry(text))
    for number in range(100, 1_000):
        await store.set(number, entry(text))
        if number % 20 == 0:
            for hot in range(10):
                await store.get(hot)
    assert [n for n in range(10) if await store.get(n) is None] == []
    assert [n for n in range(10, 100) if await store.get(n) is not None] == []
    await store.aclose()


async def test_a_value_that_is_too_large_is_refused_and_the_old_one_gone(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", max_bytes="1MB")
    await store.set("key", entry("old"))
    await store.set("key", entry("x" * 130_000))
    assert await store.get("key") is None
    assert store.statistics().refused == 1
    await store.set("key", entry("x" * 120_000))
    assert await store.get("key") is not None
    await store.aclose()


async def test_what_has_no_safe_form_or_is_private_is_refused(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("object", entry(object()))
    await store.set("private", entry("mine", is_private=True))
    assert await store.get("object") is None
    assert await store.get("private") is None
    assert store.statistics().refused == 2
    await store.aclose()


async def test_what_is_over_leaves_without_being_asked_for(tmp_path: Path) -> None:
    with clock.use(time := FakeClock()):
        store = DiskStore(tmp_path / "cache")
        await store.set_many({n: entry(n, ttl_s=10) for n in range(20)})
        await time.advance(11)
        for n in range(10):
            await store.set(("new", n), entry(n))
        assert store.statistics().entries == 10
        assert store.statistics().expired == 20
        await store.aclose()


async def test_totals_are_those_of_the_tables(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", max_bytes="1MB")

    async def use(line: int) -> None:
        for n in range(150):
            await store.set((line, n % 40), entry("x" * (n * 37 % 3_000)))
            if n % 7 == 0:
                await store.delete((line, n % 11))

    await asyncio.gather(*[use(line) for line in range(8)])
    kept = [len(name) + len(body) async for name, body in store.scan()]
    assert (store.statistics().entries, store.statistics().size_bytes) == (len(kept), sum(kept))
    await store.clear()
    assert [name async for name, _ in store.scan()] == []
    assert (store.statistics().entries, store.statistics().size_bytes) == (0, 0)
    await store.aclose()


def test_too_small_a_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="512KiB"):
        DiskStore(tmp_path / "cache", max_bytes=100_000)
