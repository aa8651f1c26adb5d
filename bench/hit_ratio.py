"""How often the memory store finds what it is asked for, beside other eviction policies.

    scripts/bench hit_ratio --shared PATH [--requests 150000]

Runs peers/cache/hit_ratio.py of PATH with Headway added: 30 rows of real and synthetic traces. The
last line is one JSON object. The peers it compares with must be installed beside Headway.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
OURS, LRU, OPTIMUM = "headway", "cachebox LRU", "OPT"


class Row(NamedTuple):
    """One trace at one size: the hit ratio of every policy, and what a request cost ours."""

    trace: str
    size: int
    hit_ratio: dict[str, float]
    cpu_us: float

    @property
    def gap_to_lru(self) -> float:
        """How far our hit ratio is above LRU's."""
        return self.hit_ratio[OURS] - self.hit_ratio[LRU]


def run_peers(shared: Path, requests: int) -> list[Row]:
    """Replay all traces through all policies."""
    with tempfile.TemporaryDirectory() as out:
        ran = subprocess.run(
            [sys.executable, "hit_ratio.py", str(requests)],
            cwd=shared / "peers" / "cache",
            env={
                **os.environ,
                "PEER_L1": "peer_store:make",
                "PEER_OUT": out,
                "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "src"), "."]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        measured = json.loads(Path(out, "hit_ratio.json").read_text("utf-8"))
    policies = policy_names(ran.stdout)
    return [read_row(row, policies) for row in measured]


def policy_names(printed: str) -> list[str]:
    """The policies in the order of their columns, from the header of the printed table."""
    header = next(line for line in printed.splitlines() if line.startswith("| trace"))
    return [cell.strip().partition(":")[0] for cell in header.strip("|").split("|")[2:]]


def read_row(cells: list[str | int], policies: list[str]) -> Row:
    """A row as the peer script writes it: trace, size, then "0.440 (0.67)" for every policy."""
    results = dict(zip(policies, map(str, cells[2:]), strict=True))
    return Row(
        trace=str(cells[0]),
        size=int(cells[1]),
        hit_ratio={policy: float(result.split()[0]) for policy, result in results.items()},
        cpu_us=float(results[OURS].partition("(")[2].rstrip(")")),
    )


def summary(rows: list[Row]) -> dict[str, object]:
    """The means, and the row in which we are furthest below LRU."""
    worst = min(rows, key=lambda row: row.gap_to_lru)
    return {
        "mean": round(_mean(rows, OURS), 4),
        "mean_lru": round(_mean(rows, LRU), 4),
        "mean_optimum": round(_mean(rows, OPTIMUM), 4),
        "worst_gap_to_lru": round(worst.gap_to_lru, 4),
        "worst_row": f"{worst.trace}, {worst.size}",
        "rows": [row._asdict() for row in rows],
    }


def _mean(rows: list[Row], policy: str) -> float:
    return sum(row.hit_ratio[policy] for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds peers/")
    parser.add_argument("--requests", type=int, default=150_000, help="requests of a trace")
    parser.add_argument("--json", action="store_true", help="no table, only the last line")
    arguments = parser.parse_args()
    rows = run_peers(arguments.shared.resolve(), arguments.requests)
    if not arguments.json:
        print(f"{'trace':<44}{'size':>7}{'LRU':>8}{'ours':>8}{'OPT':>8}{'to LRU':>9}{'us':>7}")
        for row in rows:
            ratios = "".join(f"{row.hit_ratio[name]:>8.3f}" for name in (LRU, OURS, OPTIMUM))
            print(f"{row.trace:<44}{row.size:>7}{ratios}{row.gap_to_lru:>+9.3f}{row.cpu_us:>7.2f}")
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
