"""A proxy in a process of its own, spoken to line by line."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ECHO = [sys.executable, str(Path(__file__).with_name("echo_server.py"))]
HEADWAY = [sys.executable, "-c", "from headway.cli.main import main; main()"]


class Conversation:
    """``with Conversation() as talk: talk.ask(...)``; the process ends with the block."""

    def __init__(self, *options: str, server: list[str] | None = None, cwd: Path | None = None):
        command = [*HEADWAY, "mcp", *options, "--", *(ECHO if server is None else server)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, start_new_session=True
        )
        self._read = b""

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                pass

    def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def line(self, timeout_s: float = 10.0) -> bytes:
        """The next line from the proxy, or b"" at its end."""
        assert self.process.stdout is not None
        until = time.monotonic() + timeout_s
        while b"\n" not in self._read:
            rest = until - time.monotonic()
            if rest < 0 or not select.select([self.process.stdout], [], [], rest)[0]:
                raise TimeoutError(f"no line within {timeout_s} s; so far {self._read[:200]!r}")
            if not (data := os.read(self.process.stdout.fileno(), 1 << 20)):
                return b""
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line

    def ask(self, method: str, id: object = 1, **params: object) -> Any:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.send(json.dumps(message).encode())
        return json.loads(self.line())

    def end(self, timeout_s: float = 10.0) -> tuple[int, bytes, str]:
        """Close stdin: the exit code, what was left to read, and stderr."""
        rest, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, self._read + rest, errors.decode()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def is_gone(pid: int, within_s: float = 8.0) -> bool:
    until = time.monotonic() + within_s
    while is_alive(pid):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True
