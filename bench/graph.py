"""How near a graph comes to its critical path, and how good its order is under a limit.

    scripts/bench graph [--json] [--rounds 9] [--scale 100]

Two things are measured. The scripted research (three tools, three analysts, five sections; 300 s of
work, critical path 115 s, first section after 80 s) at 1:100, beside the barest event-driven graph
that asyncio allows, in one run. And 400 random graphs of 60 steps under a limit, in virtual time
through ``next_ready``, against the bound no order can beat: the critical path, or work / limit.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import random
import time
from collections.abc import Awaitable, Callable
from statistics import median

from headway import Graph
from headway.graph import Plan, timetable

TOOLS = ("d1", "d2", "d3")
SEED: dict[str, tuple[float, tuple[str, ...]]] = {
    **dict.fromkeys(TOOLS, (10, ())),
    "a1": (60, TOOLS),
    "a2": (90, TOOLS),
    "a3": (60, TOOLS),
    "s1": (10, ("a1",)),
    "s2": (15, ("a2",)),
    "s3": (15, ("a3",)),
    "s4": (10, ("a1", "a2")),
    "s5": (10, ("a1", "a2", "a3")),
}
FIRST_SECTION_S = 80
LIMITS = (2, 4, 8)

Ends = dict[str, float]


def headway_arm(scale: float) -> Callable[[Ends], Awaitable[object]]:
    graph, ends = Graph("seed"), Ends()

    def declare(step: str, seconds: float, needs: tuple[str, ...]) -> None:
        async def work(**given: None) -> None:
            await asyncio.sleep(seconds / scale)
            ends[step] = time.perf_counter()

        by_name = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(need, by_name) for need in needs]
        work.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        graph.step(name=step)(work)

    for step, (seconds, needs) in SEED.items():
        declare(step, seconds, needs)

    async def run(into: Ends) -> None:
        ends.clear()
        await graph.run()
        into.update(ends)

    return run


def floor_arm(scale: float) -> Callable[[Ends], Awaitable[object]]:
    """One task a step, each awaiting the tasks it needs: no failures, no limit, no events."""

    async def run(into: Ends) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}

        async def one(step: str) -> None:
            seconds, needs = SEED[step]
            if needs:
                await asyncio.gather(*[tasks[need] for need in needs])
            await asyncio.sleep(seconds / scale)
            into[step] = time.perf_counter()

        for step in SEED:
            tasks[step] = asyncio.create_task(one(step))
        await asyncio.gather(*tasks.values())

    return run


async def seed_workflow(scale: float, rounds: int) -> dict[str, dict[str, float]]:
    """For each arm: medians of wall / critical path and of the first section's milliseconds."""
    needs = {step: needs for step, (_, needs) in SEED.items()}
    seconds = {step: seconds / scale for step, (seconds, _) in SEED.items()}
    path_s = Plan(needs, seconds).critical_path().seconds
    arms = {"headway": headway_arm(scale), "floor": floor_arm(scale)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name, run in arms.items():
            ends = Ends()
            began = time.perf_counter()
            await run(ends)
            wall = time.perf_counter() - began
            first = min(end for step, end in ends.items() if step[0] == "s") - began
            if number:  # the first round warms up
                taken[name].append((wall / path_s, first * 1e3))
    return {
        name: {
            "x_critical_path": median(x for x, _ in times),
            "worst_x_critical_path": max(x for x, _ in times),
            "first_section_ms": median(ms for _, ms in times),
        }
        for name, times in taken.items()
    }


def random_plans(count: int = 400, size: int = 60) -> list[Plan]:
    """Random graphs with lognormal durations; a step needs up to three of the twenty before it."""
    chance, plans = random.Random(7), []
    for _ in range(count):
        seconds, needs = {}, {}
        for i in range(size):
            seconds[f"t{i}"] = chance.lognormvariate(0, 0.8)
            picked = chance.sample(range(max(0, i - 20), i), min(i, chance.choice([0, 1, 1, 2, 3])))
            needs[f"t{i}"] = tuple(f"t{j}" for j in picked)
        plans.append(Plan(needs, seconds))
    return plans


def order_under_a_limit() -> dict[str, dict[str, float]]:
    """For each limit: median and 95th percentile of makespan / max(critical path, work / limit)."""
    plans, found = random_plans(), {}
    for limit in LIMITS:
        ratios = sorted(makespan(plan, limit) / bound(plan, limit) for plan in plans)
        found[str(limit)] = {"median": median(ratios), "p95": ratios[int(len(ratios) * 0.95)]}
    return found


def makespan(plan: Plan, limit: int) -> float:
    return max(end for _, end in timetable(plan, limit).values())


def bound(plan: Plan, limit: int) -> float:
    return max(plan.critical_path().seconds, sum(plan.duration.values()) / limit)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=float, default=100)
    options = parser.parse_args()
    arms = asyncio.run(seed_workflow(options.scale, options.rounds))
    print(f"seed workflow 1:{options.scale:g}, median of {options.rounds}")
    print(f"{'':10}{'x critical path':>17}{'worst':>8}{'first section':>16}")
    for name, arm in arms.items():
        print(
            f"{name:10}{arm['x_critical_path']:17.4f}{arm['worst_x_critical_path']:8.4f}"
            f"{arm['first_section_ms']:13.0f} ms"
        )
    limits = order_under_a_limit()
    print("400 random graphs of 60 steps in virtual time, makespan / bound")
    for limit, ratios in limits.items():
        print(f"  limit {limit}: median {ratios['median']:.4f}  p95 {ratios['p95']:.4f}")
    if options.json:
        goals = {
            "x_critical_path": arms["headway"]["x_critical_path"] <= 1.03,
            "first_section": arms["headway"]["first_section_ms"]
            <= 1.05 * FIRST_SECTION_S / options.scale * 1e3,
            "limit_4": limits["4"]["median"] <= 1.01 and limits["4"]["p95"] <= 1.03,
        }
        print(json.dumps({"seed_workflow": arms, "random_graphs": limits, "goals_met": goals}))


if __name__ == "__main__":
    main()
