"""open_store: from a text to a store."""

from pathlib import Path

import pytest

from headway.errors import BadSetup
from headway.stores import MemoryStore
from headway.stores.opening import open_store
from headway.stores.tiered import TieredStore


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headway.stores.opening._opened", {})
    return tmp_path


def test_memory_is_what_there_is_unless_somebody_says_otherwise() -> None:
    assert type(open_store()) is MemoryStore
    assert open_store() is open_store("memory")


def test_the_setting_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_STORE", "redis://127.0.0.1:1/0")
    store = open_store()
    assert isinstance(store, TieredStore)
    assert store.second_name == "redis"


@pytest.mark.parametrize(
    ("where", "second"),
    [
        ("disk", "disk"),
        ("disk:kept here", "disk"),
        ("redis://127.0.0.1:6379/0", "redis"),
        ("rediss://127.0.0.1:6379/0", "redis"),
        ("unix:///tmp/redis.sock", "redis"),
    ],
)
async def test_what_outlives_the_process_stands_behind_memory(where: str, second: str) -> None:
    store = open_store(where)
    assert isinstance(store, TieredStore)
    assert (store.second_name, store.is_shared, store.state) == (second, True, "up")
    assert open_store(where) is store
    await store.aclose()


async def test_disk_is_where_it_was_said_to_be(here: Path) -> None:
    store = open_store("disk:kept here")
    await store.get("nothing")
    assert (here / "kept here").is_dir()
    assert isinstance(store, TieredStore)
    await store.aclose()


@pytest.mark.parametrize("where", ["", "disc", "http://127.0.0.1", "disk:", "redis://"])
def test_what_names_no_store_is_refused_with_the_way_out(where: str) -> None:
    with pytest.raises(BadSetup, match=r"open_store\("):
        open_store(where)


def test_no_password_is_shown() -> None:
    with pytest.raises(BadSetup) as wrong:
        open_store("http://user:secret@127.0.0.1/0")
    assert "secret" not in str(wrong.value)
