"""The file of one run: append-only JSON lines that never harm the run they record."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..events import Event

log = logging.getLogger("headway.runs")

FORMAT = 1
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_encoder = msgspec.json.Encoder()


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line of a run file: what was recorded, by which process, in which format."""

    headway_run: int
    run: str
    name: str
    started_at: float
    pid: int
    overheard: bool = False
    """These are calls of others that passed by; who made them may have recorded them too."""


class Journal:
    """Appends events to one open file; counts in ``lost`` what it cannot keep, and warns once.

    After the first failure nothing more is written: a file with a hole in it would read like a
    whole one. A killed process leaves whole lines and at most one torn one at the end. There is
    no fsync: a machine that loses power may lose the last seconds.
    """

    def __init__(self, fd: int | None, path: Path | None) -> None:
        self.path = path
        self.failure: str | None = None
        self._fd = fd
        self._offered = self._kept = 0
        self._is_given_up = False

    @property
    def lost(self) -> int:
        """Events that are not in the file and never will be."""
        return self._offered - self._kept

    def write(self, events: Sequence[Event]) -> None:
        """Append *events*, one line each; never raises."""
        if self._is_given_up:
            return
        self._offered += len(events)
        data = self._encoded(events)
        self._kept += data.count(b"\n", 0, self._append(data))
        if self._fd is not None and not self._is_in_place():
            self._kept = 0
            self.fail("the file has been removed or replaced")

    def write_header(self, header: Header) -> None:
        """Append the first line; never raises."""
        try:
            self._append(_encoder.encode(header) + b"\n")
        except UnicodeEncodeError as error:
            self.fail(f"the header cannot be written down: {type(error).__name__}")

    def _encoded(self, events: Sequence[Event]) -> bytes:
        try:
            return _encoder.encode_lines(events)
        except Exception:  # one of them cannot be written down; the others can
            return b"".join(map(self._line, events))

    def _line(self, event: Event) -> bytes:
        try:
            return _encoder.encode(event) + b"\n"
        except Exception as error:
            self._warn(f"a {type(event).__name__} cannot be written down: {type(error).__name__}")
            return b""

    def _append(self, data: bytes) -> int:
        """The number of bytes of *data* that are in the file now."""
        written = 0
        try:
            while self._fd is not None and written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self.fail(error.strerror or str(error))
        return written

    def _is_in_place(self) -> bool:
        """Whether a reader will find at the path what is being written here."""
        assert self._fd is not None
        assert self.path is not None
        try:
            found = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))

    def fail(self, why: str) -> None:
        """Stop writing for good."""
        self._warn(why)
        self.close()

    def give_up(self, lost: int) -> None:
        """Count *lost* events as lost, because a write does not come to its end; write no more."""
        self._is_given_up = True
        self._offered += lost
        self._warn("the disk does not answer")

    def _warn(self, why: str) -> None:
        if self.failure is None:
            self.failure = why
            log.warning("the record of this run is incomplete: %s: %s", self.path or "no file", why)

    def close(self) -> None:
        """Let go of the file; in a forked child too, for the parent keeps a handle of its own."""
        fd, self._fd = self._fd, None
        if fd is not None:
            try:
                os.close(fd)
            except OSError as error:
                self._warn(error.strerror or str(error))


def open_journal(folder: Path, stem: str, header: Header) -> Journal:
    """A new file ``runs/<stem>.jsonl`` in *folder*; if there can be none, it only counts."""
    folder = Path(os.path.abspath(folder))  # the program may go elsewhere
    try:
        fd, path = _new_file(folder, stem)
    except OSError as error:
        journal = Journal(None, None)
        journal.fail(f"{folder} cannot be used: {error.strerror or error}")
        return journal
    journal = Journal(fd, path)
    journal.write_header(header)
    return journal


def _new_file(folder: Path, stem: str) -> tuple[int, Path]:
    """A file that was not there before, its owner's alone, reached through no symbolic link."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    top = _folder(str(folder), None)
    try:
        runs = _folder("runs", top)
    finally:
        os.close(top)
    try:
        return _first_free(runs, folder / "runs", stem)
    finally:
        os.close(runs)


def _first_free(runs: int, folder: Path, stem: str) -> tuple[int, Path]:
    for number in range(1, 100):
        name = f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl"
        try:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=runs)
        except FileExistsError:
            continue
        os.fchmod(fd, 0o600)  # whatever the umask says
        return fd, folder / name
    raise FileExistsError(None, f"{stem}.jsonl and its successors exist already")


def _folder(name: str, inside: int | None) -> int:
    """A handle on the folder, made if absent; one that was there keeps its mode."""
    try:
        os.mkdir(name, 0o700, dir_fd=inside)
        is_new = True
    except FileExistsError:
        is_new = False
    fd = os.open(name, _FOLDER, dir_fd=inside)
    if is_new:
        os.fchmod(fd, 0o700)
    return fd
