"""``headway demo``, ``research`` and ``receipt``, run as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headway import GraphPlanned, latest_run

HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
TITLES = ["Executive summary", "Fundamentals", "News from filings", "Risk", "Synthesis"]


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


def report_in(folder: Path) -> str:
    (report,) = (folder / "reports").glob("*.md")
    return report.read_text(encoding="utf-8")


def test_the_demo_counts_what_it_shows(tmp_path: Path) -> None:
    ran = headway("demo", "nvda", "--scale", "400", "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    plain, through = found["plain"], found["headway"]
    assert (plain["tool_calls_asked"], plain["tool_calls_run"], plain["duplicates_run"]) == (
        12,
        12,
        9,
    )
    assert (through["tool_calls_asked"], through["tool_calls_run"]) == (12, 3)
    assert (through["duplicates_run"], through["cache_hits"], through["cache_misses"]) == (0, 9, 3)
    assert plain["critical_path_s"] == 390
    assert through["critical_path_s"] == 115
    assert through["wall_s"] >= 115 / 400
    assert through["first_section_s"] >= 80 / 400
    assert through["first_section_s"] < plain["first_section_s"]
    assert plain["first_section_s"] >= 390 / 400
    for title in TITLES:
        assert ran.stdout.count(f"\n{title}\n") == 2


def test_the_receipts_agree_with_the_tools(tmp_path: Path) -> None:
    ran = headway("demo", "--scale", "400", "--json", folder=tmp_path)
    found = json.loads(ran.stdout.splitlines()[-1])
    for mode in ("plain", "headway"):
        record = found[mode]["record"]
        shown = headway("receipt", record, "--json", folder=tmp_path)
        (tool,) = [kind for kind in json.loads(shown.stdout)["kinds"] if kind["kind"] == "tool"]
        assert tool["asked"] == found[mode]["tool_calls_asked"]
        assert tool["ran"] == found[mode]["tool_calls_run"]
        assert tool["hit"] + tool["joined"] == found[mode]["cache_hits"]


def test_a_research_writes_its_report_and_its_record(tmp_path: Path) -> None:
    ran = headway("research", "KO", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr
    report = report_in(tmp_path)
    places = [report.index(f"## {title}") for title in TITLES]
    assert places == sorted(places)
    assert "not finished" not in report
    (record,) = (tmp_path / ".headway" / "runs").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    last = headway("receipt", folder=tmp_path)
    assert "research through headway" in last.stdout


def test_a_second_research_expects_what_the_first_one_took(tmp_path: Path) -> None:
    expected = []
    for _ in range(2):
        assert headway("research", "KO", folder=tmp_path).returncode == 0
        run = latest_run(tmp_path / ".headway")
        assert run is not None
        (plan,) = [event for event in run.events if isinstance(event, GraphPlanned)]
        expected.append(plan.expected_s)
    assert expected[0] == {}
    assert expected[1].keys() >= {"profile", "risk_findings", "synthesis"}


def test_an_unknown_ticker_gets_near_matches(tmp_path: Path) -> None:
    for command in ("research", "demo"):
        ran = headway(command, "NVDIA", folder=tmp_path)
        assert ran.returncode == 2
        assert "NVDIA" in ran.stderr
        assert "did you mean NVDA" in ran.stderr
        assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; from headway.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "typer" in ran.stderr
    assert "pip install 'headway[cli]'" in ran.stderr


@pytest.mark.parametrize("place", ["reports", ".headway"])
def test_a_file_in_a_folders_place_costs_one_warning(tmp_path: Path, place: str) -> None:
    (tmp_path / place).write_text("in the way")
    ran = headway("research", "NVDA", folder=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr.count("WARNING") == 1
    assert place in ran.stderr
    assert all(f"\n{title}\n" in ran.stdout for title in TITLES)
    assert (tmp_path / place).read_text() == "in the way"


def test_ctrl_c_keeps_the_finished_sections_and_says_where(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*HEADWAY, "research", "NVDA", "--scale", "40"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "Sources:\n":  # the first section is on the screen; the last comes 0.8 s later
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "reports" in said
    assert "Traceback" not in said
    report = report_in(tmp_path)
    assert "## Risk" in report
    assert "_(not finished)_" in report


def test_a_piped_run_is_never_silent_for_more_than_a_second(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*HEADWAY, "research", "NVDA", "--scale", "40"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    silences, heard = [], time.monotonic()
    while os.read(process.stdout.fileno(), 65536):
        silences.append(time.monotonic() - heard)
        heard = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == 0
    starting, *later = silences
    assert starting < 10  # an interpreter has to start, on a machine that may be busy
    assert max(later) < 1.5  # a second, and what a busy machine adds


def test_log_level_that_is_none(tmp_path: Path) -> None:
    ran = headway("--log-level", "loud", "receipt", folder=tmp_path)
    assert ran.returncode == 2
    assert "loud" in ran.stderr


def test_one_room_can_be_heard_alone(tmp_path: Path) -> None:
    ran = headway("--log-level", "stores=debug", "research", "NVDA", folder=tmp_path)
    lines = [line for line in ran.stderr.splitlines() if "headway." in line]
    assert lines
    assert all("headway.stores" in line for line in lines)
    assert sum("memory hit," in line for line in lines) == 9


def test_a_receipt_of_nothing_says_how_to_get_one(tmp_path: Path) -> None:
    ran = headway("receipt", folder=tmp_path)
    assert ran.returncode == 2
    assert "headway demo" in ran.stderr
    ran = headway("receipt", "nosuchrun", folder=tmp_path)
    assert ran.returncode == 2
    assert "nosuchrun" in ran.stderr
