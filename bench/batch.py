"""What a batch of tool calls costs, beside asyncio alone and beside agent frameworks, in one run.

    scripts/bench batch --shared PATH [--json] [--rounds 15] [--calls 100]

Takes the arms of peers/tools_agents/bench_toolexec.py of PATH, those whose packages are installed,
adds Headway, and runs all of them in turn: calls that do nothing, and calls that take 10 ms. CPU is
what one more call costs, in process time. `floor_dedupe` is asyncio with the least of what Headway
does: limit, time-out, key and single flight. Goals: CPU at most 2x of that arm; 10 ms calls at
most 1.15x of its wall; at least 5x below pydantic-ai, where that is installed.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import gc
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from headway.tools import session, tool
from headway.tools.batch import execute_batch
from headway.tools.outcome import ToolCall

SCRIPT = Path("peers") / "tools_agents" / "bench_toolexec.py"
TOOLS = ("noop", "sleep10")
FLOOR, PEER, OURS = "floor_dedupe", "pydantic_ai", "headway"

Arm = Callable[[str, int], Awaitable[object]]


def peer_arms(shared: Path, calls: int) -> dict[str, Arm]:
    """The arms of the peers' script, without those whose packages are missing."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    os.environ.setdefault("OPENAI_API_KEY", "x")
    sys.path.pop(0)  # this folder has files called as some packages are
    sys.argv = [str(SCRIPT), str(calls), "1"]
    source = (shared / SCRIPT).read_text("utf-8")
    script: dict[str, object] = {"__name__": "bench_toolexec"}
    for statement in ast.parse(source).body[:-1]:  # the last one runs it
        code = compile(ast.Module([statement], []), str(SCRIPT), "exec")
        try:
            exec(code, script)
        except (ImportError, NameError) as missing:
            print(f"left out: {str(missing)[:90]}", file=sys.stderr)
    arms = script["arms"]
    assert isinstance(arms, dict)
    return arms


def own_arms() -> dict[str, Arm]:
    """Headway with declared reads: limit, time-out, keys, shared runs, results in order.

    Once outside of any session, as the others have none; once in a new session, which also keeps
    every result.
    """

    @tool(reads=["number:{i}"])
    async def noop(i: int) -> str:
        return "ok"

    @tool(reads=["number:{i}"])
    async def sleep10(i: int) -> str:
        await asyncio.sleep(0.010)
        return "ok"

    async def headway(name: str, n: int) -> None:
        calls = [ToolCall(f"c{i}", name, {"i": i}) for i in range(n)]
        outcome = await execute_batch(calls, tools=[noop, sleep10], max_concurrency=100, timeout=5)
        assert [result.value for result in outcome.results] == ["ok"] * n

    async def headway_in_session(name: str, n: int) -> None:
        with session():
            await headway(name, n)

    return {"headway": headway, "headway_in_session": headway_in_session}


async def working(arms: dict[str, Arm], calls: int) -> dict[str, Arm]:
    """The arms that run here."""
    found = {}
    for name, arm in arms.items():
        try:
            for task in TOOLS:
                await arm(task, calls)
                await arm(task, 1)
        except Exception as error:
            print(f"left out: {name}: {error!r:.90}", file=sys.stderr)
        else:
            found[name] = arm
    return found


Taken = dict[tuple[str, str, int], list[tuple[float, float]]]


async def measure(arms: dict[str, Arm], calls: int, rounds: int) -> Taken:
    """Wall and CPU seconds by tool, arm and number of calls; the arms take turns."""
    taken: Taken = {}
    for number in range(rounds):
        for task in TOOLS:
            for name, arm in arms.items():
                if task == "sleep10" and name == "sequential" and number > 0:
                    continue
                for n in (calls, 1):
                    gc.collect(0)
                    wall, cpu = time.perf_counter(), time.process_time()
                    await arm(task, n)
                    spent = time.perf_counter() - wall, time.process_time() - cpu
                    taken.setdefault((task, name, n), []).append(spent)
    return taken


def figures(taken: Taken, arms: dict[str, Arm], calls: int) -> dict[str, dict[str, float]]:
    found = {}
    for name in arms:
        cpu = {n: median(cpu for _, cpu in taken["noop", name, n]) for n in (calls, 1)}
        found[name] = {
            "cpu_us": (cpu[calls] - cpu[1]) / (calls - 1) * 1e6,
            "noop_ms": median(wall for wall, _ in taken["noop", name, calls]) * 1e3,
            "sleep10_ms": median(wall for wall, _ in taken["sleep10", name, calls]) * 1e3,
            "sleep10_best_ms": min(wall for wall, _ in taken["sleep10", name, calls]) * 1e3,
            "one_call_us": median(wall for wall, _ in taken["noop", name, 1]) * 1e6,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    asyncio.run(report(options))


async def report(options: argparse.Namespace) -> None:
    arms = {**peer_arms(options.shared, options.calls), **own_arms()}
    arms = await working(arms, options.calls)
    found = figures(await measure(arms, options.calls, options.rounds), arms, options.calls)
    print(f"{options.calls} calls, median of {options.rounds} rounds")
    print(
        f"{'':24}{'CPU us/call':>12}{'no-op ms':>10}{'10 ms: ms':>11}{'best':>8}{'1 call us':>11}"
    )
    for name, arm in found.items():
        print(
            f"{name:24}{arm['cpu_us']:12.1f}{arm['noop_ms']:10.2f}{arm['sleep10_ms']:11.2f}"
            f"{arm['sleep10_best_ms']:8.2f}{arm['one_call_us']:11.0f}"
        )
    ours, floor = found[OURS], found[FLOOR]
    ratios = {
        "cpu_x_floor": ours["cpu_us"] / floor["cpu_us"],
        "sleep10_x_floor": ours["sleep10_ms"] / floor["sleep10_ms"],
    }
    goals = {"cpu": ratios["cpu_x_floor"] <= 2, "sleep10": ratios["sleep10_x_floor"] <= 1.15}
    if PEER in found:
        ratios["pydantic_ai_x_cpu"] = found[PEER]["cpu_us"] / ours["cpu_us"]
        goals["pydantic_ai"] = ratios["pydantic_ai_x_cpu"] >= 5
    print("  ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    if options.json:
        print(json.dumps({"arms": found, **ratios, "goals_met": goals}))


if __name__ == "__main__":
    main()
