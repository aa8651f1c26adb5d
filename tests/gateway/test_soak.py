"""A minute of mixed load with faults: right answers, no hang, flat memory, nothing left open.

The load itself is ``bench/gateway_soak.py``; its stand-ins and workers are processes of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools")

SOAK = Path(__file__).parents[2] / "bench" / "gateway_soak.py"
SECONDS, START_AND_END_S = 50, 60


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the soak found, as ``--json`` gives it; few clients, so that others can run beside."""
    folder = tmp_path_factory.mktemp("soak")
    load = ["--seconds", str(SECONDS), "--clients", "8", "--pause", "0.08"]
    done = subprocess.run(
        [sys.executable, SOAK, *load, "--json"],
        cwd=folder,
        env={**os.environ, "HEADWAY_FOLDER": str(folder / ".headway")},
        capture_output=True,
        text=True,
        timeout=SECONDS + START_AND_END_S,
        check=False,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if report["ok"] else 1), done.stderr
    return report


def test_every_answer_is_right_and_every_failure_is_its_own(found: dict[str, Any]) -> None:
    assert found["wrong_first"] == []
    assert found["calls"] > SECONDS * 20
    assert found["missing"] == []  # of what was meant to happen


def test_nothing_hangs_and_nothing_stays_open(found: dict[str, Any]) -> None:
    assert found["hangs_first"] == []
    assert found["left_open"] == []


def test_memory_is_flat(found: dict[str, Any]) -> None:
    assert max(found["growth_mb"]) <= found["bound_mb"], found["resident_mb"]
    assert found["ok"], found
