"""Folders that cannot be used, disks that are full or slow."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from headway.errors import BadSetup
from headway.stores import Entry
from headway.stores.codec import Codec
from headway.stores.disk import DiskStore
from headway.stores.disk.database import pragma
from headway.stores.disk.pace import FAST_READS, Pace
from tests.stores.disk.kept import database, entry, finish, keep, python, readable

FULL = """
import resource, sqlite3
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    store = DiskStore(folder)
    kept = []
    refused = 0
    for number in range(200):
        try:
            await store.set(number, entry("x" * 5_000, mark=store.mark()))
            kept.append(number)
        except (sqlite3.Error, OSError) as error:
            refused += 1
    found = [number for number in kept if await store.get(number) is not None]
    assert found == kept, (len(found), len(kept))
    print(len(kept) > 5, refused > 5, sum(store.statistics().errors.values()) >= refused)
    await store.aclose()
asyncio.run(main())
"""

READ_ONLY = """
os.chmod(folder, 0o700)
async def main():
    first = DiskStore(Path(folder, "cache"))
    await first.set("key", entry())
    await first.aclose()
    os.chmod(Path(folder, "cache"), 0o500)
    store = DiskStore(Path(folder, "cache"))
    begun = store.mark()
    told = []
    for use in (store.get("key"), store.set("key", entry()), store.catch_up(), store.probe()):
        try:
            await use
        except Exception as error:
            told.append(type(error).__module__ in ("sqlite3", "builtins"))
    print(told, bool(store.statistics().errors))
    os.chmod(Path(folder, "cache"), 0o700)
    print((await store.get("key")).value)
    await store.set("late", entry(mark=begun))
    print(await store.get("late"), store.statistics().void)
    await store.aclose()
if os.geteuid() == 0:
    os.chown(folder, 65534, 65534)
    os.setegid(65534)
    os.seteuid(65534)
asyncio.run(main())
"""


async def test_a_full_disk_is_told_to_the_writer_and_reads_go_on(tmp_path: Path) -> None:
    full = python(FULL, tmp_path / "cache")
    assert finish(full) == "True True True\n"
    store = DiskStore(tmp_path / "cache")
    assert await store.get(0) is not None
    await store.set("key", entry())
    assert await store.get("key") is not None
    await store.aclose()


async def test_a_file_that_may_not_grow_is_told_to_the_writer(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store, 20)
    opened = store._access.current()
    opened.writing.execute(f"PRAGMA max_page_count = {pragma(opened.writing, 'page_count')}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await store.set("large", entry("x" * 1_000_000))
    assert await readable(store, values) == 20
    assert store.statistics().errors == {"OperationalError": 1}
    opened.writing.execute("PRAGMA max_page_count = 10000")
    await store.set("large", entry("x" * 1_000_000))
    await store.aclose()


async def test_one_write_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.probe()
    opened = store._access.current()
    opened.writing.execute(f"PRAGMA max_page_count = {pragma(opened.writing, 'page_count') + 20}")
    sizes = {"small": 10, "large": 1_000_000, "small too": 10}
    outcomes = await asyncio.gather(
        *[store.set(key, entry("x" * size)) for key, size in sizes.items()],
        return_exceptions=True,
    )
    assert [outcome is None for outcome in outcomes] == [True, False, True]
    assert await store.get("small") is not None
    assert await store.get("small too") is not None
    await store.aclose()


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    ours = [folder for folder in tmp_path.parents if folder.name.startswith(("pytest-", "popen-"))]
    for folder in (tmp_path, *ours):
        folder.chmod(0o755)
    (tmp_path / "of-nobody").mkdir()
    process = python(READ_ONLY, tmp_path / "of-nobody")
    assert finish(process) == "[True, True, True, True] True\nvalue\nNone 1\n"


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BadSetup, match="not a folder"):
        DiskStore(tmp_path / "cache")


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o755)
    with pytest.raises(BadSetup, match="chmod 700"):
        DiskStore(tmp_path / "cache")


async def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store, 5)
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.folder.rglob("*")}
    assert modes.pop("wake") == 0o700
    assert set(modes.values()) == {0o600}, modes
    await store.aclose()
    database(store.folder).chmod(0o644)
    with pytest.raises(BadSetup, match="chmod 600"):
        await store.get("key 1")
    await store.aclose()


async def test_a_link_in_the_files_place_is_refused(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await keep(store, 5)
    await store.aclose()
    path = database(store.folder)
    path.rename(tmp_path / "elsewhere.db")
    path.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(BadSetup, match="link"):
        await store.get("key 1")
    await store.aclose()


class SlowCodec(Codec):
    """Takes its time to read when told so, as a slow disk does."""

    seconds = 0.0

    def decode(self, name: str, written: bytes) -> Entry | None:
        time.sleep(self.seconds)
        return super().decode(name, written)


async def test_slow_reads_leave_the_loop_and_come_back_when_fast(tmp_path: Path) -> None:
    codec = SlowCodec()
    store = DiskStore(tmp_path / "cache", codec=codec)
    await store.set("key", entry())
    assert store.peek("key") is not None
    codec.seconds = 0.02
    await store.get("key")
    await store.get("key")
    assert store.peek("key") is None, "the loop is not held up any more"
    turns = 0
    slow = asyncio.create_task(store.get("key"))
    while not slow.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert slow.result() is not None
    assert turns > 3
    codec.seconds = 0.0
    for _ in range(20 * FAST_READS):
        assert await store.get("key") is not None
        if store.peek("key") is not None:
            break
    else:
        raise AssertionError("fast reads never came back to the loop")
    await store.aclose()


def test_one_slow_read_among_fast_ones_is_borne() -> None:
    pace = Pace()
    for _ in range(5):
        pace.read_on_loop(0.002)
        for _ in range(10):
            pace.read_on_loop(0.00001)
    assert pace.is_quick
    pace.read_on_loop(0.002)
    pace.read_on_loop(0.002)
    assert not pace.is_quick


def test_one_read_that_stalls_is_enough() -> None:
    pace = Pace()
    pace.read_on_loop(0.2)
    assert not pace.is_quick
    for _ in range(FAST_READS - 1):
        pace.read_on_thread(0.00001)
    pace.read_on_thread(0.1)
    for _ in range(FAST_READS - 1):
        pace.read_on_thread(0.00001)
    assert not pace.is_quick
    pace.read_on_thread(0.00001)
    assert pace.is_quick
