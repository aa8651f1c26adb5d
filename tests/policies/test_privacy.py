import logging
from pathlib import Path
from typing import Any

import pytest

from headway import (
    BadSetup,
    Cache,
    DiskStore,
    MemoryStore,
    RedisStore,
    TieredStore,
    last_answer,
    operation,
    scope,
    without,
)
from headway.stores.shared import SharedStore
from headway.testing.clock import FakeClock, settle
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import Work

pytestmark = pytest.mark.usefixtures("time")


@pytest.mark.parametrize("by", ["cache", "scope"])
async def test_what_is_private_stays_in_memory(by: str) -> None:
    store = SharedView(Server())
    work = Work()

    @operation(Cache("15m", store=store, private=by == "cache"), name="shop.find")
    async def find(name: str) -> int:
        return await work.run()

    with scope(private=by == "scope"):
        assert [await find("x"), await find("x")] == [1, 1]
    assert (await find.answer("x")).source == "hit"
    assert [entry.is_private for entry in store.memory.values()] == [True]
    assert not store.asked


async def test_in_memory_it_is_marked_all_the_same() -> None:
    store = MemoryStore()
    cache = Cache("15m", store=store, private=True)

    @operation(cache)
    async def find(name: str) -> int:
        return 1

    await find("x")
    key = (find.operation.identity, "x")
    assert (entry := store.peek(key)) is not None
    assert entry.is_private


async def test_a_scope_inside_may_take_it_back() -> None:
    store = SharedView(Server())

    @operation(Cache("15m", store=store), name="shop.find")
    async def find(name: str) -> int:
        return 1

    with scope(private=True):
        with scope(tenant="a"):
            await find("x")
        with scope(private=False):
            await find("y")
    assert [key[1] for key in store.memory] == ["x"]  # type: ignore[index]
    assert [key[1] for key in store.server.entries] == ["y"]  # type: ignore[index]


def test_private_is_a_truth_value() -> None:
    with pytest.raises(BadSetup, match="private='yes'"), scope(private="yes"):  # type: ignore[arg-type]
        pass


async def test_methods_of_objects_without_a_key_are_kept_in_memory_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = SharedView(Server())

    class Shop:
        @operation(Cache("15m", store=store), name="shop.find")
        async def find(self, name: str) -> str:
            return name

    shop: Any = Shop()
    with caplog.at_level(logging.WARNING, "headway"):
        for name in ("a", "b", "a"):
            assert await shop.find(name) == name
    assert len(store.memory) == 2
    assert not store.asked
    assert len(caplog.records) == 1
    assert "__headway_key__" in caplog.text


@pytest.mark.parametrize("way", ["own key", "without", "key function"])
async def test_methods_that_every_process_knows_are_shared(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedView(Server())
    key: Any = {
        "own key": None,
        "without": without("self"),
        "key function": lambda args, kwargs: (args[0].town, args[1]),
    }[way]

    class Shop:
        town = "Ulm"

        @operation(Cache("15m", store=store), name="shop.find", key=key)
        async def find(self, name: str) -> str:
            return name

    if way == "own key":
        Shop.__headway_key__ = lambda self: self.town  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, "headway"):
        for shop in (Shop(), Shop()):
            other: Any = shop
            assert await other.find("a") == "a"
    assert (len(store.server.entries), store.asked["set"], store.memory) == (1, 1, {})
    assert not caplog.records


def test_a_function_inside_another_needs_a_name_on_a_shared_store() -> None:
    store = SharedView(Server())
    with pytest.raises(BadSetup, match=r"name=") as refused:

        @operation(Cache("15m", store=store))
        async def find(name: str) -> str:
            return name

    assert "shared" in str(refused.value)
    with pytest.raises(BadSetup, match=r"<lambda>.*name="):
        operation(Cache("15m", store=store))(lambda name: name)


async def test_what_takes_the_place_of_a_private_answer_is_private_too(time: FakeClock) -> None:
    store = SharedView(Server())

    @operation(Cache("1m", stale_for="1h", store=store), name="shop.profile")
    async def profile(user: str) -> object:
        known = last_answer()
        return known.value if known is not None else ["secret of", user]

    with scope(private=True):
        await profile("ada")
    await time.advance(61)
    assert (await profile.answer("ada")).source == "stale"  # asked outside the scope
    await settle()
    assert (await profile.answer("ada")).source == "hit"
    assert [entry.is_private for entry in store.memory.values()] == [True]
    assert not store.server.entries
    assert not store.asked


@pytest.mark.parametrize("bare", ["disk", "redis"])
def test_a_store_without_memory_is_refused_where_all_is_private(bare: str, tmp_path: Path) -> None:
    store: SharedStore = DiskStore(tmp_path / "c") if bare == "disk" else RedisStore()
    with pytest.raises(BadSetup, match=r"private=True.*TieredStore\(MemoryStore\(\), store\)"):
        Cache("1h", store=store, private=True)
    Cache("1h", store=TieredStore(MemoryStore(), store), private=True)


@pytest.mark.parametrize("module", ["__main__", "__mp_main__"])
def test_a_script_s_function_needs_a_name_on_a_shared_store(module: str) -> None:
    async def find(name: str) -> int:
        return 1

    find.__module__, find.__qualname__ = module, "find"
    cache = Cache("1h", store=SharedView(Server()))
    with pytest.raises(BadSetup, match=rf'{module}\.find stands in the script.*name="'):
        operation(cache)(find)
    operation(cache, name="shop.find")(find)
    operation(Cache("1h"))(find)
