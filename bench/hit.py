"""What a cache hit costs, and each policy around it, as ratios to a bare await in one run.

    scripts/bench hit [--json] [--rounds 9]

Also: five calls of 100 ms through Batch and through Limit. CPU time, minimum of interleaved rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import headway
from headway import Batch, Cache, Limit, Place, Retry, Timeout, Watch, operation

CALLS = 20_000


async def bare(x: int) -> int:
    return x


class Outside:
    """A policy that does nothing, standing outside the cache."""

    place = Place.WATCH

    async def around(self, call: headway.Call, proceed: headway.Proceed) -> Any:
        return await proceed(call)


def _operation(*policies: headway.Policy) -> Callable[[int], Awaitable[int]]:
    async def answer(x: int) -> int:
        return x

    return operation(*policies)(answer)


def _string_operation() -> Callable[[str], Awaitable[str]]:
    @operation(Cache("1h"))
    async def answer(x: str) -> str:
        return x

    return answer


def _peers() -> dict[str, Callable[[int], Awaitable[int]]]:
    peers: dict[str, Callable[[int], Awaitable[int]]] = {}
    try:
        import cashews

        cache = cashews.Cache()
        cache.setup("mem://")

        async def answer(x: int) -> int:
            return x

        peers["cashews"] = cache(ttl=3600)(answer)
    except ImportError:
        pass
    try:
        import cachebox

        async def answer2(x: int) -> int:
            return x

        peers["cachebox"] = cachebox.cached(cachebox.TTLCache(10_000, 3600))(answer2)
    except ImportError:
        pass
    return peers


async def _cpu_us(function: Callable[[Any], Awaitable[Any]], arguments: list[Any]) -> float:
    began = time.process_time()
    for argument in arguments:
        await function(argument)
    return (time.process_time() - began) / len(arguments) * 1e6


async def _costs(rounds: int) -> dict[str, float]:
    numbers = [n % 200 for n in range(CALLS)]
    strings = [f"NVDA-{n}" for n in numbers]
    contenders: dict[str, tuple[Callable[[Any], Awaitable[Any]], list[Any]]] = {
        "bare await": (bare, numbers),
        "hit, Watch > Cache, int": (_operation(Cache("1h")), numbers),
        "hit, Watch > Cache, str": (_string_operation(), strings),
        "hit, Outside > Watch > Cache": (_operation(Outside(), Watch(), Cache("1h")), numbers),
        "Watch > Retry > Limit > Timeout": (
            _operation(Retry(3, on=OSError), Limit(at_once=8), Timeout(10)),
            numbers,
        ),
        **{name: (function, numbers) for name, function in _peers().items()},
    }
    for function, arguments in contenders.values():
        await _cpu_us(function, arguments[:400])
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, (function, arguments) in contenders.items():
            share = arguments if name != "cashews" else arguments[:4000]
            best[name] = min(best[name], await _cpu_us(function, share))
    return best


async def _five_together() -> dict[str, float]:
    @operation(Batch(max_items=10, max_wait="10ms"))
    async def many(items: list[int]) -> list[int]:
        await asyncio.sleep(0.1)
        return items

    @operation(Limit(at_once=5))
    async def one(item: int) -> int:
        await asyncio.sleep(0.1)
        return item

    walls: dict[str, float] = {}
    for name, ask in (("Batch", many), ("Limit(at_once=5)", one)):
        taken = []
        for _ in range(5):
            began = time.perf_counter()
            assert await asyncio.gather(*[ask(n) for n in range(5)]) == list(range(5))  # type: ignore[arg-type]
            taken.append(time.perf_counter() - began)
        walls[name] = sorted(taken)[2] * 1e3
    return walls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    costs = asyncio.run(_costs(options.rounds))
    walls = asyncio.run(_five_together())
    floor = costs["bare await"]
    hit = costs["hit, Watch > Cache, int"]
    result: dict[str, Any] = {
        "bare_await_us": floor,
        "hit_us": hit,
        "hit_x_bare": hit / floor,
        "hit_str_x_bare": costs["hit, Watch > Cache, str"] / floor,
        "policy_outside_x_bare": (costs["hit, Outside > Watch > Cache"] - hit) / floor,
        "watch_retry_limit_timeout_x_bare": costs["Watch > Retry > Limit > Timeout"] / floor,
        "batch_ms": walls["Batch"],
        "limit_ms": walls["Limit(at_once=5)"],
    }
    if "cashews" in costs:
        result["hit_x_cashews"] = hit / costs["cashews"]
    if "cachebox" in costs:
        result["hit_x_cachebox"] = hit / costs["cachebox"]
    print(f"{'':36}{'CPU us':>9}{'x bare await':>14}")
    for name, cost in costs.items():
        print(f"{name:36}{cost:9.2f}{cost / floor:14.1f}")
    together = ", ".join(f"{name} {wall:.0f} ms" for name, wall in walls.items())
    print(f"five calls of 100 ms: {together}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
