"""Headway in the peers' own correctness benches: 100 callers at once, and every trap of keys.

    scripts/bench peers --shared PATH [--only-ours] [--json]

Runs peers/cache/stampede.py (in one process, and 4 processes x 25 callers over Redis and over a
folder) and peers/cache/keys.py of PATH with Headway added, prints their tables, and checks
Headway's rows. The last line with --json is one JSON object.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLEAN = {
    "1 vs '1'": "distinct",
    "1 vs True": "distinct",
    "1 vs 1.0": "distinct",
    "None vs 'None'": "distinct",
    "'a:b','c' vs 'a','b:c'": "distinct",
    "'A' vs 'a'": "distinct",
    "f(1,2) vs f(x=1,y=2)": "same",
    "f(1) vs f(1,0)": "same",
    "[1,2] twice": "same",
    "{'a':1,'b':2} vs reordered": "same",
    "two instances, same arg": "distinct",
    "None is cached": "yes",
    "caller's mutation leaks into the cache": "isolated",
    "two event loops": "works",
}

ACROSS = ["async headway redis", "async headway disk", "sync headway redis", "sync headway disk"]


def run(shared: Path, script: str, *arguments: str) -> tuple[str, dict[str, object]]:
    """What a peer script printed, and the JSON it wrote (empty if it writes none)."""
    with tempfile.TemporaryDirectory() as out:
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", script, *arguments],
            cwd=shared / "peers" / "cache",
            env={
                **os.environ,
                "PEER_EXTRA": "peer_adapters",
                "PEER_OUT": out,
                "PYTHONPATH": os.pathsep.join([".", str(HERE), str(HERE.parent / "src")]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        written = Path(out, Path(script).stem + ".json")
        return ran.stdout, json.loads(written.read_text("utf-8")) if written.exists() else {}


def stampede(shared: Path, only_ours: bool) -> dict[str, str]:
    """Headway's cells of the stampede table; asserts that each is as it should be."""
    printed, _ = run(shared, "stampede.py", "inproc", *(["headway"] if only_ours else []))
    print(printed)
    rows = [ast.literal_eval(line) for line in printed.splitlines() if line.startswith("['")]
    cells = {f"{kind} {name}": row for kind, name, *row in rows if name.startswith("headway")}
    wrong = []
    for name, (at_once, raises, cancelled) in cells.items():
        expected = [(at_once, "calls 1, ok 100, err 0"), (raises, "calls 1, ok 0, err 100")]
        if name.startswith("async"):
            expected.append((cancelled, "calls 1, ok 99, err 1"))
        wrong += [f"{name}: {cell}" for cell, start in expected if not cell.startswith(start)]
        wrong += [f"{name}: {cell}" for cell in (at_once, raises, cancelled) if "HUNG" in cell]
    if wrong or not cells:
        raise SystemExit(f"stampede: {wrong or 'no row of ours'}")
    return {name: "; ".join(row) for name, row in cells.items()}


def across(shared: Path, only_ours: bool) -> dict[str, dict[str, object]]:
    """Headway's rows of 4 processes x 25 callers; asserts one run and a hundred answers in each."""
    _, written = run(shared, "stampede.py", "cross", *(["headway"] if only_ours else []))
    rows = written["cross"]
    assert isinstance(rows, list)
    ours = {
        f"{kind} {name}": {"calls": calls, "ok": ok, "wall_s": wall}
        for kind, name, calls, ok, wall in rows
        if name.startswith("headway")
    }
    for name, calls, ok, wall in ((f"{row[0]} {row[1]}", *row[2:]) for row in rows):
        print(f"4 processes x 25: {name:34} calls {calls}, ok {ok} of 100, {wall} s")
    wrong = {name: row for name, row in ours.items() if (row["calls"], row["ok"]) != (1, 100)}
    if wrong or len(ours) != len(ACROSS):
        raise SystemExit(f"stampede across processes: {wrong or f'rows of ours: {list(ours)}'}")
    return ours


def keys(shared: Path) -> dict[str, dict[str, str]]:
    """Headway's rows of the table of key traps; asserts that every cell is clean."""
    printed, _ = run(shared, "keys.py")
    print(printed)
    ours = dict(re.findall(r"^(headway[^{|]*?) (\{.*\})$", printed, re.MULTILINE))
    rows = {name: ast.literal_eval(row) for name, row in ours.items()}
    copied = rows.get("headway", {})
    wrong = {trap: copied.get(trap) for trap, clean in CLEAN.items() if copied.get(trap) != clean}
    if wrong:
        raise SystemExit(f"keys: {wrong}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--only-ours", action="store_true", help="leave the other libraries out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        "stampede": stampede(options.shared, options.only_ours),
        "across": across(options.shared, options.only_ours),
        "keys": keys(options.shared),
    }
    print("stampede and keys: every cell of Headway's is clean")
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
