"""Datagrams among the processes of this machine: a socket for each event loop, in one folder.

A message only makes things quick. Whoever missed one finds the same in the tables.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..private_folder import private_folder

MOST_BYTES: Final = 8_192
"""A longer message is not sent whole; see the callers."""

_LONGEST_PATH: Final = 100  # the kernel has room for 107 bytes
_MOST_AT_ONCE: Final = 256

Hear = Callable[[Sequence[bytes]], None]


class Bell:
    """Rings for every loop of every process that attends in *folder*; *hear* gets what was said.

    ``hear`` is called on the loop with all messages that had come. A socket nobody answers at any
    more, as that of a killed process, is removed by who finds it. The loops hold it weakly: it
    closes when nobody else has it any more.
    """

    def __init__(self, folder: Path, hear: Hear) -> None:
        self._path = private_folder(folder)
        self._hear = hear
        self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._ears: weakref.WeakKeyDictionary[AbstractEventLoop, _Ear] = weakref.WeakKeyDictionary()
        try:
            self._mouth = _socket()
        except BaseException:
            os.close(self._fd)
            raise
        self.close = weakref.finalize(self, _let_go, self._ears, self._mouth, self._fd)
        """Hear and say nothing more; on a loop that runs it takes effect at its next turn."""
        self.close.atexit = False

    def attend(self, loop: AbstractEventLoop) -> None:
        """Hear on *loop*, the running one, from now on; once is enough.

        Raises:
            OSError: the folder takes no socket.
        """
        if loop in self._ears:
            return
        name = secrets.token_hex(8)
        ear = _Ear(_socket(), self._path / name)
        try:
            ear.socket.bind(self._address(name))
            os.chmod(ear.path, 0o600)
        except BaseException:
            ear.close()
            raise
        self._ears[loop] = ear
        weakref.finalize(loop, ear.close).atexit = True
        loop.add_reader(ear.socket, _drain, weakref.ref(self), ear.socket)

    def ring(self, message: bytes) -> None:
        """Say *message* to all, this process included; never raises, never waits. Any thread."""
        try:
            names = os.listdir(self._path)
        except OSError:
            return
        for name in names:
            try:
                self._mouth.sendto(message, self._address(name))
            except ConnectionRefusedError:
                (self._path / name).unlink(missing_ok=True)
            except OSError:  # full, or gone: who cannot hear will read
                pass

    def abandon(self) -> None:
        """In a forked child: the sockets are the parent's; its loop must not be touched."""
        self.close.detach()
        for ear in self._ears.values():
            ear.socket.close()
            ear.is_open = False
        self._ears.clear()
        self._mouth.close()
        os.close(self._fd)

    def _address(self, name: str) -> str:
        path = str(self._path / name)
        is_short = len(os.fsencode(path)) <= _LONGEST_PATH
        return path if is_short else f"/proc/self/fd/{self._fd}/{name}"

    def hear(self, messages: Sequence[bytes]) -> None:
        """Pass on what was said."""
        self._hear(messages)


class _Ear:
    def __init__(self, ear: socket.socket, path: Path) -> None:
        self.socket = ear
        self.path = path
        self.is_open = True
        self._owner = os.getpid()

    def close(self) -> None:
        if self.is_open and self._owner == os.getpid():
            self.is_open = False
            self.path.unlink(missing_ok=True)
            self.socket.close()


def _drain(reference: weakref.ref[Bell], ear: socket.socket) -> None:
    heard: list[bytes] = []
    try:
        while len(heard) < _MOST_AT_ONCE:
            heard.append(ear.recv(MOST_BYTES))
    except OSError:  # nothing more
        pass
    bell = reference()
    if heard and bell is not None:
        bell.hear(heard)


def _let_go(
    ears: weakref.WeakKeyDictionary[AbstractEventLoop, _Ear], mouth: socket.socket, fd: int
) -> None:
    for loop, ear in list(ears.items()):
        _leave(loop, ear)
    ears.clear()
    mouth.close()
    os.close(fd)


def _leave(loop: AbstractEventLoop, ear: _Ear) -> None:
    def leave() -> None:
        loop.remove_reader(ear.socket)
        ear.close()

    if loop.is_closed():
        ear.close()
    elif loop is _running():
        leave()
    else:
        try:
            loop.call_soon_threadsafe(leave)
        except RuntimeError:  # closed this moment
            ear.close()


def _running() -> AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made
