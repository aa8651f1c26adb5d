"""Lines about slow tools, read off a real terminal and off a pipe, from processes of their own."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

PATIENCE_S = 60.0
HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]
NESTED = """
import asyncio, sys
import headway
from headway import clock, operation, record
from headway.testing import FakeClock


@operation(kind="tool", name="get_filing")
async def get_filing(seconds: float) -> str:
    await clock.sleep(seconds)
    return "10-K"


@operation(kind="tool", name="ask_reader")
async def ask_reader() -> None:
    with headway.scope(agent="reader"):
        await get_filing(0.5)
        await get_filing(1.2)
        await get_filing(6.2)


async def main(live: bool) -> None:
    fake = FakeClock()
    with clock.use(fake), record("nested", live=live), headway.scope(agent="analyst"):
        work = asyncio.create_task(ask_reader())
        await fake.advance(1.7 + 5)
        await asyncio.to_thread(input)  # the lines so far have been read
        await fake.advance(2)
        await work


asyncio.run(main(sys.argv[1] == "live"))
"""
CALL = r", call [0-9a-f]+\.\d+"


class Watched:
    """A process whose stderr is read as it comes: from a terminal, or from a pipe."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, terminal: bool, **environment: str
    ) -> None:
        self._read, write = pty.openpty() if terminal else os.pipe()
        without = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**without, "TERM": "xterm", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=write,
            text=True,
        )
        os.close(write)
        self.text = ""

    def until(self, pattern: str | None) -> None:
        """Read until *pattern* has been seen; None: until nothing more comes."""
        end = time.monotonic() + PATIENCE_S
        while pattern is None or not re.search(pattern, self.text):
            left_s = end - time.monotonic()
            assert left_s > 0, f"{pattern!r} was never seen in {self.text!r}"
            if select.select([self._read], [], [], left_s)[0]:
                try:
                    found = os.read(self._read, 65_536)
                except OSError:  # how a terminal says that the other side has closed it
                    found = b""
                if not found:
                    assert pattern is None, f"{pattern!r} was never seen in {self.text!r}"
                    return
                self.text += found.decode()

    def go_on(self) -> None:
        """Give it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """All of stdout, once it has ended well."""
        self.until(None)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, self.text
        return out

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.communicate()
        os.close(self._read)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_nested_agents_slow_tool_is_told_while_it_runs_and_after(
    terminal: bool, tmp_path: Path
) -> None:
    watched = Watched([sys.executable, "-c", NESTED, "live"], tmp_path, terminal=terminal)
    try:
        watched.until(r"tool get_filing has been running for 5 s \(agent analyst/reader\)" + CALL)
        assert "took 6.2 s" not in watched.text
        watched.go_on()
        out = watched.end()
    finally:
        watched.close()
    assert out == ""
    lines = [line.rstrip() for line in watched.text.splitlines()]
    yellow, end = (r"\x1b\[33m", r"\x1b\[0m") if terminal else ("", "")
    wanted = [
        rf"headway: notice: tool get_filing took 1\.2 s \(agent analyst/reader\){CALL}",
        rf"{yellow}headway: warning: tool ask_reader has been running for 5 s "
        rf"\(agent analyst\){CALL}{end}",
        rf"{yellow}headway: warning: tool get_filing has been running for 5 s "
        rf"\(agent analyst/reader\){CALL}{end}",
        rf"{yellow}headway: warning: tool get_filing took 6\.2 s "
        rf"\(agent analyst/reader\){CALL}{end}",
        rf"{yellow}headway: warning: tool ask_reader took 7\.9 s \(agent analyst\){CALL}{end}",
    ]
    assert len(lines) == len(wanted), lines
    for pattern in wanted:
        assert sum(bool(re.fullmatch(pattern, line)) for line in lines) == 1, (pattern, lines)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_nothing_is_told_unless_it_was_asked_for(terminal: bool, tmp_path: Path) -> None:
    watched = Watched([sys.executable, "-c", NESTED, "silent"], tmp_path, terminal=terminal)
    try:
        watched.go_on()
        out = watched.end()
    finally:
        watched.close()
    assert (watched.text, out) == ("", "")


def test_no_colour_if_the_terminal_is_to_have_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NESTED, "live"]
    watched = Watched(command, tmp_path, terminal=True, NO_COLOR="1")
    try:
        watched.go_on()
        watched.end()
    finally:
        watched.close()
    assert "tool get_filing took 6.2 s (agent analyst/reader)" in watched.text
    assert "\x1b" not in watched.text


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_research_tells_of_its_slow_data_tools(terminal: bool, tmp_path: Path) -> None:
    command = [*HEADWAY, "research", "KO", "--scale", "100", "--slow", "50ms,1h"]
    watched = Watched(command, tmp_path, terminal=terminal)
    try:
        out = watched.end()
    finally:
        watched.close()
    lines = re.split(r"[\r\n]+|\x1b\[2K", watched.text)
    told = [line for line in lines if line.startswith("headway: ")]
    assert len(told) == 3, watched.text  # each data tool ran once, whoever asked
    for line, name in zip(sorted(told), ("filings", "financials", "profile"), strict=True):
        pattern = rf"headway: notice: tool \S+\.{name} took 0\.\d+ s \(agent coordinator\){CALL}"
        assert re.fullmatch(pattern, line)
    shown = [line.rpartition("call ")[2] for line in told]
    receipt = subprocess.run(
        [*HEADWAY, "receipt", "--calls", "3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    ).stdout
    assert all(f"  {call} " in receipt for call in shown)
    assert "agents " in out


def test_a_research_without_slow_tools_tells_nothing(tmp_path: Path) -> None:
    watched = Watched([*HEADWAY, "research", "KO"], tmp_path, terminal=False)
    try:
        watched.end()
    finally:
        watched.close()
    assert "headway:" not in watched.text


@pytest.mark.parametrize("slow", ["soon", "5s,1s", "0s,1s"])
def test_limits_that_are_none_are_refused_in_one_line(slow: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [*HEADWAY, "research", "KO", "--slow", slow],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"headway: --slow {slow}: ")
    assert ran.stderr.count("\n") == 1
