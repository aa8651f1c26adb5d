"""What must do no harm: a lock that is held, very many tags, a store that is dropped."""

import asyncio
import fcntl
import gc
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway.stores.disk import DiskStore
from headway.stores.disk import database as disk_database
from headway.stores.disk.database import COUNT, bounds, open_database
from headway.stores.disk.transaction import Transaction
from tests.stores.disk.kept import entry, keep, readable, until


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """As by a process that was frozen while it began a file."""
    fd = os.open(folder / COUNT, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


async def test_who_waits_for_another_process_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    access = store._access
    with held(store.folder):
        looking = asyncio.create_task(store.get("key"))
        await until(access._opening.locked)
        asking = threading.Thread(target=access.on_thread, args=[lambda rows: None], daemon=True)
        asking.start()
        asking.join(1.0)
        assert not asking.is_alive()
    assert await looking is None
    await store.aclose()


def test_a_lock_that_is_never_let_go_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_database, "BUSY_S", 0.02)
    with held(tmp_path), pytest.raises(TimeoutError, match="another process"):
        open_database(tmp_path, bounds(1_000_000), lambda: 1)


async def test_very_many_tags_are_asked_for_in_parts(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.catch_up()
    values = await keep(store, 10)
    mark = store.mark()
    await store.invalidate(["other"])
    tags = tuple(f"tag {number}" for number in range(40_000))
    await store.set("big", entry("x", tags=tags, mark=mark))
    await store.set("void", entry("x", tags=(*tags, "other"), mark=mark))
    assert await store.get("big") is not None
    assert await store.get("void") is None
    assert await readable(store, values) == 10
    assert store.statistics().errors == {}
    await store.aclose()


async def test_what_is_done_in_passing_does_not_fail_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Transaction, names: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store = DiskStore(tmp_path / "cache")
    await store.set("key", entry())
    monkeypatch.setattr(Transaction, "mark_seen", fail)
    await store.probe()
    assert await store.get("key") is not None
    await store.aclose()


async def test_a_store_that_is_dropped_leaves_nothing_open(tmp_path: Path) -> None:
    def opened() -> int:
        gc.collect()  # a reader's thread may have had the last of it until now
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    for number in range(5):
        store = DiskStore(tmp_path / str(number))
        await store.get("key")
        del store
    await until(lambda: opened() == before)
