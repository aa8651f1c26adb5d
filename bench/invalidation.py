"""How soon a tag that one process invalidates is gone from another's memory.

    scripts/bench invalidation [--trials 1000] [--store valkey|disk] [--json]

Process A keeps nothing; process B polls its own memory tier through ``Cache``. Three forms: as
shipped (bar: 50 ms at p99, from the call of ``invalidate``), strict (bar: no stale answer after
``invalidate`` has returned), and strict with the backplane cut before every trial: pub/sub
connections killed by the server, or the sockets of the folder removed. Ends with 1 if a bar is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import redis.asyncio

from headway import (
    AsyncOperation,
    Cache,
    DiskStore,
    MemoryStore,
    RedisStore,
    TieredStore,
    operation,
)
from headway.testing import Valkey

P99_BAR_S = 0.050
GIVE_UP_S = 5.0
POLL_S = 0.0005

_fork = multiprocessing.get_context("fork")


def _opened(where: str, strict: bool) -> TieredStore:
    is_url = where.startswith("redis:")
    second = RedisStore(where) if is_url else DiskStore(where)
    return TieredStore(MemoryStore(), second, strict=strict)


def _quotes(store: TieredStore) -> tuple[Cache, AsyncOperation[[int], int]]:
    cache = Cache("1h", store=store, tags=("company:{company}",))

    @operation(cache, name="bench.invalidation.quote")
    async def quote(company: int) -> int:
        return company

    return cache, quote


async def _received(pipe: Connection) -> Any:
    return await asyncio.to_thread(pipe.recv)


def _read(where: str, strict: bool, trials: int, pipe: Connection) -> None:
    asyncio.run(_polls(where, trials, pipe) if not strict else _asks(where, trials, pipe))


async def _polls(where: str, trials: int, pipe: Connection) -> None:
    """B: has the answer in memory, says so, and looks until it is gone."""
    store = _opened(where, strict=False)
    _, quote = _quotes(store)
    for number in range(trials):
        await _until_hit(quote, number)
        pipe.send("held")
        ends = time.monotonic() + GIVE_UP_S
        while (await quote.answer(number)).source == "hit" and time.monotonic() < ends:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        pipe.send(time.monotonic())
    await store.aclose()


async def _asks(where: str, trials: int, pipe: Connection) -> None:
    """B, strict: has the answer, waits until A's ``invalidate`` has returned, and asks once."""
    store = _opened(where, strict=True)
    _, quote = _quotes(store)
    for number in range(trials):
        await _until_hit(quote, number)
        pipe.send("held")
        await _received(pipe)
        pipe.send((await quote.answer(number)).source)
    await store.aclose()


async def _until_hit(quote: AsyncOperation[[int], int], number: int) -> None:
    ends = time.monotonic() + GIVE_UP_S
    while (await quote.answer(number)).source != "hit":
        if time.monotonic() > ends:
            raise SystemExit(f"trial {number}: never a hit")
        await asyncio.sleep(POLL_S)


async def _invalidates(where: str, trials: int, pipe: Connection) -> list[float]:
    """A, as shipped: how long each invalidation took to be seen, from its call."""
    store = _opened(where, strict=False)
    cache, _ = _quotes(store)
    seen = []
    for number in range(trials):
        assert await _received(pipe) == "held"
        began = time.monotonic()
        await cache.invalidate(f"company:{number}")
        seen.append(await _received(pipe) - began)
    await store.aclose()
    return seen


async def _invalidates_strictly(where: str, trials: int, pipe: Connection, cut: bool) -> list[str]:
    """A, strict: the source of each answer that B had after the acknowledgement."""
    store = _opened(where, strict=True)
    cache, _ = _quotes(store)
    sources = []
    async with Cutter(where) as cut_backplane:
        for number in range(trials):
            assert await _received(pipe) == "held"
            if cut:
                await cut_backplane()
            await cache.invalidate(f"company:{number}")
            pipe.send("done")
            sources.append(await _received(pipe))
    await store.aclose()
    return sources


class Cutter:
    """Cuts the backplane of the store at *where*, as often as it is called."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._client: Any = None

    async def __aenter__(self) -> Callable[[], Awaitable[None]]:
        if self._where.startswith("redis:"):
            self._client = redis.asyncio.from_url(self._where)  # type: ignore[no-untyped-call]
        return self._cut

    async def _cut(self) -> None:
        if self._client is not None:
            await self._client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            return
        _remove_sockets(Path(self._where))

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()


def _remove_sockets(folder: Path) -> None:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()


def _with_reader(where: str, strict: bool, trials: int, cut: bool) -> list[Any]:
    ours, theirs = _fork.Pipe()
    reader = _fork.Process(target=_read, args=(where, strict, trials, theirs), daemon=True)
    reader.start()
    theirs.close()
    try:
        if strict:
            return list(asyncio.run(_invalidates_strictly(where, trials, ours, cut)))
        return list(asyncio.run(_invalidates(where, trials, ours)))
    finally:
        reader.kill()
        reader.join()


@contextmanager
def place_of(kind: str) -> Iterator[str]:
    """A second tier of its own for as long as the block runs: a URL, or a folder."""
    if kind == "valkey":
        with Valkey() as server:
            yield server.url
    else:
        with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
            yield os.path.join(folder, "cache")


def run(kind: str, trials: int) -> dict[str, object]:
    """The three forms on one kind of store, and whether the bars are met."""
    with place_of(kind) as where:
        seen = sorted(_with_reader(where, False, trials, False))
    with place_of(kind) as where:
        strict = _with_reader(where, True, trials, False)
    with place_of(kind) as where:
        cut = _with_reader(where, True, trials, True)
    p99 = seen[min(len(seen) - 1, int(0.99 * len(seen)))]
    stale = {"strict": _stale(strict), "strict, backplane cut": _stale(cut)}
    return {
        "trials": trials,
        "seen_p50_ms": round(seen[len(seen) // 2] * 1e3, 2),
        "seen_p99_ms": round(p99 * 1e3, 2),
        "seen_max_ms": round(seen[-1] * 1e3, 2),
        "stale_reads": stale,
        "ok": p99 <= P99_BAR_S and not any(stale.values()),
    }


def _stale(sources: list[str]) -> int:
    return sum(source in ("hit", "stale") for source in sources)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--store", choices=["valkey", "disk"], action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {kind: run(kind, options.trials) for kind in options.store or ["valkey", "disk"]}
    print(f"a tag invalidated in one process, seen in another's memory; {options.trials} trials")
    for kind, row in found.items():
        print(
            f"{kind:7} gone after p50 {row['seen_p50_ms']} ms, p99 {row['seen_p99_ms']} ms, "
            f"max {row['seen_max_ms']} ms; stale reads after the acknowledgement: "
            f"{row['stale_reads']} {'ok' if row['ok'] else 'MISSED'}"
        )
    if options.json:
        print(json.dumps(found))
    sys.exit(0 if all(row["ok"] for row in found.values()) else 1)


if __name__ == "__main__":
    main()
