"""Every example of the documentation does what its page says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.page import ROOT, pages, read

RUNNABLE = ("python", "console")


def runnable() -> list[str]:
    """The pages with something to run, from the root of the repository."""
    return [
        str(path.relative_to(ROOT))
        for path in pages()
        if any(block.language in RUNNABLE for block in read(path).blocks)
    ]


@pytest.mark.parametrize("page", runnable())
def test_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.run_page", page],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "HOME": str(tmp_path), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_there_is_something_to_run() -> None:
    assert "README.md" in runnable()
    assert "docs/start.md" in runnable()
