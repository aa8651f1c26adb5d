"""``headway timeline``, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway import record
from headway.events import emit
from tests.runs.by_hand import RUN, call

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]


def headway(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEADWAY, "timeline", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where one run is recorded."""
    with record("a small run", folder=tmp_path / ".headway", run=RUN):
        emit(call("get_price", 0, 1))
    return tmp_path


def test_it_writes_the_page_and_says_where(folder: Path) -> None:
    ran = headway(folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"timeline-{RUN}.html\n"
    page = (folder / f"timeline-{RUN}.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "a small run" in page
    assert "get_price" in page


def test_a_run_can_be_named_and_the_page_put_elsewhere(folder: Path) -> None:
    assert headway(RUN, "--out", "x.html", folder=folder).returncode == 0
    there = (folder / "x.html").read_text("utf-8")
    assert headway(RUN, "--out", "-", folder=folder).stdout == there + "\n"
    assert sorted(path.name for path in folder.iterdir()) == [".headway", "x.html"]


def test_a_page_that_is_there_is_replaced_as_a_whole(folder: Path) -> None:
    (folder / "x.html").write_text("old " * 100_000)
    assert headway("--out", "x.html", folder=folder).returncode == 0
    assert "old old" not in (folder / "x.html").read_text("utf-8")


def test_it_opens_the_browser_that_is_asked_for(folder: Path) -> None:
    ran = headway("--open", "--out", "x.html", folder=folder, BROWSER="echo shown %s")
    assert f"shown {(folder / 'x.html').as_uri()}" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "'nothing' is no file and no run"),
        (["--out", "no/such/folder/x.html"], "no/such/folder/x.html cannot be written"),
        (["--out", ".headway"], ".headway cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    folder: Path, arguments: list[str], said: str
) -> None:
    ran = headway(*arguments, folder=folder)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == [".headway"]


def test_without_a_record_it_says_how_to_make_one(tmp_path: Path) -> None:
    ran = headway(folder=tmp_path)
    assert (ran.returncode, "headway demo" in ran.stderr) == (2, True)
