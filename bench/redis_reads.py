"""Fifty look-ups at once in RedisStore, and in redis-py by itself, as CPU time in one run.

    scripts/bench redis_reads [--json] [--rounds 9] [--bytes 500]

redis-py: fifty GETs at once on one client with hiredis, and the same values decoded by msgspec.
RedisStore: fifty gets at once, each with digest, proof, decoding, and its verdict on tags. Also one
look-up after another. Medians of shuffled rounds; the server is a Valkey of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable

import msgspec
from redis.asyncio import Redis

from headway.stores import Entry
from headway.stores.redis import RedisStore
from headway.testing import Valkey

AT_ONCE = 50
BAR = 0.5

Turn = Callable[[], Awaitable[object]]


async def cpu_us(turn: Turn, turns: int, reads: int) -> float:
    began = time.process_time()
    for _ in range(turns):
        await turn()
    return (time.process_time() - began) / (turns * reads) * 1e6


async def measure(url: str, rounds: int, size: int) -> dict[str, float]:
    store, client = RedisStore(url), Redis.from_url(url)
    now, value = time.time(), {"text": "x" * size}
    for n in range(AT_ONCE):
        entry = Entry(value, made_at=now, fresh_until=now + 3600, tags=("a", f"b:{n}"))
        await store.set(("question", n), entry)
        await client.set(f"key {n}", msgspec.msgpack.encode(value))

    async def get(n: int) -> object:
        return msgspec.msgpack.decode(await client.get(f"key {n}"))

    async def redis_py() -> None:
        found = await asyncio.gather(*[get(n) for n in range(AT_ONCE)])
        assert found == [value] * AT_ONCE

    async def headway() -> None:
        found = await asyncio.gather(*[store.get(("question", n)) for n in range(AT_ONCE)])
        assert [entry and entry.value for entry in found] == [value] * AT_ONCE

    ways: dict[str, tuple[Turn, int, int]] = {
        "redis-py": (redis_py, 20, AT_ONCE),
        "headway": (headway, 20, AT_ONCE),
        "redis-py alone": (lambda: get(1), 300, 1),
        "headway alone": (lambda: store.get(("question", 1)), 300, 1),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        order = list(ways)
        random.shuffle(order)
        for name in order:
            us = await cpu_us(*ways[name])
            if number:  # the first round warms up
                taken[name].append(us)
    await store.aclose()
    await client.aclose()
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bytes", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Valkey() as server:
        us = asyncio.run(measure(server.url, options.rounds, options.bytes))
    ratio = us["headway"] / us["redis-py"]
    print(f"{AT_ONCE} look-ups at once, {options.bytes} bytes, CPU µs for each")
    for name, each in us.items():
        print(f"  {name:16}{each:8.1f}")
    print(f"  ratio {ratio:.2f} of redis-py; at most {BAR} is wanted")
    if options.json:
        print(json.dumps({"us": us, "ratio": ratio, "bar": BAR, "passed": ratio <= BAR}))


if __name__ == "__main__":
    main()
