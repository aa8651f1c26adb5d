"""The repository speaks of the project alone: no folder of one machine, no registry's address."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.import_graph import PACKAGE

ROOT = PACKAGE.parents[1]
HOME = re.compile(rb"(?<![\w.:/~-])/(?:home|root|Users|work)/[\w.]")
REGISTRY = re.compile(rb"pypi\.org|pythonhosted\.org|registry\.npmjs\.org")


def tracked_files() -> list[Path]:
    """What git keeps here, but for this file, which has to name what it forbids."""
    # The clone may belong to another user than the one who tests it; reading it is safe.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = {ROOT / name for name in listed.decode().split("\0") if name} - {Path(__file__)}
    return sorted(path for path in paths if path.is_file())


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return tracked_files()


@pytest.mark.parametrize("forbidden", [HOME, REGISTRY], ids=["home folder", "registry"])
def test_no_file_speaks_of(tracked: list[Path], forbidden: re.Pattern[bytes]) -> None:
    assert [str(path) for path in tracked if forbidden.search(path.read_bytes())] == []


def test_locks_hold_hashes_and_no_addresses(tracked: list[Path]) -> None:
    locks = [path for path in tracked if path.name.startswith("requirements")]
    assert locks
    for lock in locks:
        text = lock.read_text("utf-8")
        assert not re.search(r"://|^--(?:extra-)?index|^--find-links", text, re.MULTILINE)
        pins = re.findall(r"^\S+==\S+.*$", text, re.MULTILINE)
        assert pins
        assert [pin for pin in pins if not pin.endswith("\\")] == []  # hashes follow each pin


def test_uv_lock_is_not_tracked(tracked: list[Path]) -> None:
    assert ROOT / "uv.lock" not in tracked


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        (b"see /home/ada/notes", HOME),
        (b'path = "/root/.cache"', HOME),
        (b"https://pypi.org/simple", REGISTRY),
    ],
)
def test_the_rules_catch(text: bytes, forbidden: re.Pattern[bytes]) -> None:
    assert forbidden.search(text)


@pytest.mark.parametrize("text", [b"https://example.com/home/page", b"src/work/item", b"~/work/x"])
def test_ordinary_paths_pass(text: bytes) -> None:
    assert not HOME.search(text)
