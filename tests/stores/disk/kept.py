"""Entries to keep, and processes that use the same folder."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from headway import clock
from headway.stores import Entry
from headway.stores.disk import DiskStore

PRELUDE = """
import asyncio, os, signal, sys, time
from pathlib import Path
from headway.stores.disk import DiskStore
from tests.stores.disk.kept import entry
folder = sys.argv[1]
"""


def entry(
    value: object = "value",
    ttl_s: float = 600,
    tags: tuple[str, ...] = (),
    mark: int = 0,
    is_private: bool = False,
) -> Entry:
    """An entry made now."""
    now = clock.now()
    return Entry(
        value,
        made_at=now,
        fresh_until=now + ttl_s,
        tags=tags,
        mark=mark,
        is_private=is_private,
    )


async def keep(store: DiskStore, count: int = 200, size: int = 500) -> dict[str, str]:
    """Fill *store* with *count* values, and tell them by key."""
    values = {f"key {number}": f"{number} " * (size // 4) for number in range(count)}
    await store.set_many({key: entry(value) for key, value in values.items()})
    return values


async def readable(store: DiskStore, values: dict[str, str]) -> int:
    """How many of *values* are found; none may be found changed."""
    found = 0
    for key, value in values.items():
        got = await store.get(key)
        if got is not None:
            assert got.value == value
            found += 1
    return found


def python(code: str, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A process that runs *code* on *folder*; end it with ``finish`` or ``kill``."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """What *process* wrote; it must end well."""
    written, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    return written


def kill(process: "subprocess.Popen[str]") -> None:
    """End it without a word, as a machine short of memory does."""
    process.kill()
    process.communicate(timeout=60)


async def line_of(process: "subprocess.Popen[str]") -> str:
    """Its next line, while the loop runs on."""
    assert process.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 60)
    return line.strip()


async def until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once *is_so*; fail after *seconds*."""
    for _ in range(int(seconds / 0.002)):
        if is_so():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came to be so")


def database(folder: Path) -> Path:
    """The one file that holds the entries now."""
    (found,) = folder.glob("entries-*.db")
    return found


def truncate(path: Path, tail: str = "", left: int = 0) -> None:
    """Cut the file, or what stands beside it, down to *left* bytes, or fill it up with zeros."""
    with Path(f"{path}{tail}").open("r+b") as file:
        file.truncate(left)


def ruin(path: Path) -> None:
    """Leave nothing of the database but its length."""
    path.write_bytes(b"x" * path.stat().st_size)
    truncate(path, "-wal")


def contents(path: Path) -> dict[str, bytes]:
    """The file, and the log beside it."""
    return {tail: Path(f"{path}{tail}").read_bytes() for tail in ("", "-wal")}


def put_back(path: Path, content: dict[str, bytes]) -> None:
    """Make the files what they were."""
    for tail, written in content.items():
        Path(f"{path}{tail}").write_bytes(written)
        Path(f"{path}{tail}").chmod(0o600)
