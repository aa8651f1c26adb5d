"""strict=True: nothing with tags is served that was made void, whatever is broken."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headway.stores import MemoryStore
from headway.stores.tiered import TieredStore
from headway.testing import FakeClock
from tests.stores.tiered.conftest import put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


@pytest.fixture
async def strict(time: FakeClock, shelf: Shelf) -> AsyncIterator[TieredStore]:
    store = TieredStore(MemoryStore(), ScriptedSecond(shelf), strict=True)
    await store.get("nothing")
    yield store
    shelf.thaw()
    await store.aclose()


async def test_a_hit_with_tags_is_checked_first(strict: TieredStore, shelf: Shelf) -> None:
    await put(strict, "tagged", "value", tags=("a",))
    await put(strict, "plain", "value")
    shelf.asked.clear()
    assert strict.peek("plain") is not None
    assert shelf.asked == []
    assert strict.peek("tagged") is None
    assert await read(strict, "tagged") == "value"
    assert shelf.asked == ["catch_up"]


async def test_checks_of_many_at_once_are_one(strict: TieredStore, shelf: Shelf) -> None:
    for key in "abc":
        await put(strict, key, key, tags=("a",))
    shelf.asked.clear()
    assert await asyncio.gather(*[read(strict, key) for key in "abc"]) == list("abc")
    assert shelf.asked == ["catch_up"]
    shelf.asked.clear()
    assert [found and found.value for found in await strict.get_many("abc")] == list("abc")
    assert shelf.asked == ["catch_up"]


async def test_no_stale_read_after_the_acknowledgement_with_the_backplane_cut(
    strict: TieredStore, other: TieredStore, shelf: Shelf
) -> None:
    assert isinstance(strict.second, ScriptedSecond)
    strict.second.is_deaf = True
    for turn in range(50):
        await put(other, "key", turn, tags=("a",))
        assert await read(strict, "key") == turn
        await other.invalidate(["a"])
        assert await read(strict, "key") is None


async def test_what_was_asked_for_before_the_acknowledgement_is_not_served_after_it(
    strict: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    assert isinstance(strict.second, ScriptedSecond)
    await put(other, "key", "old", tags=("a",))
    strict.second.is_deaf = True
    early = asyncio.create_task(strict.get("key"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shelf.invalidate(("a",))
    shelf.asked.clear()
    assert await strict.get("key") is None
    assert "get" in shelf.asked
    await early


@pytest.mark.parametrize("fault", ["refuses", "is_frozen"])
async def test_out_of_reach_is_a_miss_never_stale(
    strict: TieredStore, shelf: Shelf, time: FakeClock, fault: str
) -> None:
    await put(strict, "tagged", "value", tags=("a",))
    await put(strict, "plain", "value")
    setattr(shelf, fault, True)
    reading = asyncio.create_task(read(strict, "tagged"))
    await time.advance(0.05)
    assert await reading is None
    assert strict.state == "down"
    assert await read(strict, "tagged") is None
    assert await read(strict, "plain") == "value"


async def test_an_invalidation_that_did_not_arrive_is_not_acknowledged(
    strict: TieredStore, other: TieredStore, shelf: Shelf, time: FakeClock
) -> None:
    await put(other, "key", "old", tags=("a",))
    shelf.refuses = True
    for _ in range(2):
        with pytest.raises(ConnectionError, match="scripted"):
            await strict.invalidate(["a"])
    shelf.refuses = False
    await time.advance(0.5)
    assert await read(other, "key") is None


async def test_in_doubt_is_nothing(strict: TieredStore, other: TieredStore, shelf: Shelf) -> None:
    assert isinstance(strict.second, ScriptedSecond)
    await put(strict, "key", "old", tags=("a",), stale_for_s=60)
    strict.second.is_deaf = True
    await other.invalidate(["a"])
    shelf.trim_log()
    await other.invalidate(["b"])
    assert await read(strict, "key") is None
