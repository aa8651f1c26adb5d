from pathlib import Path

import msgspec
import pytest

from headway import BadSetup
from headway.events import CallEnded, Event, RunEnded
from headway.runs import Header, latest_run, list_runs, read_run
from tests.runs.by_hand import RUN, START, call, whole_run


def write(
    folder: Path,
    name: str = "a",
    *,
    run: str = RUN,
    started_at: float = START,
    version: int = 1,
    events: list[Event] | None = None,
    tail: bytes = b"",
) -> Path:
    """A run file as a recorder would have left it, and *tail* after that."""
    header = Header(headway_run=version, run=run, name=name, started_at=started_at, pid=7)
    (folder / "runs").mkdir(exist_ok=True)
    path = folder / "runs" / f"{name}.jsonl"
    lines = [header, *(whole_run(call("a", 0, 1), seconds=2) if events is None else events)]
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines) + tail)
    return path


def test_a_run_is_read_as_it_was(tmp_path: Path) -> None:
    events = whole_run(call("a", 0, 1, key="k", agent="quill"), seconds=2, error="ValueError")
    run = read_run(write(tmp_path, events=events))
    assert run.events == events
    assert (run.header.run, run.header.name, run.header.pid) == (RUN, "a", 7)
    assert (run.torn, run.unreadable, run.unknown) == (0, 0, 0)
    assert run.receipt().complete


def test_a_torn_tail_is_tolerated(tmp_path: Path) -> None:
    path = write(tmp_path, tail=b'{"type":"CallEnded","at":170000')
    run = read_run(path)
    assert (len(run.events), run.torn, run.unreadable) == (3, 1, 0)
    receipt = run.receipt()
    assert not receipt.complete
    assert any("crash" in note for note in receipt.notes)


def test_a_file_cut_at_any_byte_loses_at_most_that_line(tmp_path: Path) -> None:
    path = write(tmp_path, events=[call("a", 0, 1), call("b", 1, 2)])
    data = path.read_bytes()
    header = data.index(b"\n") + 1
    for length in range(header, len(data)):
        path.write_bytes(data[:length])
        run = read_run(path)
        whole = data[header:length].count(b"\n")
        assert len(run.events) in (whole, whole + 1)  # a line may be whole but for its line end
        assert run.unreadable == 0


def test_broken_lines_in_the_middle_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path)
    good = path.read_bytes().splitlines(keepends=True)
    bad = [b"\0\0\0\n", b"\xff\xfe\n", b'{"type":"CallEnded"}\n', b"\n", b"[]\n"]
    path.write_bytes(b"".join([*good[:2], *bad, *good[2:]]))
    run = read_run(path)
    assert (len(run.events), run.unreadable, run.unknown, run.torn) == (3, 5, 0, 0)
    assert any("cannot be read" in note for note in run.receipt().notes)


def test_what_a_newer_version_adds_is_passed_over(tmp_path: Path) -> None:
    newer = b'{"type":"BudgetSpent","at":1.0,"run":"run1","usd":2}\n'
    ended = b'{"type":"RunEnded","at":1.0,"run":"run1","seconds":3.0,"colour":"blue"}\n'
    run = read_run(write(tmp_path, events=[], tail=newer + ended))
    assert run.events == [RunEnded(at=1.0, run=RUN, seconds=3.0)]
    assert (run.unknown, run.unreadable) == (1, 0)
    assert any("does not know" in note for note in run.receipt().notes)


def test_what_an_older_version_lacked_has_its_default(tmp_path: Path) -> None:
    old = (
        b'{"type":"CallEnded","at":1.0,"run":"run1","call":"c","operation":"a",'
        b'"kind":"tool","source":"ran","seconds":0.5}\n'
    )
    (event,) = read_run(write(tmp_path, events=[], tail=old)).events
    assert isinstance(event, CallEnded)
    assert (event.key, event.cached) == (None, None)


@pytest.mark.parametrize("content", [b"", b"no header\n", b'{"run":"x"}\n', b"\xff\n"])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadSetup, match=r"x\.jsonl is no record"):
        read_run(path)


def test_a_newer_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, version=2)
    with pytest.raises(BadSetup, match=r"format 2.*reads up to 1.*newer"):
        read_run(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_run(tmp_path / "none.jsonl")


def test_files_of_two_runs_do_not_make_one(tmp_path: Path) -> None:
    one, other = write(tmp_path, "a"), write(tmp_path, "b", run="other")
    with pytest.raises(BadSetup, match="on its own"):
        read_run(one, other)
    with pytest.raises(BadSetup, match="at least one"):
        read_run()


def test_the_parts_of_several_processes_come_in_order_of_their_start(tmp_path: Path) -> None:
    late = write(tmp_path, "a", started_at=START + 5, events=[call("late", 5, 6)])
    early = write(tmp_path, "b", started_at=START, events=[call("early", 0, 1)])
    run = read_run(late, early)
    assert run.header.name == "b"
    assert run.paths == (early, late)
    assert [event.operation for event in run.events if isinstance(event, CallEnded)] == [
        "early",
        "late",
    ]


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    write(tmp_path, "old", run="r1", started_at=START)
    write(tmp_path, "new", run="r2", started_at=START + 10)
    part = write(tmp_path, "part", run="r1", started_at=START + 20)
    (tmp_path / "runs" / "broken.jsonl").write_bytes(b"?")
    (tmp_path / "runs" / "notes.txt").write_text("mine")
    listed = list_runs(tmp_path)
    assert [(run.run, run.name) for run in listed] == [("r2", "new"), ("r1", "old")]
    assert listed[1].paths[1] == part
    latest = latest_run(tmp_path)
    assert latest is not None
    assert latest.header.run == "r2"


def test_where_nothing_was_recorded(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    assert latest_run(tmp_path / "absent") is None
