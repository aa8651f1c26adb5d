"""What making a key costs, as ratios to a bare await in one run.

    scripts/bench keys [--json] [--rounds 9]

Then what other forms of argument cost, and Signature.bind for comparison. CPU time, minimum of
interleaved rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import inspect
import json
import time
from collections.abc import Callable
from typing import Any

from headway.keys import digest, key_from_signature, without

CALLS = 5_000


async def bare() -> None:
    pass


async def quote(symbol: Any) -> None:
    pass


async def history(symbol: Any, period: Any = "1y") -> None:
    pass


class Desk:
    async def quote(self, symbol: Any) -> None:
        pass


@dataclasses.dataclass
class Fund:
    symbol: str
    weight: float


MESSAGES = [{"role": "user", "content": f"message {number}"} for number in range(50)]


def _cases() -> dict[str, Callable[[], object]]:
    of_quote, of_history = key_from_signature(quote), key_from_signature(history)
    of_desk, of_some, desk = (
        key_from_signature(Desk.quote),
        without("period").build(history),
        Desk(),
    )
    bind = inspect.signature(history).bind
    spelled_out = {"symbol": "NVDA", "period": "1y"}
    key = (("desk.quote", "", 0), of_quote(("NVDA",), {}))
    return {
        "one text": lambda: of_quote(("NVDA",), {}),
        "one number": lambda: of_quote((5,), {}),
        "one float": lambda: of_quote((0.5,), {}),
        "one keyword": lambda: of_quote((), {"symbol": "NVDA"}),
        "two texts": lambda: of_history(("NVDA", "1y"), {}),
        "text and number": lambda: of_history(("NVDA", 5), {}),
        "text and default": lambda: of_history(("NVDA",), {}),
        "two keywords": lambda: of_history((), spelled_out),
        "method, text": lambda: of_desk((desk, "NVDA"), {}),
        "one left out": lambda: of_some(("NVDA", "1y"), {}),
        "list of 3 texts": lambda: of_quote((["a", "b", "c"],), {}),
        "dataclass": lambda: of_quote((Fund("NVDA", 0.5),), {}),
        "50 messages": lambda: of_quote((MESSAGES,), {}),
        "digest of a key": lambda: digest(key),
        "Signature.bind": lambda: bind(**spelled_out),
    }


def _cpu_us(work: Callable[[], object], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - began) / calls * 1e6


async def _bare_us(calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await bare()
    return (time.process_time() - began) / calls * 1e6


def _nothing() -> None:
    pass


def measure(rounds: int) -> dict[str, float]:
    """Microseconds per case, the empty loop taken off; "bare await" is the measure of all."""
    cases = _cases()
    best = dict.fromkeys(["bare await", *cases], float("inf"))
    empty = float("inf")
    for _ in range(rounds):
        empty = min(empty, _cpu_us(_nothing, CALLS))
        best["bare await"] = min(best["bare await"], asyncio.run(_bare_us(CALLS)))
        for name, work in cases.items():
            calls = CALLS // 50 if name == "50 messages" else CALLS
            best[name] = min(best[name], _cpu_us(work, calls))
    return {name: us - (empty if name in cases else 0.0) for name, us in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    us = measure(options.rounds)
    ratios = {name: each / us["bare await"] for name, each in us.items()}
    for name, each in us.items():
        print(f"{name:<18} {each:8.3f} us {ratios[name]:8.1f} x bare await")
    if options.json:
        print(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}))


if __name__ == "__main__":
    main()
