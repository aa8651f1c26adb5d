"""One's own invalidations on their way: what is looked up, written and heard of meanwhile."""

import asyncio
import threading
from collections.abc import Iterable, Sequence

import pytest

from headway import Cache, operation
from headway.stores import Entry, Key, MemoryStore
from headway.stores.ledger import Change, News
from headway.stores.tiered import TieredStore, news
from headway.stores.tiered.memory_contents import held as held_in_memory
from headway.stores.tiered.news import KeysByTag
from headway.testing import FakeClock
from tests.stores.tiered.conftest import entry, put, read
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf, tag_of_key


class Held(ScriptedSecond):
    """Takes no invalidation before *lands*, gives no answer before *answers*, or fails."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.lands, self.answers = asyncio.Event(), asyncio.Event()
        self.lands.set()
        self.answers.set()
        self.fails = False

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        found = await super().get_many(keys)
        await self.answers.wait()
        return found

    async def invalidate(self, tags: Iterable[str]) -> None:
        await self.lands.wait()
        if self.fails:
            raise ConnectionError("lost on its way")
        await super().invalidate(tags)

    async def clear(self) -> None:
        await self.lands.wait()
        if self.fails:
            raise ConnectionError("lost on its way")
        await super().clear()


async def held(shelf: Shelf, *, strict: bool) -> tuple[TieredStore, Held]:
    second = Held(shelf)
    store = TieredStore(MemoryStore(), second, strict=strict)
    await store.get("nothing")
    return store, second


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


WAYS = pytest.mark.parametrize("way", ["tag", "key", "all"])
STRICT = pytest.mark.parametrize("strict", [False, True])


async def made_void(store: TieredStore, way: str) -> None:
    if way == "tag":
        await store.invalidate(["a"])
    elif way == "key":
        await store.delete("key")
    else:
        await store.clear()


@WAYS
@STRICT
async def test_what_is_found_before_it_is_void_there_too_is_not_promoted(
    other: TieredStore, shelf: Shelf, strict: bool, way: str
) -> None:
    await put(other, "key", "old", tags=("a",))
    store, second = await held(shelf, strict=strict)
    second.lands.clear()
    going = asyncio.create_task(made_void(store, way))
    await turns()
    assert await read(store, "key") is None
    second.lands.set()
    await going
    assert await read(store, "key") is None
    await store.aclose()


@WAYS
@STRICT
async def test_what_was_found_before_and_comes_after_is_not_promoted(
    other: TieredStore, shelf: Shelf, strict: bool, way: str
) -> None:
    await put(other, "key", "old", tags=("a",))
    store, second = await held(shelf, strict=strict)
    second.answers.clear()
    second.lands.clear()
    going = asyncio.create_task(made_void(store, way))
    await asyncio.sleep(0)
    looking = asyncio.create_task(store.get("key"))
    await turns()
    second.lands.set()
    await going
    second.answers.set()
    assert await looking is None
    assert await read(store, "key") is None
    await store.aclose()


@pytest.mark.parametrize("way", ["tag", "all"])
@STRICT
async def test_anothers_is_not_taken_for_ones_own_that_failed(
    shelf: Shelf, time: FakeClock, strict: bool, way: str
) -> None:
    store, second = await held(shelf, strict=strict)
    second.lands.clear()
    second.fails = True
    going = asyncio.create_task(made_void(store, way))
    await turns()
    await put(store, "key", "made before the other's", tags=("a",))
    shelf.invalidate(("a",) if way == "tag" else ())
    if strict:
        assert await read(store, "key") is None
    second.lands.set()
    await asyncio.wait([going])
    assert isinstance(going.exception(), ConnectionError) == strict
    second.fails = False
    await time.advance(1)
    assert store.state == "up"
    assert await read(store, "key") is None
    assert shelf.rows == {}
    await store.aclose()


@STRICT
async def test_what_was_made_since_stays(shelf: Shelf, strict: bool) -> None:
    store, second = await held(shelf, strict=strict)
    second.lands.clear()
    going = asyncio.create_task(store.invalidate(["a"]))
    await turns()
    await put(store, "key", "since", tags=("a",))
    second.lands.set()
    await going
    assert await read(store, "key") == "since"
    await store.aclose()


async def test_answers_begun_since_are_kept(shelf: Shelf, time: FakeClock) -> None:
    store, second = await held(shelf, strict=False)
    cache, done = Cache("60s", store=store, tags=("a",)), asyncio.Event()

    @operation(cache, name="own_news.answer")
    async def answer() -> str:
        await done.wait()
        return "since"

    second.lands.clear()
    going = asyncio.create_task(cache.invalidate("a"))
    await turns()
    asking = asyncio.create_task(answer())
    await turns()
    second.lands.set()
    await going
    done.set()
    assert await asking == "since"
    assert (await answer.answer()).source == "hit"
    await store.aclose()


async def test_listeners_hear_once_of_ones_own_and_of_anothers(shelf: Shelf) -> None:
    store, _ = await held(shelf, strict=False)
    heard: list[News] = []
    store.listen(heard.append)
    await store.invalidate(["a"])
    shelf.invalidate(("b",))
    assert [change.tags for change in heard if isinstance(change, Change)] == [("a",), ("b",)]
    await store.aclose()


async def test_what_becomes_void_while_memory_takes_it_in_is_not_kept(
    time: FakeClock, shelf: Shelf
) -> None:
    def size_of(value: object) -> int:
        if value == "void meanwhile":
            shelf.invalidate((tag_of_key("key"),))
        return 10

    store = TieredStore(MemoryStore(size_of=size_of), ScriptedSecond(shelf))
    await store.get("nothing")
    await put(store, "key", "void meanwhile")
    assert await read(store, "key") is None
    assert shelf.rows == {}
    await store.aclose()


async def test_work_begun_before_a_delete_stays_out_though_its_number_is_forgotten(
    time: FakeClock, shelf: Shelf, other: TieredStore
) -> None:
    store = TieredStore(MemoryStore(max_tags=4), ScriptedSecond(shelf))
    await store.get("nothing")
    mark = store.mark()
    await store.delete("key")
    for number in range(10):
        await store.invalidate([f"tag {number}"])
    await store.set("key", entry("begun before", mark))
    assert await read(store, "key") is None
    assert await read(other, "key") is None
    await store.aclose()


def test_a_key_that_is_noted_while_another_thread_tidies_up_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = MemoryStore(max_entries=1)
    keys = KeysByTag(memory)
    for number in range(2):
        keys.add(f"=gone {number}", f"gone {number}")
    memory.keep("late", entry("value"))
    adding = threading.Thread(target=keys.add, args=("=late", "late"))
    real = held_in_memory

    def slow(memory: MemoryStore, key: Key) -> Entry | None:
        if not adding.ident:
            adding.start()
            adding.join(0.05)
        return real(memory, key)

    monkeypatch.setattr(news, "held", slow)
    keys.add("=here", "here")
    adding.join()
    assert keys.pop("=late") == "late"


async def test_what_others_write_back_to_a_store_that_lost_its_data_is_not_promoted(
    time: FakeClock, shelf: Shelf, other: TieredStore
) -> None:
    store, second = await held(shelf, strict=False)
    await put(other, "key", "old", tags=("a",))
    old = next(iter(shelf.rows.values()))
    assert isinstance(other.second, ScriptedSecond)
    await other.invalidate(["a"])
    shelf.begin()
    shelf.rows[tag_of_key("key")[1:]] = old.with_mark(shelf.count)
    second.lands.clear()  # the store is about to be told again
    assert await read(store, "key") is None
    second.lands.set()
    await time.advance(1)
    assert await read(store, "key") is None
    await store.aclose()
