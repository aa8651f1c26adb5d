"""What the disk store costs, and what a killed process loses of it.

    scripts/bench disk [--json] [--reads 20000] [--kills 50]

Wall time of single reads on the event loop after a warm-up, of writes awaited one by one and in
company; leases and invalidations between two stores of one folder. Then, *kills* times, a process
that writes is ended by SIGKILL at a random moment: every entry whose ``set`` had returned must be
found again. Exits with 1 if one is lost, or if the median read takes more than 25 us.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headway import clock
from headway.stores import Entry
from headway.stores.disk import DiskStore

MOST_US = 25.0
KEYS = 2_000
VALUE = {"symbol": "NVDA", "text": "about two thousand bytes " * 80, "closes": list(range(20))}


def entry(value: object, mark: int) -> Entry:
    now = clock.now()
    return Entry(value, made_at=now, fresh_until=now + 3_600, tags=("company:NVDA",), mark=mark)


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        f"p{percent}_us": round(ordered[len(ordered) * percent // 100] * 1e6, 1)
        for percent in (50, 99)
    }


async def reads(store: DiskStore, count: int) -> dict[str, dict[str, float]]:
    keys = [("shop.price", ("NVDA", number)) for number in range(KEYS)]
    await store.set_many({key: entry(VALUE, store.mark()) for key in keys})
    for key in keys:  # the warm-up
        await store.get(key)
    await store.probe()
    chance = random.Random(1)
    took: dict[str, list[float]] = {"get": [], "peek": [], "get of nothing": []}
    for key in chance.choices(keys, k=count):
        began = time.perf_counter()
        await store.get(key)
        took["get"].append(time.perf_counter() - began)
        began = time.perf_counter()
        store.peek(key)
        took["peek"].append(time.perf_counter() - began)
        began = time.perf_counter()
        await store.get((key, "other"))
        took["get of nothing"].append(time.perf_counter() - began)
    return {name: spread(seconds) for name, seconds in took.items()}


async def writes(store: DiskStore, count: int) -> dict[str, dict[str, float]]:
    alone = []
    for number in range(count):
        began = time.perf_counter()
        await store.set(("alone", number), entry(VALUE, store.mark()))
        alone.append(time.perf_counter() - began)
    began = time.perf_counter()
    for start in range(0, count, 50):
        await asyncio.gather(
            *[store.set(("many", start + n), entry(VALUE, store.mark())) for n in range(50)]
        )
    each = (time.perf_counter() - began) / count
    return {"set": spread(alone), "set, 50 at once": {"each_us": round(each * 1e6, 1)}}


async def messages(store: DiskStore, other: DiskStore, count: int) -> dict[str, dict[str, float]]:
    await other.catch_up()
    heard, released, news = [], [], asyncio.Event()
    other.ledger.listen(lambda _: news.set())
    for _ in range(count):
        news.clear()
        began = time.perf_counter()
        await store.invalidate(["company:NVDA"])
        await news.wait()
        heard.append(time.perf_counter() - began)
        lease = await store.lease("work", 5)
        assert lease is not None
        waiting = asyncio.create_task(other.wait("work", 5))
        await asyncio.sleep(0.002)
        began = time.perf_counter()
        await store.release(lease, kept=True)
        assert await waiting == "kept"
        released.append(time.perf_counter() - began)
    return {"invalidate until heard": spread(heard), "release until awake": spread(released)}


async def write_for_ever(folder: Path) -> None:
    """Tell each key once its ``set`` has returned."""
    store = DiskStore(folder)

    async def line(name: int) -> None:
        for number in range(10_000_000):
            text = f"{name} {number}"
            await store.set(text, entry(text * 50, store.mark()))
            print(text, flush=True)

    await asyncio.gather(*[line(name) for name in range(4)])


def writing(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--write", str(place)], stdout=subprocess.PIPE, text=True
    )


async def kills(folder: Path, count: int) -> dict[str, int]:
    """Kill a writing process *count* times; how many of the entries it told of are gone."""
    told = lost = 0
    errors = 0
    for trial in range(count):
        place = folder / f"killed {trial % 10}"  # some are used again after a kill
        writer = writing(place)
        assert writer.stdout is not None
        await asyncio.to_thread(writer.stdout.readline)
        await asyncio.sleep(random.Random(trial).uniform(0, 0.3))
        writer.kill()
        rest, _ = await asyncio.to_thread(writer.communicate)
        texts = [line[:-1] for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        store = DiskStore(place)
        for text in texts:
            found = await store.get(text)
            lost += found is None or found.value != text * 50
        told += len(texts)
        errors += sum(store.statistics().errors.values())
        await store.aclose()
    return {"kills": count, "sets_that_returned": told, "lost": lost, "errors": errors}


async def measure(count: int, kill_count: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        store, other = DiskStore(Path(folder, "cache")), DiskStore(Path(folder, "cache"))
        found: dict[str, object] = {**await reads(store, count)}
        found |= await writes(store, min(2_000, count))
        found |= await messages(store, other, min(500, count))
        found["errors"] = store.statistics().errors | other.statistics().errors
        await store.aclose()
        await other.aclose()
        found["kill -9"] = await kills(Path(folder), kill_count)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--reads", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        asyncio.run(write_for_ever(options.write))
        return 0
    found = asyncio.run(measure(options.reads, options.kills))
    for name, figures in found.items():
        print(f"{name:22} {figures}")
    get, killed = found["get"], found["kill -9"]
    assert isinstance(get, dict)
    assert isinstance(killed, dict)
    holds = get["p50_us"] <= MOST_US and killed["lost"] == 0
    if options.json:
        print(json.dumps({**found, "bar_us": MOST_US, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
