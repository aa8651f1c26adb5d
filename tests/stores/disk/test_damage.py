"""Whatever happens to the files, nobody gets a wrong value, and the store goes on."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from headway import clock, events
from headway.events import Event
from headway.stores.disk import DiskStore
from headway.testing import FakeClock
from tests.stores.disk.kept import (
    contents,
    database,
    entry,
    keep,
    put_back,
    readable,
    ruin,
    truncate,
)


async def usable(store: DiskStore) -> bool:
    await store.set("afterwards", entry("yes", mark=store.mark()))
    found = await store.get("afterwards")
    return found is not None and found.value == "yes"


def scribble(path: Path, chance: random.Random, times: int) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(times):
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(chance.choice((1, 4, 64, 4096))))


@pytest.mark.parametrize("seed", range(15))
async def test_damage_while_closed_is_a_miss(tmp_path: Path, seed: int) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store)
    await store.aclose()
    chance = random.Random(seed)
    scribble(database(store.folder), chance, times=chance.choice((1, 5, 40)))
    store = DiskStore(tmp_path / "cache")
    await readable(store, values)
    assert await usable(store)
    await store.aclose()


@pytest.mark.parametrize("seed", range(15))
async def test_damage_while_open_is_a_miss(tmp_path: Path, seed: int) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store)
    chance = random.Random(seed)
    path = database(store.folder)
    log = path.with_name(path.name + "-wal")
    scribble(log if seed % 2 else path, chance, times=chance.choice((1, 5, 40)))
    await readable(store, values)
    other = DiskStore(tmp_path / "cache")
    await readable(other, values)
    assert await usable(store)
    assert await usable(other)
    await store.aclose()
    await other.aclose()


async def test_a_flipped_bit_in_every_page_loses_some_and_changes_none(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store)
    await store.aclose()
    path = database(store.folder)
    written = bytearray(path.read_bytes())
    for place in range(4096 * 12 + 2000, len(written), 4096):
        written[place] ^= 4
    path.write_bytes(written)
    store = DiskStore(tmp_path / "cache")
    assert await readable(store, values) < len(values)
    assert store.statistics().errors
    assert await usable(store)
    await store.aclose()


@pytest.mark.parametrize("tail", ["", "-wal"])
@pytest.mark.parametrize("left", [0, 1, 100, 4096, 20_000])
@pytest.mark.parametrize("is_open", [True, False])
async def test_a_truncated_file_is_a_miss(
    tmp_path: Path, tail: str, left: int, is_open: bool
) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store)
    path = database(store.folder)
    before = contents(path)
    if not is_open:
        await store.aclose()
        put_back(path, before)
        store = DiskStore(tmp_path / "cache")
    truncate(path, tail, left)
    await readable(store, values)
    assert await usable(store)
    await store.aclose()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"\0" * 5000])
async def test_a_foreign_file_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store)
    await store.aclose()
    path = database(store.folder)
    path.write_bytes(content)
    store = DiskStore(tmp_path / "cache")
    assert await store.get("key 1") is None
    assert await usable(store)
    assert (store.folder / "broken.db").read_bytes() == content
    assert database(store.folder) != path
    await store.aclose()


async def test_another_programs_database_is_moved_aside(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store)
    await store.aclose()
    path = database(store.folder)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE state (id INTEGER)")
    connection.commit()
    connection.close()
    path.chmod(0o600)
    store = DiskStore(tmp_path / "cache")
    assert await usable(store)
    assert (store.folder / "broken.db").exists()
    await store.aclose()


async def test_beginning_anew_is_told_and_counted(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store)
    path = database(store.folder)
    heard: list[Event] = []
    with events.listen(heard.append):
        ruin(path)
        assert await store.get("key 1") is None
    (told,) = [event for event in heard if isinstance(event, events.StoreFailed)]
    assert (told.store, "begun anew" in told.error) == ("disk", True)
    assert any(name.startswith("broken") for name in store.statistics().errors)
    await store.aclose()


async def test_who_has_the_broken_file_open_goes_over_to_the_new_one(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    await keep(one)
    assert await other.get("key 1") is not None
    before = one.mark()
    ruin(database(one.folder))
    assert await one.get("key 1") is None
    await one.set("key 1", entry("new", mark=one.mark()))
    found = await other.get("key 1")
    assert found is not None
    assert found.value == "new"
    assert one.mark() == other.mark() > before
    await one.aclose()
    await other.aclose()


async def test_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store)
    mark = store.mark()
    shutil.rmtree(store.folder)
    await store.set("key", entry("new"))
    await store.set("other", entry("new", mark=mark))
    await store.catch_up()
    assert store.mark() > mark
    await store.set("key", entry("new", mark=store.mark()))
    assert await store.get("key") is not None
    assert await store.get("other") is None, "its work began with the old file"
    await store.aclose()


async def test_an_older_copy_put_back_does_not_revive_what_is_void(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("key", entry("old", tags=("a",)))
    await store.aclose()
    path = database(store.folder)
    copy = path.read_bytes()
    await store.invalidate(["a"])
    await store.aclose()
    path.write_bytes(copy)
    assert await store.get("key") is None
    assert any("Lost" in name for name in store.statistics().errors)
    await store.aclose()


async def test_a_row_moved_to_another_key_is_a_miss(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("one", entry("one"))
    await store.set("two", entry("two"))
    connection = sqlite3.connect(database(store.folder))
    connection.execute("UPDATE entries SET body = (SELECT body FROM entries WHERE id = 1)")
    connection.commit()
    connection.close()
    found = await store.get("one")
    assert found is not None
    assert await store.get("two") is None
    assert store.statistics().errors == {"damaged": 1}
    assert store.statistics().entries == 1, "what is damaged is dropped"
    await store.aclose()


async def test_an_entry_from_the_future_is_a_miss(tmp_path: Path) -> None:
    with clock.use(time := FakeClock()):
        store = DiskStore(tmp_path / "cache")
        await store.set("key", entry())
        time.step_wall(-4)
        assert await store.get("key") is not None
        time.step_wall(-2)
        assert store.peek("key") is None
        assert await store.get("key") is None
        time.step_wall(+6)
        assert await store.get("key") is not None
        await store.aclose()
