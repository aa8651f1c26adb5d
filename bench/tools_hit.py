"""What a tool's result costs that a session has already, before any protocol is spoken.

    scripts/bench tools_hit [--json] [--rounds 9]

A hit of @tool and of Guard, beside a bare await and the canonical JSON key that a cache by name and
arguments needs at least. CPU time, minimum of interleaved rounds. Ends with 1 if a hit of either
costs more than 25 microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from headway.tools import Effects, Guard, session, tool

MOST_US = 25.0
CALLS = 5_000
SYMBOLS = 200

Ask = Callable[[int], Awaitable[object]]


@tool(reads=["company:{symbol}"], ttl="1h")
async def get_profile(symbol: str, year: int) -> dict[str, object]:
    return {"symbol": symbol, "year": year}


def by_guard() -> Ask:
    guard = Guard(
        "get_profile",
        lambda arguments: Effects(reads=(f"company:{arguments['symbol']}",)),
        ttl="1h",
        server="company",
    )

    async def ask(number: int) -> object:
        symbol = f"S{number % SYMBOLS}"

        async def run() -> dict[str, object]:
            return {"symbol": symbol, "year": 2026}

        return await guard.call({"symbol": symbol, "year": 2026}, run)

    return ask


async def by_tool(number: int) -> object:
    return await get_profile(f"S{number % SYMBOLS}", year=2026)


async def by_json_key(number: int) -> object:
    arguments = {"symbol": f"S{number % SYMBOLS}", "year": 2026}
    key = json.dumps(["get_profile", arguments], sort_keys=True, separators=(",", ":"))
    return _by_key.setdefault(key, arguments)


async def bare(number: int) -> object:
    return f"S{number % SYMBOLS}"


_by_key: dict[str, object] = {}


async def cpu_us(ask: Ask) -> float:
    began = time.process_time()
    for number in range(CALLS):
        await ask(number)
    return (time.process_time() - began) / CALLS * 1e6


async def costs(rounds: int) -> dict[str, float]:
    arms: dict[str, Ask] = {
        "bare await": bare,
        "canonical JSON key and dict": by_json_key,
        "hit, @tool": by_tool,
        "hit, Guard": by_guard(),
    }
    best = dict.fromkeys(arms, float("inf"))
    async with session() as shared:
        for ask in arms.values():
            await cpu_us(ask)
        for _ in range(rounds):
            for name, ask in arms.items():
                best[name] = min(best[name], await cpu_us(ask))
        ran = {name: counted.ran for name, counted in shared.statistics().tools.items()}
    if set(ran.values()) != {SYMBOLS}:
        raise SystemExit(f"these were no hits: {ran}")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    found = asyncio.run(costs(options.rounds))
    for name, cost in found.items():
        print(f"{name:30}{cost:9.2f} us")
    worst = max(found["hit, @tool"], found["hit, Guard"])
    if options.json:
        print(
            json.dumps(
                {
                    "bare_await_us": found["bare await"],
                    "json_key_us": found["canonical JSON key and dict"],
                    "tool_us": found["hit, @tool"],
                    "guard_us": found["hit, Guard"],
                    "most_us": MOST_US,
                    "ok": worst <= MOST_US,
                }
            )
        )
    sys.exit(0 if worst <= MOST_US else 1)


if __name__ == "__main__":
    main()
