"""Mixed load without end: does memory stay bounded, and is every answer the right one?

    scripts/bench soak [--seconds 300] [--store disk|valkey] [--memory 8MB] [--json]

Hits, misses, unique questions, tags, invalidations, clears, streams, failures, cancelled callers,
small and big values, sync callers on threads; over memory with disk behind it and memory with
Valkey behind it, at the same time. The resident set may grow by 1.5 times the byte bounds of the
memory tiers and 30 MB. Ends with 1 if it grows more, or an answer was wrong, or nothing ever hit.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from headway import (
    Cache,
    DiskStore,
    MemoryStore,
    RedisStore,
    StoreStatistics,
    TieredStore,
    operation,
)
from headway.stores.size import parse_bytes
from headway.testing import Valkey

GROWTH, ROOM_BYTES = 1.5, 30_000_000
WORKERS = 12
QUESTIONS = 20_000
WARM_UP_S = 1.0
POINTS = 30


class VendorDown(Exception):
    """What the failing part of the load raises."""


class Load:
    """One store under load; counts what it was answered."""

    def __init__(self, name: str, store: TieredStore, seed: int) -> None:
        self.name, self.store = name, store
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._random = random.Random(seed)
        self._cache = Cache(
            "20s", stale_for="20s", jitter=0.2, tags=("group:{group}",), store=store
        )
        self._texts = operation(self._cache, name=f"soak.{name}.text")(_text)
        self._streams = operation(Cache("10s", store=store), name=f"soak.{name}.stream")(_chunks)
        self._blocking = operation(Cache("5s", store=store), name=f"soak.{name}.blocking")(
            _blocking
        )

    async def work(self, ends: float) -> None:
        """Ask, invalidate and cancel until *ends*."""
        while time.monotonic() < ends:
            try:
                await self._one()
            except VendorDown:
                self.counts["failed as meant"] += 1
            except Exception as error:
                self.wrong.append(repr(error))

    async def _one(self) -> None:
        die = self._random.random()
        number = self._number()
        if die < 0.80:
            await self._ask(number)
        elif die < 0.86:
            await self._ask(self._random.randrange(1 << 40))  # never asked again
        elif die < 0.91:
            await self._read(number)
        elif die < 0.94:
            await self._leave(number)
        elif die < 0.97:
            await self._ask_from_thread(number)
        elif die < 0.999:
            await self._cache.invalidate(f"group:{number % 500}")
            self.counts["invalidated"] += 1
        else:
            await self._texts.invalidate(number, number % 500)
            await asyncio.sleep(0.01)

    def _number(self) -> int:
        """Mostly one of the popular questions, now and then any: more than memory can hold."""
        if self._random.random() < 0.3:
            return self._random.randrange(QUESTIONS)
        return min(int(self._random.paretovariate(0.6)), QUESTIONS)

    async def _ask(self, number: int) -> None:
        answer = await self._texts.answer(number, number % 500)
        self.counts[answer.source] += 1
        self._check(answer.value.startswith(f"{number}:"), f"text {number}")

    async def _read(self, number: int) -> None:
        chunks = await (await self._streams(number)).collect()
        self._check(chunks[0] == f"{number}:" and len(chunks) == 5, f"stream {number}")
        self.counts["streams"] += 1

    async def _leave(self, number: int) -> None:
        asked = asyncio.ensure_future(self._texts(number, number % 500))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        if not asked.cancelled():
            asked.exception()
        self.counts["cancelled"] += 1

    async def _ask_from_thread(self, number: int) -> None:
        said = await asyncio.to_thread(self._blocking, number)
        self._check(said == number, f"thread {number}")
        self.counts["threads"] += 1

    def _check(self, is_right: bool, what: str) -> None:
        if not is_right:
            self.wrong.append(what)


async def _text(number: int, group: int) -> str:
    await asyncio.sleep(0.001)
    if number % 29 == 3:
        raise VendorDown(number)
    size = 300_000 if number % 211 == 5 else 15_000 if number % 17 == 4 else 600
    return f"{number}:" + "x" * size


async def _chunks(number: int) -> AsyncIterator[str]:
    yield f"{number}:"
    for part in range(4):
        await asyncio.sleep(0)
        yield f"part {part} " * 20


def _blocking(number: int) -> int:
    return number


def resident_bytes() -> int:
    """The resident set of this process."""
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def _curve(seconds: float, began_bytes: int) -> list[float]:
    """Growth in MB at so many points in time; the last one after everything has come to rest."""
    points = []
    for _ in range(POINTS):
        await asyncio.sleep(seconds / POINTS)
        points.append(round((resident_bytes() - began_bytes) / 1e6, 1))
    return points


async def soak(loads: list[Load], seconds: float) -> list[float]:
    """Load all stores for *seconds*; the growth of the resident set since shortly after the start.

    What the libraries take to be imported and to connect is not growth: the first second is left
    out, with a small load.
    """
    await asyncio.gather(*[load.work(time.monotonic() + WARM_UP_S) for load in loads])
    for load in loads:
        await load.store.clear()
        load.counts.clear()
    gc.collect()
    began = resident_bytes()
    ends = time.monotonic() + seconds
    curve = asyncio.create_task(_curve(seconds, began))
    await asyncio.gather(*[load.work(ends) for load in loads for _ in range(WORKERS)])
    return await curve


async def run(kinds: list[str], seconds: float, memory: str) -> dict[str, object]:
    """The whole soak: curve, counts, and whether the bars are met."""
    with ExitStack() as stack:
        loads = [
            Load(kind, TieredStore(MemoryStore(max_bytes=memory), _second(kind, stack)), seed)
            for seed, kind in enumerate(kinds)
        ]
        try:
            curve = await soak(loads, seconds)
            statistics = {load.name: load.store.statistics() for load in loads}
        finally:
            for load in loads:
                await load.store.aclose()
    bound_mb = (GROWTH * parse_bytes(memory) * len(kinds) + ROOM_BYTES) / 1e6
    wrong = [text for load in loads for text in load.wrong]
    return {
        "seconds": seconds,
        "growth_mb": curve,
        "most_mb": max(curve),
        "bound_mb": round(bound_mb, 1),
        "counts": {load.name: dict(load.counts) for load in loads},
        "stores": {name: _brief(found) for name, found in statistics.items()},
        "wrong": len(wrong),
        "wrong_first": wrong[:5],
        "ok": max(curve) <= bound_mb and not wrong and all(load.counts["hit"] for load in loads),
    }


def _second(kind: str, stack: ExitStack) -> DiskStore | RedisStore:
    if kind == "disk":
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-soak-"))
        return DiskStore(Path(folder, "cache"), max_bytes="64MB")
    server = stack.enter_context(
        Valkey("--maxmemory", "128mb", "--maxmemory-policy", "volatile-ttl")
    )
    return RedisStore(server.url)


def _brief(found: StoreStatistics) -> dict[str, object]:
    tiers = {name: _brief(tier) for name, tier in found.tiers.items()}
    brief: dict[str, object] = {
        name: getattr(found, name) for name in ("entries", "size_bytes", "hits", "misses", "errors")
    }
    return {**brief, "tiers": tiers} if tiers else brief


def _drawn(curve: list[float], bound_mb: float) -> str:
    """One line for each point: growth, and a bar in which the whole width is the bound."""
    lines = []
    for number, growth in enumerate(curve, 1):
        bar = "#" * max(0, min(60, round(60 * growth / bound_mb)))
        lines.append(f"{number:3}/{len(curve)} {growth:7.1f} MB |{bar:60}|")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--store", choices=["disk", "valkey"], action="append")
    parser.add_argument("--memory", default="8MB", help="the byte bound of each memory tier")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = options.store or ["disk", "valkey"]
    found = asyncio.run(run(kinds, options.seconds, options.memory))
    curve, bound_mb = found["growth_mb"], found["bound_mb"]
    assert isinstance(curve, list)
    assert isinstance(bound_mb, float)
    print(f"growth of the resident set in {options.seconds:g} s; the bar is {bound_mb} MB")
    print(_drawn(curve, bound_mb))
    for name in ("counts", "stores", "wrong", "wrong_first"):
        print(f"{name}: {found[name]}")
    print("ok" if found["ok"] else "MISSED")
    if options.json:
        print(json.dumps(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
