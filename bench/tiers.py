"""What a memory hit costs in a tiered store, and a read of its second tier, side by side.

    scripts/bench tiers [--json] [--rounds 15]

A hit through ``Cache``: memory alone against memory in front of Valkey; the bar is 1.3. And the CPU
of 50 reads at once from Valkey, a read: through the tiered store, through RedisStore, and by
redis-py's own client with hiredis (one GET each). CPU time of this process, least of interleaved
rounds. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from headway import Cache, operation
from headway.keys import digest
from headway.stores import Entry, MemoryStore, Store
from headway.stores.redis import RedisStore
from headway.stores.tiered import TieredStore
from headway.testing import Valkey

HITS, BATCHES, AT_ONCE = 20_000, 40, 50
MOST_HIT_RATIO, MOST_READ_RATIO = 1.3, 0.5


def _hit(store: Store, name: str) -> Callable[[], Awaitable[None]]:
    @operation(Cache("1h", store=store), name=name)
    async def answer(x: int) -> int:
        return x

    async def hits() -> None:
        for number in range(HITS):
            await answer(number % 200)

    return hits


def _reads(get: Callable[[int], Awaitable[Any]]) -> Callable[[], Awaitable[None]]:
    async def reads() -> None:
        for _ in range(BATCHES):
            found = await asyncio.gather(*[get(number) for number in range(AT_ONCE)])
            assert None not in found

    return reads


async def _least_us(
    contenders: dict[str, tuple[Callable[[], Awaitable[None]], int]], rounds: int
) -> dict[str, float]:
    least = dict.fromkeys(contenders, float("inf"))
    for function, _ in contenders.values():
        await function()
    for _ in range(rounds):
        for name, (function, count) in contenders.items():
            began = time.process_time()
            await function()
            least[name] = min(least[name], (time.process_time() - began) / count * 1e6)
    return least


async def _fill(store: RedisStore, client: Redis) -> None:
    await store.catch_up()
    now = time.time()
    for number in range(AT_ONCE):
        key = ("tiers.read", number)
        value = f"answer {number} " * 20
        entry = Entry(value, made_at=now, fresh_until=now + 3_600, mark=store.mark())
        await store.set(key, entry)
        await client.set(digest(key), value)


async def _measured(server: Valkey, rounds: int) -> dict[str, float]:
    redis, client = RedisStore(server.url), Redis.from_url(server.url)
    tiered = TieredStore(MemoryStore(), redis, soft_timeout="1s")
    await _fill(redis, client)
    reads = AT_ONCE * BATCHES
    try:
        return await _least_us(
            {
                "hit, memory alone": (_hit(MemoryStore(), "tiers.plain"), HITS),
                "hit, memory in front of Valkey": (_hit(tiered, "tiers.tiered"), HITS),
                "read, tiered": (_reads(lambda n: tiered.refetch(("tiers.read", n))), reads),
                "read, RedisStore": (_reads(lambda n: redis.get(("tiers.read", n))), reads),
                "read, redis-py": (
                    _reads(lambda n: client.get(digest(("tiers.read", n)))),
                    reads,
                ),
            },
            rounds,
        )
    finally:
        await client.aclose()
        await tiered.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with Valkey() as server:
        us = asyncio.run(_measured(server, options.rounds))
    for name, cost in us.items():
        print(f"{name:34}{cost:9.2f} us CPU")
    ratios = {
        "hit_x_memory_alone": us["hit, memory in front of Valkey"] / us["hit, memory alone"],
        "redis_store_read_x_redis_py": us["read, RedisStore"] / us["read, redis-py"],
        "tiered_read_x_redis_py": us["read, tiered"] / us["read, redis-py"],
    }
    for name, ratio in ratios.items():
        print(f"{name:34}{ratio:9.2f}")
    if options.json:
        print(json.dumps({"us": us, **ratios}))
    is_met = (
        ratios["hit_x_memory_alone"] <= MOST_HIT_RATIO
        and ratios["redis_store_read_x_redis_py"] <= MOST_READ_RATIO
    )
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
