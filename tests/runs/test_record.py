import asyncio
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from headway import BadSetup, Cache, clock, events, operation, settings
from headway.events import CallEnded, Event, Progress, RunEnded, RunStarted
from headway.runs import Run, earlier, latest_run, list_runs, read_run, record
from headway.scope import current

recorder = sys.modules["headway.runs.record"]


Double = Callable[[int], Awaitable[int]]


@pytest.fixture
def double() -> Double:
    """A tool with a cache of its own."""

    @operation(Cache("1h"), kind="tool", name="double")
    async def double(number: int) -> int:
        return 2 * number

    return double


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    yield
    assert events.listeners == ()
    names = [thread.name for thread in threading.enumerate()]
    assert "headway-recorder" not in names


def note(run: Run | str, text: str = "note") -> Progress:
    return Progress(at=clock.now(), run=run if isinstance(run, str) else run.id, text=text)


async def once(double: Double, number: int) -> int:
    return await double(number)


def recorded(run: Run) -> list[Event]:
    assert run.path is not None
    return list(read_run(run.path).events)


def script(source: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process of its own that runs *source*."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_a_run_from_start_to_end(tmp_path: Path, double: Double) -> None:
    async def ask_three_times() -> None:
        assert [await double(21), await double(21), await double(4)] == [42, 42, 8]

    with record("doubling", folder=tmp_path) as run:
        asyncio.run(ask_three_times())
    started, *calls, ended = recorded(run)
    assert isinstance(started, RunStarted)
    assert isinstance(ended, RunEnded)
    assert (started.name, ended.error) == ("doubling", None)
    sources = [call.source for call in calls if isinstance(call, CallEnded)]
    assert sources == ["ran", "hit", "ran"]
    assert {event.run for event in calls} == {run.id}
    assert run.lost == 0


def test_the_receipt_of_the_handle_is_that_of_the_file(tmp_path: Path, double: Double) -> None:
    with record("doubling", folder=tmp_path) as run:
        asyncio.run(once(double, 1))
        assert not run.receipt().ended
    assert run.path is not None
    receipt = run.receipt()
    assert receipt == read_run(run.path).receipt()
    assert receipt.complete
    assert (receipt.tool_calls_made, receipt.cache_hits) == (1, 0)


def test_nothing_that_was_asked_or_answered_is_in_the_file(tmp_path: Path) -> None:
    @operation(Cache("1h"))
    async def reveal(question: str) -> str:
        raise ValueError(f"no answer to {question}")

    with pytest.raises(ValueError, match="secret"), record("secrets", folder=tmp_path) as run:
        asyncio.run(reveal("the secret word"))
    assert run.path is not None
    assert b"secret word" not in run.path.read_bytes()
    assert run.receipt().error == "ValueError"


def test_only_the_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with record("open", folder=tmp_path / "a" / "h") as run:
            pass
        os.umask(0o277)
        with record("shut", folder=tmp_path / "b") as other:
            pass
    finally:
        os.umask(before)
    for handle, folder in ((run, tmp_path / "a" / "h"), (other, tmp_path / "b")):
        assert handle.path is not None
        assert stat.S_IMODE(handle.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "runs").stat().st_mode) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with record("x", folder=tmp_path):
        pass
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_two_runs_at_once_do_not_mix(tmp_path: Path, double: Double) -> None:
    async def one(name: str, numbers: range) -> Run:
        with record(name, folder=tmp_path) as run:
            for number in numbers:
                await double(number)
                await asyncio.sleep(0)
        return run

    async def both() -> tuple[Run, Run]:
        return await asyncio.gather(one("low", range(10)), one("high", range(100, 130)))

    low, high = asyncio.run(both())
    assert low.id != high.id
    assert (low.receipt().tool_calls_made, high.receipt().tool_calls_made) == (10, 30)
    assert {event.run for event in recorded(low)} == {low.id}
    assert {event.run for event in recorded(high)} == {high.id}


def test_a_run_inside_a_run_is_a_run_of_its_own(tmp_path: Path) -> None:
    with record("outer", folder=tmp_path) as outer:
        with record("inner", folder=tmp_path) as inner:
            assert current.get().run == inner.id
            events.emit(note(inner.id))
        assert current.get().run == outer.id
    assert current.get().run is None
    assert [type(event).__name__ for event in recorded(outer)] == ["RunStarted", "RunEnded"]
    assert len(recorded(inner)) == 3


def test_one_run_cannot_be_recorded_twice_in_a_process(tmp_path: Path) -> None:
    with (
        record("first", folder=tmp_path, run="same"),
        pytest.raises(BadSetup, match="'same' is being recorded"),
        record("second", folder=tmp_path, run="same"),
    ):
        pass
    with record("third", folder=tmp_path, run="same") as run:
        assert run.id == "same"


def test_events_reach_the_file_while_the_run_goes_on(tmp_path: Path) -> None:
    with record("long", folder=tmp_path) as run:
        events.emit(note(run))
        assert run.path is not None
        patience = clock.monotonic() + 5
        while b"Progress" not in run.path.read_bytes():
            assert clock.monotonic() < patience
            time.sleep(0.01)


def test_threads_may_all_speak_at_once(tmp_path: Path) -> None:
    each, several = 2_000, 8

    def speak() -> None:
        for _ in range(each):
            events.emit(note(run))

    with record("threads", folder=tmp_path) as run:
        threads = [threading.Thread(target=speak) for _ in range(several)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(recorded(run)) == each * several + 2
    assert run.lost == 0


def test_fifty_thousand_events_in_one_breath(tmp_path: Path) -> None:
    many = 50_000
    with record("burst", folder=tmp_path) as run:
        event = note(run)
        costs = []
        for _ in range(10):
            began = clock.monotonic()
            for _ in range(many // 10):
                events.emit(event)
            costs.append((clock.monotonic() - began) / (many // 10))
    assert len(recorded(run)) == many + 2
    assert min(costs) < 10e-6  # well under 1 us on an idle machine


def test_events_beyond_what_may_wait_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOST_WAITING", 10)
    monkeypatch.setattr(recorder, "FLUSH_S", 60)
    with record("flood", folder=tmp_path) as run:
        for _ in range(25):
            events.emit(note(run))
        assert run.lost == 16  # the start of the run waits, too
        run.flush()
    receipt = run.receipt()
    assert (receipt.events_lost, receipt.complete) == (16, False)
    assert any("16 events came too fast" in text for text in receipt.notes)
    assert len(recorded(run)) == 11


def test_without_a_thread_the_end_of_the_run_writes_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with record("alone", folder=tmp_path) as run:
        events.emit(note(run))
    assert len(recorded(run)) == 3
    assert [entry.name for entry in caplog.records] == ["headway.runs"]


def test_a_run_in_which_nothing_fails_logs_nothing(
    tmp_path: Path, double: Double, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "headway"), record("quiet", folder=tmp_path):
        asyncio.run(once(double, 5))
    assert caplog.records == []


def test_a_name_that_is_no_text_is_mended(tmp_path: Path) -> None:
    with record("caf\udce9", folder=tmp_path) as run:
        pass
    assert run.path is not None
    assert read_run(run.path).header.name == "caf?"


def test_an_id_from_outside_makes_no_path(tmp_path: Path) -> None:
    with record("x", folder=tmp_path, run="../../etc/passwd\n") as run:
        pass
    assert run.path is not None
    assert run.path.parent == tmp_path / "runs"
    assert read_run(run.path).header.run == "../../etc/passwd\n"


def test_the_program_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with record("moving", folder="h") as run:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        events.emit(note(run))
    assert len(recorded(run)) == 3
    assert run.lost == 0


KILLED = """
import sys, time
from headway import events, clock
from headway.runs import record
with record("killed", folder=sys.argv[1]) as run:
    number = 0
    while True:
        for _ in range(500):
            number += 1
            events.emit(events.Progress(at=clock.now(), run=run.id, text=str(number)))
        if number == 5000:
            run.flush()
            print("go", flush=True)
        time.sleep(0.001)
"""


def test_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    process = script(KILLED, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (listed,) = list_runs(tmp_path)
    run = read_run(*listed.paths)
    assert run.unreadable == 0
    assert run.torn <= 1
    numbers = [int(event.text) for event in run.events if isinstance(event, Progress)]
    assert len(numbers) >= 5000
    assert numbers == list(range(1, len(numbers) + 1))
    assert not run.receipt().ended


FORKED = """
import os, sys
from headway import events, clock
from headway.runs import record
def speak(run, text):
    events.emit(events.Progress(at=clock.now(), run=run.id, text=text))
with record("parent", folder=sys.argv[1]) as run:
    speak(run, "before")
    child = os.fork()
    if child == 0:
        speak(run, "in the child")
        run.flush()
        assert run.path is None and not run.receipt().complete
        with record("child", folder=sys.argv[1], run=run.id) as own:
            speak(own, "in the child's own file")
    else:
        assert os.waitpid(child, 0)[1] == 0
        speak(run, "after")
"""


def test_a_forked_child_writes_nothing_into_the_file_of_its_parent(tmp_path: Path) -> None:
    process = script(FORKED, str(tmp_path))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    (listed,) = list_runs(tmp_path)
    texts = [
        [event.text for event in read_run(path).events if isinstance(event, Progress)]
        for path in listed.paths
    ]
    assert texts == [["before", "after"], ["in the child's own file"]]
    assert read_run(*listed.paths).receipt().complete


PART = """
import asyncio, sys
from headway import operation
from headway.runs import record
@operation(kind="tool", name="fetch")
async def fetch(what): ...
with record(sys.argv[2], folder=sys.argv[1]):
    asyncio.run(fetch("the same"))
"""


def test_processes_of_one_run_write_a_file_each_and_share_a_receipt(tmp_path: Path) -> None:
    for name in ("first", "second"):
        process = script(PART, str(tmp_path), name, HEADWAY_RUN="shared")
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    (listed,) = list_runs(tmp_path)
    assert (listed.run, listed.name, len(listed.paths)) == ("shared", "first", 2)
    receipt = read_run(*listed.paths).receipt()
    assert (receipt.tool_calls_made, receipt.duplicates_run) == (2, 1)
    assert receipt.complete


def test_runs_in_turn_under_one_outer_run_do_not_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_RUN", "shared")
    with record("a", folder=tmp_path) as first, record("b", folder=tmp_path) as inner:
        assert (first.id, inner.id == "shared") == ("shared", False)
    with record("c", folder=tmp_path) as second:
        assert second.id == "shared"
    assert first.path != second.path
    assert sorted(len(run.paths) for run in list_runs(tmp_path)) == [1, 2]


def test_the_folder_is_that_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWAY_FOLDER", raising=False)
    monkeypatch.setattr(settings, "_kept", None)
    (tmp_path / "headway.toml").write_text('folder = "kept"\n')
    with record("by the file") as first:
        pass
    assert first.path is not None
    assert first.path.parent == tmp_path / "kept" / "runs"
    assert [run.run for run in list_runs()] == [first.id]
    monkeypatch.setenv("HEADWAY_FOLDER", "elsewhere")
    with record("by the environment") as second:
        pass
    assert [run.run for run in list_runs()] == [second.id]
    latest = latest_run()
    assert latest is not None
    assert latest.header.run == second.id
    assert [earlier().runs, earlier(name="by the file").runs] == [1, 0]
    with record("as said", folder="kept") as third:
        pass
    assert {run.run for run in list_runs("kept")} == {first.id, third.id}


def test_a_wrong_settings_file_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_kept", None)
    (tmp_path / "headway.toml").write_text("folder = 3\n")
    with pytest.raises(BadSetup, match="line 1: `folder` must be"), record("never"):
        pytest.fail("the block ran")
