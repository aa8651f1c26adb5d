"""Every program in ``examples/`` runs as it stands, and saves what it says it saves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SAYS = {
    "agent.py": ["tools called: ask_analyst 3", "called again with the same arguments: 4"],
    "openai_async.py": ["asked 23 times, sent 2 times"],
    "openai_blocking.py": ["miss A moat", "hit A moat", "asked 3 times, sent 1 time"],
    "anthropic_async.py": ["asked 3 times, sent 1 time"],
    "anthropic_blocking.py": ["miss A moat", "hit A moat", "asked 3 times, sent 1 time"],
    "plain_httpx2.py": ["200 miss", "200 hit", "asked 3 times, sent 2 times"],
    "plain_httpx.py": ["miss 2 vectors", "hit 2 vectors", "asked 3 times, sent 1 time"],
}


def test_every_example_is_known() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_example_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name)],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in SAYS[name]:
        assert line in done.stdout
