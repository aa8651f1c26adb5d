"""The traps on every door, LiteLLM's proxy among them: the very same tests, trap by trap.

    scripts/bench litellm_traps --litellm PATH_TO_ENV [--failed] [--json]

PATH_TO_ENV is a virtual environment with ``litellm[proxy]==1.106.2`` in it; nothing leaves
loopback. The tests run in Headway's own environment (``scripts/install``). For each trap the table
shows how many of its tests a door passed; ``--failed`` names those that failed, and what was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/contract/test_wire_door.py",
    "tests/gateway/test_traps.py",
    "tests/gateway/test_hostile_bytes.py",
)
DOORS = ("http", "gateway", "litellm")
PINNED = "1.106.2"
TRAPS = {
    1: "only what is repeatable is kept",
    2: "nothing broken or unfinished is kept",
    3: "a hit is marked and lives no longer",
    4: "all of the question is in the key",
    5: "two questions are equal when they mean the same",
    6: "credentials do not share answers",
    7: "servers and models do not share answers",
    8: "cache markers are not touched",
    9: "a replayed stream is the stream",
    10: "streamed and plain are two records",
    11: "headers of a moment are not replayed",
    12: "a hit tells its usage",
    13: "the leader may leave, the last one ends it",
    14: "followers get all, the slow hold nobody",
    15: "a failure reaches all who wait",
    16: "nothing stays locked",
    17: "heads, framing and encodings between hops",
    18: "every legal stream is understood, nothing held back",
    19: "failures pass as they are; repeats with care",
    20: "four time-outs; a stale connection",
    21: "the client's cache-control decides",
    22: "slow clients slow their servers",
    23: "embeddings by form and order",
    25: "time, room and lost stores",
}


def version_of(environment: Path) -> str:
    """The LiteLLM in that environment."""
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    python = str(environment / "bin" / "python")
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def results_with(environment: Path) -> list[dict[str, str]]:
    """One record for each test and door."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.jsonl")
        plugin = ["-p", "bench.peer_litellm", "--litellm", str(environment)]
        quiet = ["-q", "--tb=no", "-p", "no:cacheprovider", "--results", str(results)]
        subprocess.run(
            [str(ROOT / ".venv/bin/python"), "-m", "pytest", *plugin, *quiet, "-k", "trap", *TESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        return [json.loads(line) for line in results.read_text().splitlines()]


def by_trap(results: list[dict[str, str]]) -> dict[int, dict[str, Counter[str]]]:
    """Outcomes by trap and door."""
    found: dict[int, dict[str, Counter[str]]] = {number: {} for number in TRAPS}
    for one in results:
        number = re.search(r"test_trap_(\d\d)", one["test"])
        if number is not None:
            outcomes = found[int(number[1])].setdefault(one["door"], Counter())
            outcomes[one["outcome"]] += 1
    return found


def cell(outcomes: Counter[str] | None) -> str:
    """Such as ``pass 12`` or ``fail 3 of 12``."""
    if outcomes is None or not outcomes["passed"] + outcomes["failed"]:
        return "-"
    judged = outcomes["passed"] + outcomes["failed"]
    return f"fail {outcomes['failed']} of {judged}" if outcomes["failed"] else f"pass {judged}"


def main() -> int:
    """Run it; 1 if a door of Headway's fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--litellm", type=Path, required=True)
    parser.add_argument("--failed", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    version = version_of(options.litellm)
    if version != PINNED:
        print(f"LiteLLM {version or 'is not there'}; this compares with {PINNED}", file=sys.stderr)
        return 2
    results = results_with(options.litellm)
    table = by_trap(results)
    print(f"{'trap':<56}" + "".join(f"{door:>16}" for door in DOORS))
    for number, doors in table.items():
        cells = "".join(f"{cell(doors.get(door)):>16}" for door in DOORS)
        print(f"{number:>2} {TRAPS[number]:<53}{cells}")
    if options.failed:
        show_failed(results)
    if options.json:
        print(json.dumps(summary(table)))
    return int(any(one["outcome"] == "failed" and one["door"] != "litellm" for one in results))


def show_failed(results: list[dict[str, str]]) -> None:
    """Name what failed, and what was not judged."""
    for one in results:
        if one["outcome"] != "passed":
            print(f"{one['outcome']}  {one['id']}\n    {one['why'][:150]}")


def summary(table: dict[int, dict[str, Counter[str]]]) -> dict[str, Any]:
    """Failed and judged tests by door and trap."""
    return {
        door: {
            str(number): {"failed": doors[door]["failed"], "passed": doors[door]["passed"]}
            for number, doors in table.items()
            if door in doors
        }
        for door in DOORS
    }


if __name__ == "__main__":
    sys.exit(main())
