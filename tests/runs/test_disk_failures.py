"""A disk that fails never fails the run: one warning, losses counted, the receipt stands."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headway import clock, events
from headway.events import Progress
from headway.runs import Receipt, list_runs, read_run, record
from headway.runs.journal import Header, Journal, open_journal
from headway.runs.record import Run
from tests.runs.by_hand import RUN, START, call

recorder = sys.modules["headway.runs.record"]
HEADER = Header(headway_run=1, run=RUN, name="x", started_at=START, pid=1)


def one_warning(caplog: pytest.LogCaptureFixture) -> str:
    (entry,) = caplog.records
    assert (entry.name, entry.levelname) == ("headway.runs", "WARNING")
    return entry.getMessage()


def go_on(folder: Path, *, halfway: Callable[[Path], object] = lambda path: None) -> Run:
    """A run of three calls; something happens to its file after the first."""
    with record("x", folder=folder) as run:
        for number in range(3):
            events.emit(
                events.CallEnded(
                    at=clock.now(),
                    run=run.id,
                    call=f"c{number}",
                    operation="a",
                    kind="tool",
                    source="ran",
                    seconds=0.5,
                )
            )
            run.flush()
            if number == 0 and run.path is not None:
                halfway(run.path)
    return run


def assert_stands(receipt: Receipt, *, lost: int) -> None:
    """The receipt counts all calls, and says that the record does not hold them."""
    assert [(row.asked, row.ran) for row in receipt.lines] == [(3, 3)]
    assert (receipt.events_lost, receipt.complete, receipt.ended) == (lost, False, True)
    assert any("record on disk is incomplete" in note for note in receipt.notes)


def test_a_full_disk_is_one_warning_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(os.open("/dev/full", os.O_WRONLY), Path("/dev/full"))
    journal.write([call("a", 0, 1), call("a", 1, 2)])
    journal.write([call("a", 2, 3)])
    assert journal.lost == 3
    assert os.strerror(errno.ENOSPC) in one_warning(caplog)


LIMITED = """
import logging, resource, sys
logging.basicConfig()
from headway import clock, events
from headway.runs import record
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
with record("limited", folder=sys.argv[1]) as run:
    for number in range(100):
        events.emit(events.CallEnded(at=clock.now(), run=run.id, call=f"c{number}", operation="a",
                                     kind="tool", source="ran", seconds=0.1))
        if number % 10 == 0:
            run.flush()
receipt = run.receipt()
print(run.lost, receipt.lines[0].asked, receipt.ended, receipt.complete)
"""


def test_a_disk_that_fills_up_in_mid_run_keeps_what_was_written(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lost, asked, ended, complete = process.stdout.split()
    assert (asked, ended, complete) == ("100", "True", "False")
    assert process.stderr.count("incomplete") == 1
    (listed,) = list_runs(tmp_path)
    run = read_run(*listed.paths)
    assert len(run.events) + int(lost) == 102
    assert len(run.events) > 5
    assert (run.torn, run.unreadable) == (1, 0)
    assert listed.paths[0].stat().st_size == 2000


@pytest.mark.parametrize("blocked", ["", "runs"])
def test_a_file_where_the_folder_should_be(
    tmp_path: Path, blocked: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "h"
    if blocked:
        folder.mkdir()
    (folder / blocked).write_text("in the way")
    run = go_on(folder)
    assert (run.path, run.lost) == (None, 5)
    assert_stands(run.receipt(), lost=5)
    assert str(folder) in one_warning(caplog)
    assert (folder / blocked).read_text() == "in the way"


def test_a_folder_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    run = go_on(Path("/dev/null/h"))
    assert_stands(run.receipt(), lost=5)
    one_warning(caplog)


@pytest.mark.parametrize("name", ["h", "h/runs"])
def test_a_symbolic_link_is_not_followed(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "somebody's"
    target.mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(target)
    run = go_on(tmp_path / "h")
    assert (run.path, list(target.iterdir())) == (None, [])
    assert_stands(run.receipt(), lost=5)
    one_warning(caplog)


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("as it was")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "name.jsonl").symlink_to(target)
    journal = open_journal(tmp_path, "name", HEADER)
    journal.close()
    assert target.read_text() == "as it was"
    assert journal.path == tmp_path / "runs" / "name-2.jsonl"


def replace_folder_by_file(path: Path) -> None:
    shutil.rmtree(path.parents[1])
    path.parents[1].write_text("a file now")


def move_folder_away(path: Path) -> None:
    path.parents[1].rename(path.parents[2] / "elsewhere")


@pytest.mark.parametrize("harm", [Path.unlink, replace_folder_by_file, move_folder_away])
def test_a_file_that_goes_away_in_mid_run(
    tmp_path: Path, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    run = go_on(tmp_path / "h", halfway=harm)
    assert_stands(run.receipt(), lost=5)  # what had been written went with the file
    assert "removed or replaced" in one_warning(caplog)


def test_an_event_that_cannot_be_written_down_is_lost_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = open_journal(tmp_path, "name", HEADER)
    bad = Progress(at=START, run=RUN, text="\udce9")
    journal.write([call("a", 0, 1), bad, call("a", 1, 2)])
    journal.close()
    assert journal.lost == 1
    assert "Progress" in one_warning(caplog)
    assert journal.path is not None
    assert len(read_run(journal.path).events) == 2


def test_a_disk_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "PATIENCE_S", 0.2)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    run = Run(RUN, "x", Journal(os.open(path, os.O_WRONLY), path))
    run._start()
    try:
        for number in range(5_000):  # more than a pipe holds
            run._hear(call("a", number, number + 1))
        run._end()
        receipt = run.receipt()
        assert receipt.lines[0].asked == 5_000
        assert receipt.events_lost > 0
        assert "does not answer" in one_warning(caplog)
    finally:
        os.close(reader)
        run._thread.join()
        run._journal.close()
