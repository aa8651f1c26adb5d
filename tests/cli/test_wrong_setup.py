"""A wrong set-up ends a command with one line that says what to do, and exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway.events import Event
from tests.runs.by_hand import START, whole_run
from tests.runs.test_recorded import write

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]


def headway(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEADWAY, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [["receipt"], ["demo"], ["research", "KO"], ["--log-level", "debug", "receipt"]]
)
def test_a_wrong_settings_file(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "headway.toml").write_text('folder = "runs"\noff = "yes"\n')
    ran = headway(*command, folder=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == ""
    said = "headway: headway.toml, line 2: `off` must be true or false, not 'yes'\n"
    assert ran.stderr == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('log = "store=debug"', "Headway has no room 'store'"),
        ('log = "loud"', "no log level"),
        ('[prices."openai/gpt-x"]\ninput = "2"', "line 2: `input`"),
        ("off = ", "cannot be read as settings"),
    ],
)
def test_other_slips_in_it(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "headway.toml").write_text(text)
    ran = headway("receipt", folder=tmp_path)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_wrong_environment(tmp_path: Path) -> None:
    ran = headway("receipt", folder=tmp_path, HEADWAY="0")
    assert (ran.returncode, ran.stderr) == (
        2,
        "headway: HEADWAY='0'; use HEADWAY=off or HEADWAY=on\n",
    )


def test_the_levels_of_the_file_hold_for_the_command(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('log = "graph=debug"\n')
    ran = headway("research", "KO", folder=tmp_path)
    assert ran.returncode == 0
    assert "headway.graph DEBUG" in ran.stderr
    assert "headway.stores" not in ran.stderr


def test_a_file_that_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("hello\n")
    ran = headway("receipt", "notes.jsonl", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (
        2,
        "headway: notes.jsonl is no record of a run: its first line is no header\n",
    )


def test_a_run_that_is_not_there_names_the_newest(tmp_path: Path) -> None:
    events: list[Event] = whole_run(seconds=1)
    (tmp_path / "kept").mkdir()
    for number in range(5):
        path = write(tmp_path / "kept", run=f"r{number}", started_at=START + number, events=events)
        path.rename(path.with_name(f"{number}.jsonl"))
    ran = headway("receipt", "nope", folder=tmp_path, HEADWAY_FOLDER="kept")
    assert ran.returncode == 2
    assert ran.stderr.endswith("the newest there: r4, r3, r2\n")
