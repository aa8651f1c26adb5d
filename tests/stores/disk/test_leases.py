"""One process at a time does the work on a key; the others are told when it is done."""

import asyncio
import signal
from pathlib import Path
from time import perf_counter

from headway import clock
from headway.stores.disk import DiskStore
from headway.testing import FakeClock
from tests.stores.disk.kept import kill, line_of, python

HOLD = """
async def main():
    store = DiskStore(folder)
    lease = await store.lease("key", float(sys.argv[2]))
    print("held" if lease else "refused", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await store.release(lease, kept=True)
    print(time.perf_counter(), flush=True)
    await store.aclose()
asyncio.run(main())
"""


async def test_one_has_the_lease_until_it_gives_it_back(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    lease = await one.lease("key", 10)
    assert lease is not None
    assert await other.lease("key", 10) is None
    assert await one.lease("key", 10) is None
    assert await other.lease("another", 10) is not None
    assert await one.renew(lease)
    await one.release(lease, kept=True)
    assert not await one.renew(lease)
    assert await other.lease("key", 10) is not None
    await one.release(lease, kept=True)
    assert await one.lease("key", 10) is None, "it is not the first one's any more"
    await one.aclose()
    await other.aclose()


async def test_a_lease_runs_out(tmp_path: Path) -> None:
    with clock.use(time := FakeClock()):
        store = DiskStore(tmp_path / "cache")
        lease = await store.lease("key", 2)
        assert lease is not None
        await time.advance(1.5)
        assert await store.renew(lease)
        await time.advance(1.5)
        assert await store.lease("key", 2) is None
        await time.advance(0.5)
        assert not await store.renew(lease)
        assert await store.lease("key", 2) is not None
        await store.aclose()


async def test_waiting_ends_as_the_work_did(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    assert await other.wait("key", 5) == "over"
    for kept, ending in ((True, "kept"), (False, "given up")):
        lease = await one.lease("key", 10)
        assert lease is not None
        waits = [asyncio.create_task(store.wait("key", 5)) for store in (one, other, other)]
        await asyncio.sleep(0.02)
        assert not any(wait.done() for wait in waits)
        await one.release(lease, kept=kept)
        assert await asyncio.wait_for(asyncio.gather(*waits), 2) == [ending] * 3
    await one.aclose()
    await other.aclose()


async def test_waiting_ends_with_its_own_time_and_can_be_cancelled(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    assert await store.lease("key", 10) is not None
    assert await store.wait("key", 0.02) == "over"
    wait = asyncio.create_task(store.wait("key", 5))
    await asyncio.sleep(0.02)
    wait.cancel()
    await asyncio.wait([wait])
    assert wait.cancelled()
    await store.aclose()


async def test_a_missed_message_costs_the_rest_of_the_lease(tmp_path: Path) -> None:
    one, other = DiskStore(tmp_path / "cache"), DiskStore(tmp_path / "cache")
    lease = await one.lease("key", 0.3)
    assert lease is not None
    wait = asyncio.create_task(other.wait("key", 5))
    await asyncio.sleep(0.02)
    for ear in (one.folder / "wake").iterdir():
        ear.unlink()
    began = perf_counter()
    await one.release(lease, kept=True)
    assert await asyncio.wait_for(wait, 2) == "over"
    assert perf_counter() - began > 0.1, "nothing was heard"
    await one.aclose()
    await other.aclose()


async def test_a_release_in_another_process_is_heard_at_once(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    late = []
    for _ in range(3):
        holder = python(HOLD, store.folder, "30")
        assert await line_of(holder) == "held"
        assert await store.lease("key", 30) is None
        wait = asyncio.create_task(store.wait("key", 20))
        await asyncio.sleep(0.05)
        assert holder.stdin is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert await wait == "kept"
        heard = perf_counter()
        late.append(heard - float(await line_of(holder)))
        await asyncio.to_thread(holder.communicate)
    assert min(late) < 0.01, late
    await store.aclose()


async def test_who_dies_at_work_is_replaced_within_the_lease(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache")
    holder = python(HOLD, store.folder, "0.5")
    assert await line_of(holder) == "held"
    wait = asyncio.create_task(store.wait("key", 20))
    await asyncio.sleep(0)
    began = perf_counter()
    kill(holder)
    assert holder.returncode == -signal.SIGKILL
    assert await wait == "over"
    assert await store.lease("key", 0.5) is not None
    assert perf_counter() - began < 2
    await store.aclose()


async def test_many_ask_and_one_gets_it(tmp_path: Path) -> None:
    stores = [DiskStore(tmp_path / "cache") for _ in range(4)]
    asked = await asyncio.gather(*[store.lease("key", 10) for store in stores for _ in range(25)])
    assert sum(lease is not None for lease in asked) == 1
    for store in stores:
        await store.aclose()


async def test_a_lease_from_before_the_machine_was_started_anew_is_free(tmp_path: Path) -> None:
    with clock.use(time := FakeClock()):
        await time.advance(1_000_000)
        store = DiskStore(tmp_path / "cache")
        assert await store.lease("key", 2) is not None
        await store.aclose()
    with clock.use(FakeClock()):
        assert await store.lease("key", 2) is not None
        await store.aclose()
