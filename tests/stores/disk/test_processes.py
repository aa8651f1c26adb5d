"""Several processes, threads, loops and forks on one folder."""

import asyncio
import os
import threading
import warnings
from pathlib import Path

import pytest

from headway.stores.disk import DiskStore
from tests.stores.disk.kept import entry, finish, keep, kill, line_of, python, readable

WRITE_AND_READ = """
async def main():
    store = DiskStore(folder)
    mine = sys.argv[2]
    for turn in range(60):
        await store.set(f"{mine} {turn}", entry(f"{mine} {turn}" * 20, mark=store.mark()))
        await store.set("shared", entry(mine * 100, mark=store.mark()))
        if turn % 20 == 0:
            await store.invalidate([f"tag {mine}"])
        found = await store.get("shared")
        assert found is None or found.value in [who * 100 for who in "abcd"], found.value
    for turn in range(60):
        found = await store.get(f"{mine} {turn}")
        assert found is not None and found.value == f"{mine} {turn}" * 20
    assert not store.statistics().errors, store.statistics()
    await store.aclose()
asyncio.run(main())
"""

WRITE_FOR_EVER = """
async def main():
    store = DiskStore(folder)
    async def write(line):
        number = 0
        while True:
            await store.set(f"{line} {number}", entry(f"{line} {number}" * 50, mark=store.mark()))
            print(line, number, flush=True)
            number += 1
    await asyncio.gather(*[write(line) for line in range(4)])
asyncio.run(main())
"""


async def test_four_processes_write_and_read_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    writers = [python(WRITE_AND_READ, folder, who) for who in "abcd"]
    await asyncio.gather(*[asyncio.to_thread(finish, writer) for writer in writers])
    store = DiskStore(folder)
    for who in "abcd":
        assert await store.get(f"{who} 59") is not None
    assert store.statistics().entries == 4 * 60 + 1
    await store.aclose()


@pytest.mark.parametrize("trial", range(3))
async def test_what_set_had_returned_for_survives_kill(tmp_path: Path, trial: int) -> None:
    folder = tmp_path / "cache"
    writer = python(WRITE_FOR_EVER, folder)
    lines = [await line_of(writer) for _ in range(20 + 37 * trial)]
    writer.kill()
    assert writer.stdout is not None
    rest = await asyncio.to_thread(writer.stdout.read)  # and of what was read ahead with a line
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    kill(writer)
    store = DiskStore(folder)
    for line in lines:
        found = await store.get(line.strip())
        assert found is not None, f"{line!r} is lost"
        assert found.value == line.strip() * 50
    assert not store.statistics().errors
    await store.aclose()


async def test_a_later_process_finds_what_an_earlier_one_kept(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("kept", entry("kept", tags=("a",)))
    await store.set("void", entry("void", tags=("b",)))
    await store.invalidate(["b"])
    await store.aclose()
    later = python(
        """
async def main():
    store = DiskStore(folder)
    print((await store.get("kept")).value, await store.get("void"))
    await store.aclose()
asyncio.run(main())
""",
        store.folder,
    )
    assert finish(later) == "kept None\n"


async def test_a_forked_child_opens_its_own_files(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    values = await keep(store, 20)
    assert await readable(store, values) == 20
    with warnings.catch_warnings():  # of threads, which the child has not
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = asyncio.new_event_loop().run_until_complete(_in_child(store, values))
        finally:
            os._exit(status)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await readable(store, values) == 20
    found = await store.get("of the child")
    assert found is not None
    assert found.value == "child"
    await store.set("of the parent", entry("parent", mark=store.mark()))
    assert await store.get("of the parent") is not None
    await store.aclose()


async def _in_child(store: DiskStore, values: dict[str, str]) -> int:
    assert await readable(store, values) == len(values)
    await store.set("of the child", entry("child", mark=store.mark()))
    lease = await store.lease("work", 1)
    assert lease is not None
    await store.release(lease, kept=False)
    await store.aclose()
    return 0


def test_loops_one_after_another_and_at_once(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    wrong: list[BaseException] = []

    async def use(who: str) -> None:
        for turn in range(30):
            await store.set(who, entry(f"{who} {turn}", mark=store.mark()))
            found = await store.get(who)
            assert found is not None
            assert found.value == f"{who} {turn}"

    def run(who: str) -> None:
        try:
            asyncio.run(use(who))
        except BaseException as error:
            wrong.append(error)

    run("first")
    threads = [threading.Thread(target=run, args=(f"thread {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    asyncio.run(store.aclose())
    run("after closing")
    assert not wrong
    asyncio.run(store.aclose())


async def test_closing_waits_for_what_is_to_be_written(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    writes = [asyncio.create_task(store.set(f"key {n}", entry(n))) for n in range(100)]
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(*writes)
    assert [(await store.get(f"key {n}")) is not None for n in range(100)] == [True] * 100
    await store.aclose()


async def test_who_stops_waiting_does_not_stop_the_write(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    store.mark()
    write = asyncio.create_task(store.set("key", entry()))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    await store.probe()
    assert await store.get("key") is not None
    await store.aclose()


async def test_a_writer_that_stands_still_keeps_no_reader_waiting(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("key", entry())
    other = python(
        """
import sqlite3
connection = sqlite3.connect(next(Path(folder).glob("entries-*.db")), isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("holding", flush=True)
sys.stdin.readline()
""",
        store.folder,
    )
    assert await line_of(other) == "holding"
    assert store.peek("key") is not None
    assert await store.get("key") is not None
    write = asyncio.create_task(store.set("other", entry()))
    await asyncio.sleep(0.05)
    assert not write.done()
    kill(other)
    await write
    assert await store.get("other") is not None
    await store.aclose()
