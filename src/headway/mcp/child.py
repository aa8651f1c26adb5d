"""The life of a server's process: its start, its end in good order, and that nothing outlives us.

The server leads a process group of its own. A small shell beside it waits on a pipe that only this
process holds open: if this process is gone, even by SIGKILL, the shell ends the group.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from .. import clock
from .pump import Incoming, Outgoing, Source

GRACE_S = 5.0
"""How long a server may go on after its stdin was closed."""
TERMINATE_S = 1.5
"""How long it may go on after SIGTERM; then comes SIGKILL."""
_LOOK_S = 0.02
_DRAIN_S = 0.5
"""How long output may still come after the server's end, if a child of its own holds the pipe."""

_GUARD = """
trap '' INT TERM HUP
read -r group || exit 0
read -r ended && exit 0
tries() { n=0; while kill -0 "-$group" && [ $n -lt "$1" ]; do sleep 0.1; n=$((n+1)); done; }
tries 5; kill -TERM "-$group"; tries 15; kill -KILL "-$group"
"""


class CannotStart(Exception):
    """The server's process could not be started; ``code`` is what a shell would exit with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Child(asyncio.SubprocessProtocol):
    """A server's process: lines of its stdout, bytes to its stdin, its end."""

    def __init__(
        self, on_line: Callable[[bytes], None], on_end: Callable[[], None], outgoing: Outgoing
    ) -> None:
        self._stdout = Incoming(on_line, self._stdout_ended)
        self._stdin, self._on_line, self._on_end = outgoing, on_line, on_end
        self._transport: Any = None
        self._guard: _Guard | None = None
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()

    async def start(self, command: Sequence[str]) -> None:
        """Start *command*, its stderr that of this process.

        Raises:
            CannotStart: there is no such program, or it may not be run.
        """
        loop = asyncio.get_running_loop()
        self._guard = _Guard()
        try:
            self._transport, _ = await loop.subprocess_exec(
                lambda: self, *command, stderr=None, process_group=0
            )
        except (OSError, ValueError) as wrong:
            self._guard.dismiss()
            code = 127 if isinstance(wrong, FileNotFoundError) else 126
            reason = wrong.strerror if isinstance(wrong, OSError) else str(wrong)
            raise CannotStart(f"{command[0]!r} cannot be started: {reason}", code) from None
        self._guard.watch(self._transport.get_pid())

    @property
    def source(self) -> Source | None:
        """What can be told to let the server's output wait."""
        pipe: Source | None = self._transport and self._transport.get_pipe_transport(1)
        return pipe

    @property
    def code(self) -> int:
        """The exit code as a shell tells it: 128 and the signal's number if that ended it."""
        code: int | None = self._transport.get_returncode()
        return 0 if code is None else code if code >= 0 else 128 - code

    def write(self, data: bytes) -> None:
        """Send *data* to the server's stdin; nowhere if that is closed."""
        pipe = self._transport.get_pipe_transport(0)
        if not (pipe is None or pipe.is_closing()):
            pipe.write(data)

    def close_stdin(self) -> None:
        """Tell the server, when it has read everything, that there will be no more."""
        if (pipe := self._transport.get_pipe_transport(0)) is not None:
            pipe.close()

    async def end(self, grace_s: float = GRACE_S) -> None:
        """Close stdin, then terminate, then kill; return when the whole group is gone."""
        self.close_stdin()
        for patience_s, last_word in ((grace_s, signal.SIGTERM), (TERMINATE_S, signal.SIGKILL)):
            if await _in_time(self.exited.wait(), patience_s):
                break
            self.signal(last_word)
        await self.exited.wait()
        await self._end_group()
        await _in_time(self.drained.wait(), _DRAIN_S)
        self._transport.close()
        if self._guard is not None:
            self._guard.dismiss()

    def signal(self, number: int) -> None:
        """Send a signal to the server and all it has started."""
        if self._transport is not None:  # before that there is nobody to tell
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), number)

    async def _end_group(self) -> None:
        """What the server started and left behind ends with it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._group_lives():
                return
            self.signal(number)
            until = clock.monotonic() + TERMINATE_S
            while self._group_lives() and clock.monotonic() < until:
                await clock.sleep(_LOOK_S)

    def _group_lives(self) -> bool:
        group: int = self._transport.get_pid()
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return _has_living(group)

    # What asyncio tells of the process and its pipes.

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Output of the server."""
        self._stdout.data_received(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The server closed a pipe, or we did."""
        if fd == 1:
            self._stdout.connection_lost(exc)
        elif fd == 0:
            self._stdin.connection_lost(exc)

    def _stdout_ended(self, rest: bytes) -> None:
        if rest:
            self._on_line(rest)
        self.drained.set()
        self._on_end()

    def process_exited(self) -> None:
        """The server's end."""
        self.exited.set()
        self._on_end()

    def pause_writing(self) -> None:
        """The server does not read as fast as it is sent to."""
        self._stdin.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stdin.resume_writing()


class _Guard:
    """The shell that ends the server's group if this process cannot."""

    def __init__(self) -> None:
        command = ["/bin/sh", "-c", _GUARD, "headway-mcp-guard"]
        quiet = subprocess.DEVNULL
        try:
            self._shell: subprocess.Popen[bytes] | None = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
            )
        except OSError:  # no shell: a server is then ended only by us
            self._shell = None

    def watch(self, group: int) -> None:
        self._tell(f"{group}\n")

    def dismiss(self) -> None:
        """Let it go: there is nothing left to end."""
        self._tell("ended\n")
        if self._shell is not None and self._shell.stdin is not None:
            with suppress(OSError):
                self._shell.stdin.close()
            self._shell.wait()
            self._shell = None

    def _tell(self, words: str) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with suppress(OSError):
                self._shell.stdin.write(words.encode())
                self._shell.stdin.flush()


def _has_living(group: int) -> bool:
    """Whether any of *group* has not ended; the ended ones may wait long to be reaped."""
    if not os.path.exists("/proc/self/stat"):
        return True
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, _, in_group = file.read().rpartition(b")")[2].split()[:3]
            if int(in_group) == group and state not in b"ZX":
                return True
    return False


async def _in_time(happens: Any, seconds: float) -> bool:
    try:
        await asyncio.wait_for(happens, seconds)
    except TimeoutError:
        return False
    return True
