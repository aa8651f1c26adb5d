"""Invalidations reach every process: by a message at once, by the table always."""

import asyncio
import shutil
import socket
from pathlib import Path
from time import perf_counter

import pytest

from headway.stores.disk import DiskStore
from headway.stores.disk.transaction import LOG_LENGTH
from headway.stores.ledger import Change, Gap, News, Verdict, tag_of_key
from tests.stores.disk.kept import entry, finish, line_of, python, until

INVALIDATE = """
async def main():
    store = DiskStore(folder)
    print("ready", flush=True)
    for _ in range(int(sys.argv[2])):
        await asyncio.to_thread(sys.stdin.readline)
        await store.invalidate(["a"])
        print(time.perf_counter(), flush=True)
    await store.aclose()
asyncio.run(main())
"""


async def listening(store: DiskStore) -> list[News]:
    await store.catch_up()
    heard: list[News] = []
    store.ledger.listen(heard.append)
    return heard


async def test_another_process_is_heard_at_once(tmp_path: Path) -> None:
    store, turns = DiskStore(tmp_path / "cache"), 20
    await listening(store)
    other = python(INVALIDATE, store.folder, str(turns))
    assert await line_of(other) == "ready"
    late = []
    for _ in range(turns):
        mark = store.mark()
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
        done = asyncio.create_task(line_of(other))
        await until(lambda mark=mark: store.mark() > mark)  # type: ignore[misc]
        heard = perf_counter()
        late.append(heard - float(await done))
    assert sorted(late)[turns // 2] < 0.05
    await asyncio.to_thread(finish, other)
    await store.aclose()


async def test_listeners_hear_every_change_once_and_in_order(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    own, heard = await listening(one), await listening(other)
    first = one.mark()
    for number in range(100):
        await one.invalidate([f"tag {number}"])
    await one.clear()
    await until(lambda: len(heard) >= 101)
    expected = [Change(first + 1 + n, (f"tag {n}",)) for n in range(100)]
    assert heard == own == [*expected, Change(first + 101, ())]
    await one.aclose()
    await other.aclose()


async def test_without_sockets_catching_up_finds_everything(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    heard = await listening(other)
    shutil.rmtree(one.folder / "wake")
    await one.invalidate(["a", "b"])
    await asyncio.sleep(0.05)
    assert heard == []
    await other.catch_up()
    assert heard == [Change(one.mark(), ("a", "b"))]
    await one.aclose()
    await other.aclose()


async def test_every_read_hears_what_was_acknowledged(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    await other.catch_up()
    shutil.rmtree(one.folder / "wake")
    for turn in range(50):
        await one.set("key", entry(turn, tags=("a",), mark=one.mark()))
        assert other.peek("key") is not None
        await one.invalidate(["a"])
        assert other.peek("key") is None
    await one.aclose()
    await other.aclose()


async def test_invalidation_by_key(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.set("key", entry())
    await store.set("other", entry())
    await store.invalidate([tag_of_key("key")])
    assert await store.get("key") is None
    assert await store.get("other") is not None
    await store.aclose()


async def test_who_missed_more_than_the_log_holds_has_a_gap_and_asks(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    heard = await listening(other)
    await other.set("void", entry(tags=("a",), mark=other.mark()))
    await other.set("good", entry(tags=("b",), mark=other.mark()))
    shutil.rmtree(one.folder / "wake")
    await one.invalidate(["a"])
    many = LOG_LENGTH + 600
    await asyncio.gather(*[one.invalidate(["c"]) for _ in range(many)])
    await other.catch_up()
    assert heard == [Gap(one.mark())]
    assert other.ledger.verdict(one.mark() - 1, ["a"]) is Verdict.UNKNOWN
    assert await other.get("void") is None
    assert await other.get("good") is not None
    await one.aclose()
    await other.aclose()


async def test_more_tags_than_a_message_holds(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    heard = await listening(other)
    tags = tuple(f"tag number {n}" for n in range(1_000))
    await one.invalidate(tags)
    await until(lambda: bool(heard))
    assert heard == [Change(one.mark(), tags)]
    many = tuple(f"a tag with a long name, number {n}" for n in range(3_000))
    await other.set("void", entry(tags=many[-1:], mark=other.mark()))
    await other.set("good", entry(tags=("a",), mark=other.mark()))
    await one.invalidate(many)
    await until(lambda: len(heard) > 1)
    assert heard[1:] == [Gap(one.mark())], "that there was something is all that is told"
    assert await other.get("void") is None
    assert await other.get("good") is not None
    await one.aclose()
    await other.aclose()


async def test_a_folder_with_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("long" * 20) / "cache"
    one, other = DiskStore(folder), DiskStore(folder)
    heard = await listening(other)
    await one.invalidate(["a"])
    await until(lambda: bool(heard))
    assert one.statistics().errors == other.statistics().errors == {}
    await one.aclose()
    await other.aclose()


async def test_nonsense_in_the_socket_is_passed_over(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    heard = await listening(other)
    mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for message in (b"", b"\xff" * 100, b"\x93\xa1i\x01\x02", b"\x94\xa1r\xa1x\xa1y\x02"):
        for ear in (other.folder / "wake").iterdir():
            mouth.sendto(message, str(ear))
    mouth.close()
    await one.invalidate(["a"])
    await until(lambda: bool(heard))
    await one.aclose()
    await other.aclose()


async def test_sockets_of_the_dead_are_removed(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    await store.catch_up()
    other = python(
        INVALIDATE.replace('print("ready"', 'await store.probe(); print("ready"'), store.folder, "1"
    )
    assert await line_of(other) == "ready"
    assert other.stdin is not None
    other.stdin.write("\n")
    other.stdin.flush()
    await line_of(other)
    other.kill()
    await asyncio.to_thread(other.communicate)
    await store.invalidate(["a"])
    assert len(list((store.folder / "wake").iterdir())) == 1
    await store.aclose()
    assert list((store.folder / "wake").iterdir()) == []


async def test_tags_come_in_a_collection(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    with pytest.raises(ValueError, match="collection"):
        await store.invalidate("abc")
    mark = store.mark()
    await store.invalidate([])
    assert store.mark() == mark
    await store.aclose()
