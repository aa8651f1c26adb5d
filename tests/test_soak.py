"""Under mixed load the resident set stays within the byte bounds, and every answer is right.

The load itself is ``bench/soak.py``, in a process of its own so that nothing else's memory counts.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "bench" / "soak.py"


def soak(store: str, seconds: float) -> dict[str, object]:
    """What the soak of *store* found, as ``--json`` gives it."""
    done = subprocess.run(
        [sys.executable, SOAK, "--seconds", str(seconds), "--store", store, "--json"],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, found
    return found


@pytest.mark.parametrize("store", ["disk", "valkey"])
def test_five_seconds_of_mixed_load(store: str) -> None:
    found = soak(store, 5)
    assert found["wrong"] == 0
    assert found["most_mb"] <= found["bound_mb"]  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("store", ["disk", "valkey"])
def test_half_a_minute_of_mixed_load(store: str) -> None:
    found = soak(store, 30)
    assert found["wrong"] == 0
    assert found["most_mb"] <= found["bound_mb"]  # type: ignore[operator]
