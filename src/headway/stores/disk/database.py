"""The SQLite file in the folder: which one it is, how it is opened, and how it is given up."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import sqlite3
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ...errors import BadSetup
from .schema import APPLICATION, FORMAT, PAGE_BYTES, SCHEMA, Books, Damaged, seal

BUSY_S: Final = 5.0
OPENING_S: Final = 0.5
"""How long a connection off the event loop waits for another process to end its write."""
_LOOK_AGAIN_S: Final = 0.005

COUNT: Final = "begun"
"""One byte in it for each file begun; locked by who begins one."""

_ENTRIES: Final = re.compile(r"entries-(\d{1,12})\.db")
_BROKEN: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_MISMATCH,
    }
)
_GONE: Final = ("no such table", "no such column", "has no column", "columns but")
_BROKEN_READS: Final = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_DATA})
_COUNT: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_TAILS: Final = ("", "-wal", "-shm")


def is_broken(error: Exception) -> bool:
    """True if the file holds what no working SQLite has written there."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # SQLite's text that is no text has no code of its own.
        return isinstance(error, (Damaged, UnicodeDecodeError)) or "UTF-8" in str(error)
    if code == sqlite3.SQLITE_ERROR:  # what was there is gone; or the question was no good
        return any(words in str(error) for words in _GONE)
    return code & 0xFF in _BROKEN or code in _BROKEN_READS


def is_busy(error: Exception) -> bool:
    """True if another process was in the way; later it will work."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Bounds(NamedTuple):
    """How the bytes of a store are shared out.

    The file has at most ``most_pages``; entries leave when ``pages`` are used, so that there is
    always room for an invalidation. Beside it there is SQLite's log.
    """

    most_pages: int
    pages: int
    log_pages: int
    value_bytes: int
    tags: int
    replay_bytes: int


def bounds(max_bytes: int) -> Bounds:
    """Three quarters for the file; the log beside it outgrows its eighth by one batch at most."""
    eighth = max_bytes // 8
    pages = 6 * eighth // PAGE_BYTES
    return Bounds(
        most_pages=pages,
        pages=pages - max(12, pages // 32),
        log_pages=max(8, min(eighth // PAGE_BYTES, 1_000)),
        value_bytes=eighth,
        tags=min(100_000, eighth // 200),
        replay_bytes=eighth // 4,
    )


class Database:
    """Connections to one file: one for quick reads, some for reads on threads, one for writing.

    The file is never mapped into memory: a mapped file that somebody truncates ends the process.
    """

    def __init__(self, path: Path, limits: Bounds) -> None:
        self.path = path
        self.limits = limits
        self.quick_lock = threading.Lock()
        self.writing_lock = threading.Lock()
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._lent: list[sqlite3.Connection] = []
        self.is_closed = False
        self._count = os.open(path.with_name(COUNT), _COUNT, 0o600)
        self._close_count = weakref.finalize(self, os.close, self._count)
        self._close_count.atexit = False
        try:
            self._begun = os.lseek(self._count, 0, os.SEEK_END)
            found = os.stat(path)
            self._identity = found.st_dev, found.st_ino
            self.quick = self._connect(0.0)
            self.writing = self._connect(BUSY_S)
        except BaseException:
            self.close()
            raise

    def is_latest(self) -> bool:
        """True if no other file was begun since; the folder may be gone. A quarter microsecond.

        To be asked under ``quick_lock``.
        """
        return self._count >= 0 and os.lseek(self._count, 0, os.SEEK_END) == self._begun

    def is_current(self) -> bool:
        """True as long as the file is the one in the folder."""
        try:
            is_latest = os.fstat(self._count).st_size == self._begun
            found = os.stat(self.path)
        except OSError:
            return False
        return is_latest and (found.st_dev, found.st_ino) == self._identity

    @contextmanager
    def patient(self) -> Iterator[sqlite3.Connection]:
        """A connection for reads on a thread, which waits for others if it must."""
        connection = self._lend()
        try:
            yield connection
        finally:
            with self._lock:
                self._lent.remove(connection)
                if not self.is_closed:
                    self._idle.append(connection)
            if self.is_closed:
                _close(connection)

    def close(self) -> None:
        """Close every connection; those in use on a thread are closed when given back."""
        with self.writing_lock, self.quick_lock:
            with self._lock:
                self.is_closed = True
                rest = [one for one in self._all if one not in self._lent]
                self._idle, self._all = [], []
            for connection in rest:
                _close(connection)
            self._forget_count()

    def _forget_count(self) -> None:
        self._count = -1
        self._close_count()

    def _lend(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                self._lent.append(self._idle[-1])
                return self._idle.pop()
        connection = self._connect(BUSY_S)
        with self._lock:
            self._lent.append(connection)
        return connection

    def abandon(self) -> None:
        """In a forked child: SQLite's handles must not be used here, nor ever be closed."""
        import ctypes

        for connection in self._all:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._forget_count()

    def _connect(self, busy_s: float) -> sqlite3.Connection:
        # Another process may be making the file ready at this moment, whoever opens it.
        connection = connect(self.path, max(busy_s, OPENING_S))
        try:
            if pragma(connection, "application_id") != APPLICATION:
                raise Damaged(f"{self.path} is not a cache of Headway")
            if pragma(connection, "user_version") != FORMAT:
                raise Damaged(f"{self.path} is of another format")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {self.limits.log_pages}")
            connection.execute(f"PRAGMA journal_size_limit = {self.limits.log_pages * PAGE_BYTES}")
            connection.execute(f"PRAGMA max_page_count = {self.limits.most_pages}")
            connection.execute("SELECT sealed FROM state").fetchall()
            connection.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._all.append(connection)
        return connection


def _close(connection: sqlite3.Connection) -> None:
    try:
        connection.close()
    except sqlite3.Error:  # what it has committed is in the log
        pass


def connect(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection whose transactions are begun by hand, for any thread."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The number that PRAGMA *name* has."""
    row = connection.execute(f"PRAGMA {name}").fetchone()
    return int(row[0])


def open_database(folder: Path, limits: Bounds, born: Callable[[], int]) -> Database:
    """The folder's present file, begun if there is none; what cannot be read is moved aside.

    Raises:
        BadSetup: the file is a link, or another user's, or open to others.
        TimeoutError: another process has begun to make one, and does not come to an end.
        sqlite3.Error, OSError: it cannot be opened or begun; the disk may be full.
    """
    for _ in range(3):
        path = _newest(folder) or begin(folder, None, born())
        try:
            refuse_unless_own(path)
            return Database(path, limits)
        except FileNotFoundError:  # moved aside by another process this moment
            continue
        except (sqlite3.Error, Damaged, UnicodeDecodeError) as error:
            if not is_broken(error):
                raise
            begin(folder, path, born())
    raise Damaged(f"{folder} cannot be used: its file breaks as soon as it is begun")


def begin(folder: Path, broken: Path | None, born: int) -> Path:
    """The file to go on with after *broken*, which is kept beside it as ``broken.db``.

    Another process may have begun it already. Its name is new, because who has the old one open
    would put its log beside a new file of the same name.
    """
    with _alone(folder) as count:
        newest = _newest(folder)
        if newest is not None and newest != broken:
            return newest
        number = 1 if newest is None else _number(newest.name) + 1
        path = folder / f"entries-{number}.db"
        _clean(folder)
        _write_new(folder, path, born)
        if newest is not None:
            for tail in _TAILS:
                _move(f"{newest}{tail}", f"{folder}/broken.db{tail}")
        os.write(count, b"+")
        return path


def refuse_unless_own(path: Path) -> None:
    """Raise unless *path* is a file of this user's alone.

    It is not opened for that: closing any handle on it would drop the locks that SQLite has.
    """
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        raise BadSetup(f"{path} is a link or no file; remove it, or name another folder")
    if found.st_uid != os.geteuid():
        raise BadSetup(f"{path} belongs to user {found.st_uid}; name another folder")
    if found.st_mode & 0o077:
        raise BadSetup(f"{path} is open to others; chmod 600 it if nobody else has used it")


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    fd = os.open(folder / COUNT, _COUNT, 0o600)
    try:
        _lock(fd, folder)
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int, folder: Path) -> None:
    """Wait for other processes, but not for ever: one may be frozen."""
    for _ in range(int(BUSY_S / _LOOK_AGAIN_S)):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(_LOOK_AGAIN_S)
        else:
            return
    raise TimeoutError(
        f"{folder / COUNT}: another process has held it for {BUSY_S:g} s; end that process"
    )


def _newest(folder: Path) -> Path | None:
    found = [name for name in os.listdir(folder) if _ENTRIES.fullmatch(name)]
    return folder / max(found, key=_number) if found else None


def _number(name: str) -> int:
    found = _ENTRIES.fullmatch(name)
    return int(found[1]) if found else 0


def _write_new(folder: Path, path: Path, born: int) -> None:
    draft = folder / f"draft-{secrets.token_hex(6)}.db"
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        connection = connect(draft, BUSY_S)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            books = Books(born, born, 0, 0)
            connection.execute("INSERT INTO state VALUES (1, ?, 0, 0, 0)", (seal(books),))
        finally:
            connection.close()
        os.rename(draft, path)
    finally:
        for tail in (*_TAILS, "-journal"):
            Path(f"{draft}{tail}").unlink(missing_ok=True)


def _clean(folder: Path) -> None:
    """Remove what a process that was killed while it wrote a draft has left."""
    for name in os.listdir(folder):
        if name.startswith("draft-"):
            (folder / name).unlink(missing_ok=True)


def _move(old: str, new: str) -> None:
    try:
        os.replace(old, new)
    except FileNotFoundError:
        Path(new).unlink(missing_ok=True)
