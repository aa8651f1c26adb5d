"""A command run as if this process were not there: its terminal, its signals, its exit code.

The command stays in this process's group, so the terminal treats both as one job: Ctrl-C reaches it
once, from the terminal; Ctrl-Z stops both, and ``fg`` wakes both. A signal that somebody sends to
this process alone is passed on.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Final

NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128
PASSED_ON: Final = frozenset(
    {
        *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
        *(signal.SIGUSR1, signal.SIGUSR2),
    }
)
_FROM_A_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT})
_WAKE_UP: Final = signal.SIGURG
_CHANGED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_wait_for_info = getattr(signal, "sigwaitinfo", None)  # not on macOS


class CannotStart(Exception):
    """The command could not be started; ``code`` is what a shell would exit with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def refuse_unless_found(command: Sequence[str]) -> None:
    """Let pass a command that can probably be started.

    Raises:
        CannotStart: there is no such program, or it may not be run.
    """
    program = command[0]
    if not os.path.dirname(program):
        if shutil.which(program) is None:
            raise CannotStart(f"{program}: command not found", NOT_FOUND)
    elif not os.path.exists(program):
        raise CannotStart(f"{program}: there is no such file", NOT_FOUND)
    elif os.path.isdir(program):
        raise CannotStart(f"{program}: is a folder", NOT_EXECUTABLE)
    elif not os.access(program, os.X_OK):
        said = f"{program}: is not executable; try: chmod +x {program}"
        raise CannotStart(said, NOT_EXECUTABLE)


@contextmanager
def signals_held() -> Iterator[frozenset[signal.Signals]]:
    """Hold back the signals that are passed on; enter it before any thread is started.

    One that nobody took is dropped at the end. Those that this process ignores, as under
    ``nohup``, are left alone.
    """
    passed_on = {number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, _WAKE_UP})
    try:
        yield frozenset(passed_on)
    finally:
        while late := signal.sigpending() & passed_on:  # for a program that has ended already
            signal.sigwait(late)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def run_child(
    command: Sequence[str],
    environment: Mapping[str, str],
    passed_on: frozenset[signal.Signals] = frozenset(),
) -> int:
    """Run *command* with this process's stdin, stdout and stderr, until it ends.

    Args:
        passed_on: the signals that are held back here, to be sent to it.

    Returns:
        Its exit code; 128 and the signal's number if a signal ended it.

    Raises:
        CannotStart: there is no such program, or it may not be run.
    """
    child = _Child(_start(command, environment))
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    threading.Thread(target=child.wait, args=(ended,), daemon=True).start()
    with child.passing_on(passed_on) if passed_on else nullcontext():
        return _as_a_shell_says(await ended)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        return os.posix_spawnp(
            command[0], list(command), environment, setsigmask=(), setsigdef=_CHANGED_BY_PYTHON
        )
    except FileNotFoundError:
        refuse_unless_found(command)
        said = f"{command[0]}: the program that its first line names is not there"
        raise CannotStart(said, NOT_EXECUTABLE) from None
    except (OSError, ValueError) as wrong:
        raise CannotStart(_why_not(command[0], wrong), NOT_EXECUTABLE) from None


def _why_not(program: str, wrong: Exception) -> str:
    if isinstance(wrong, OSError) and wrong.errno == errno.ENOEXEC:
        return f"{program}: is no program, and no script with a first line such as #!/bin/sh"
    return f"{program}: cannot be started: {wrong}"


def _as_a_shell_says(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else SIGNALLED - code


class _Child:
    """A process, waited for by one thread and sent signals by another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._is_over = threading.Event()
        self._reaping = threading.Lock()
        self._is_reaped = False

    def wait(self, ended: asyncio.Future[int]) -> None:
        """Wait for its end, and tell *ended* its status."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:  # from here on the number may be another process's
            _, status = os.waitpid(self.pid, 0)
            self._is_reaped = True
        with suppress(RuntimeError):  # nobody waits any more
            ended.get_loop().call_soon_threadsafe(_settle, ended, status)

    @contextmanager
    def passing_on(self, held: frozenset[signal.Signals]) -> Iterator[None]:
        """Send it each of the signals *held* that comes while the block runs."""
        thread = threading.Thread(target=self._pass_on, args=(held,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            if thread.ident is not None and thread.is_alive():
                signal.pthread_kill(thread.ident, _WAKE_UP)
            thread.join()

    def _pass_on(self, held: frozenset[signal.Signals]) -> None:
        """One that came from the terminal has reached it already."""
        while not self._is_over.is_set():
            number, is_from_terminal = _next_of({*held, _WAKE_UP})
            if number != _WAKE_UP and not is_from_terminal:
                with self._reaping:
                    if not self._is_reaped:
                        os.kill(self.pid, number)


def _settle(ended: asyncio.Future[int], status: int) -> None:
    if not ended.done():
        ended.set_result(status)


def _next_of(held: set[signal.Signals]) -> tuple[int, bool]:
    """The next signal, and whether it came from the terminal, to the whole group."""
    if _wait_for_info is not None:
        info = _wait_for_info(held)
        return info.si_signo, info.si_code > 0  # the kernel's own
    number = signal.sigwait(held)
    return number, number in _FROM_A_TERMINAL and _is_in_foreground()


def _is_in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
