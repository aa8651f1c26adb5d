"""Signals and the terminal: the program behind ``headway run`` gets what it would get alone."""

import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from headway.testing import Pace, Provider
from tests.cli.run_by_hand import ASK, PYTHON, command, environment

COUNTS = """
import os, signal, time
got = []
def note(number, frame):
    got.append(signal.Signals(number).name)
    os.write(1, got[-1].encode() + b"\\n")  # the next may come while this is written: no print
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
    signal.signal(getattr(signal, name), note)
print("ready", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end and "SIGUSR2" not in got:
    time.sleep(0.01)
time.sleep(0.3)
print(",".join(got), flush=True)
"""
"""A program that tells of each signal, and ends after SIGUSR2."""


@contextmanager
def started(folder: Path, *program: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """*program* behind ``headway run``, with no terminal."""
    process = subprocess.Popen(
        command((), program),
        cwd=folder,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_is_sent_to_headway_reaches_the_program_once(tmp_path: Path) -> None:
    with started(tmp_path, PYTHON, "-c", COUNTS) as process:
        assert line(process) == "ready"
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
            process.send_signal(getattr(signal, name))
            assert line(process) == name
        assert line(process) == "SIGINT,SIGTERM,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2"
        assert process.wait(20) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_program_that_a_signal_ends(tmp_path: Path) -> None:
    with started(tmp_path, "sleep", "60") as process:
        _until_child(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        assert process.stderr is not None
        assert "no call reached Headway" in process.stderr.read()


def test_what_was_ignored_stays_so(tmp_path: Path) -> None:
    """As under nohup."""
    inner = " ".join(f"'{word}'" for word in command((), ["sleep", "1"]))
    ran = subprocess.run(
        ["sh", "-c", f"trap '' HUP; {inner} & sleep 0.7; kill -HUP $!; wait $!"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0


def _until(happens: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _until_child(pid: int) -> int:
    """The process that *pid* started."""
    _until(lambda: _children(pid))
    return _children(pid)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_headway_that_is_killed_leaves_nobody_hanging(tmp_path: Path) -> None:
    with (
        Provider(pace=Pace(latency_s=30.0)) as slow,
        started(tmp_path, PYTHON, "-c", ASK, "1", OPENAI_BASE_URL=slow.openai_url) as process,
    ):
        child = _until_child(process.pid)
        slow.wait_until(lambda log: len(log) == 1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)
        assert process.stderr is not None
        assert "APIConnectionError" in process.stderr.read()  # ends when the program does
        _until(lambda: _has_ended(child))


def _has_ended(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


LEAVES_A_CALL = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", os.environ["ASK"], "1"],
                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
sys.stdin.read()
sys.exit(7)
"""
"""A program that ends with its input, while a call of its child's is under way."""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_signal_that_comes_after_the_end_of_the_program_changes_nothing(tmp_path: Path) -> None:
    with (
        Provider(pace=Pace(latency_s=30.0)) as slow,
        subprocess.Popen(
            command(["--json"], [PYTHON, "-c", LEAVES_A_CALL]),
            cwd=tmp_path,
            env=environment(tmp_path, OPENAI_BASE_URL=slow.openai_url, ASK=ASK),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        slow.wait_until(lambda log: len(log) == 1)
        child = _until_child(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        _until(lambda: not Path(f"/proc/{child}").exists())
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 7
        assert process.stderr is not None
        last = process.stderr.read().splitlines()[-1]
    (line,) = msgspec.json.decode(last)["models"]["lines"]
    assert (line["calls"], line["failed"]) == (1, 1)


# --- a terminal --------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal with ``headway run`` in its foreground, or a shell that starts it."""

    def __init__(self, words: list[str], folder: Path, environ: dict[str, str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(words[0], words, environ)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, text: str, seconds: float = 20.0) -> None:
        """Read on until *text* has been shown."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self._fd, 65536).decode("utf-8", "replace")
            except OSError:
                assert text in self.seen, f"no {text!r} in {self.seen!r}"

    def close(self) -> int:
        """Read to the end, and tell the exit code."""
        with suppress(OSError):
            while os.read(self._fd, 65536):
                pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_reaches_the_program_once(tmp_path: Path) -> None:
    terminal = Terminal(command((), [PYTHON, "-c", COUNTS]), tmp_path, environment(tmp_path))
    terminal.until("ready")
    terminal.type("\x03")
    terminal.until("SIGINT")
    terminal.type("\x1c")
    terminal.until("SIGQUIT")
    os.kill(terminal.pid, signal.SIGUSR2)
    terminal.until("SIGINT,SIGQUIT,SIGUSR2")
    terminal.until("no call reached Headway")
    assert terminal.close() == 0


def test_the_program_has_the_terminal(tmp_path: Path) -> None:
    asks = "import os, sys; print(os.isatty(0), os.isatty(1), os.isatty(2), input('name? '))"
    terminal = Terminal(command((), [PYTHON, "-c", asks]), tmp_path, environment(tmp_path))
    terminal.until("name? ")
    terminal.type("Ada\n")
    terminal.until("True True True Ada")
    terminal.until("no call reached Headway")
    assert terminal.close() == 0


def test_ctrl_z_stops_both_and_fg_wakes_both(tmp_path: Path) -> None:
    ticks = "import time\nfor n in range(1000):\n print('tick', n, flush=True); time.sleep(0.05)"
    shell = Terminal(["bash", "--norc", "-i"], tmp_path, environment(tmp_path, PS1="$ "))
    shell.type(shlex.join(command((), [PYTHON, "-c", ticks])) + "\n")
    shell.until("tick 3")
    shell.type("\x1a")
    shell.until("Stopped")
    shell.seen = ""
    shell.type("echo still $((40 + 2))\n")
    shell.until("still 42")
    assert "tick" not in shell.seen.partition("still 42")[2]
    shell.seen = ""
    shell.type("fg\n")
    shell.until("\ntick ")  # not the command line, which the shell shows again
    shell.type("\x03")
    shell.until("KeyboardInterrupt")
    shell.until("no call reached Headway")
    shell.type("exit 0\n")
    assert shell.close() in (0, -signal.SIGHUP)
