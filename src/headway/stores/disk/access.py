"""Every way to the file: at once on the loop, on a thread, or through the writer."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from ... import clock, events
from ...scope import current
from ..private_folder import private_folder
from .database import Bounds, Database, begin, is_broken, is_busy, open_database
from .look_up import Lost
from .pace import Pace
from .schema import PAGE_BYTES, Damaged
from .transaction import Transaction
from .writer import AnyWrite, Write, Writer

log = logging.getLogger("headway.stores")

T = TypeVar("T")

READERS: Final = 4
LOOK_EVERY_S: Final = 0.05
_TRIES: Final = 4  # each after the file was found closed, moved aside, or broken
_UNREADABLE: Final = (sqlite3.Error, Damaged, Lost, UnicodeDecodeError)


class NotNow(Exception):
    """The loop would have to wait; a thread can."""


class Access:
    """The present file of *folder*, opened when first needed and begun anew when it is broken.

    *born* gives the number from which a new file counts. ``errors`` counts what went wrong by
    name, ``ended`` what was evicted or had expired, ``seen`` collects the names that were read.
    """

    def __init__(self, folder: Path, limits: Bounds, born: Callable[[], int]) -> None:
        self.folder = folder
        self.limits = limits
        self._born = born
        self.start()

    def start(self) -> None:
        """With nothing open, as at first."""
        self.pace = Pace()
        self.errors: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.seen: set[str] = set()
        self._database: Database | None = None
        self._opening = threading.Lock()
        # Of its own: opening may wait for another process, and an event loop asks for a thread.
        self._engaging = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._writer = Writer(self._commit, self.limits.value_bytes)
        self._swept = 0
        self._looked_at = -LOOK_EVERY_S

    def at_once(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What *read* gives, on this thread and without waiting.

        Raises:
            NotNow: it might take time, or the file needs care; ask a thread.
        """
        database = self._database
        if not self.pace.is_quick or database is None:
            raise NotNow
        if not database.quick_lock.acquire(blocking=False):
            raise NotNow
        began = clock.monotonic()
        try:
            if not (database.is_latest() and self._is_there(database, began)):
                raise NotNow
            return read(database.quick)
        except _UNREADABLE:
            raise NotNow from None
        finally:
            database.quick_lock.release()
            self.pace.read_on_loop(clock.monotonic() - began)

    def _is_there(self, database: Database, now: float) -> bool:
        """Look now and then whether somebody has removed the folder."""
        if 0 <= now - self._looked_at < LOOK_EVERY_S:
            return True
        self._looked_at = now
        return database.is_current()

    def on_thread(self, read: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """What *read* gives, once a thread has had time for it."""
        with self._engaging:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(READERS, "headway disk reader")
            return self._threads.submit(self.patiently, read)

    def patiently(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What *read* gives, on this thread, however long it takes.

        Raises:
            TimeoutError: other processes kept the file for too long.
            sqlite3.Error, OSError: it cannot be read, and beginning anew would not help.
        """
        for _ in range(_TRIES):
            database = self.current()
            try:
                with database.patient() as connection:
                    began = clock.monotonic()
                    outcome = read(connection)
                    self.pace.read_on_thread(clock.monotonic() - began)
            except sqlite3.ProgrammingError:  # closed meanwhile
                continue
            except _UNREADABLE as error:
                self._mend_or_raise(database, error)
                continue
            if database.is_current():
                return outcome
        raise Damaged(f"{self.folder}: the file breaks again and again")

    def write(self, write: Write[T]) -> Future[T]:
        """Its outcome, once it is committed."""
        return self._writer.submit(write)

    def current(self) -> Database:
        """The file as it is in the folder now, opened."""
        database = self._database
        if database is not None and database.is_current():
            return database
        with self._opening:
            if self._database is not database and self._database is not None:
                return self._database
            private_folder(self.folder)
            try:
                self._database = open_database(self.folder, self.limits, self._born)
            except Exception as error:
                self.errors[type(error).__name__] += 1
                raise
            opened = self._database
        if database is not None:
            database.close()
        return opened

    def close(self) -> None:
        """Write what waits, then let go of everything; the next use opens it again."""
        self._writer.drain()
        with self._engaging:
            threads, self._threads = self._threads, None
        with self._opening:
            database, self._database = self._database, None
        if threads is not None:
            threads.shutdown()
        if database is not None:
            database.close()

    def abandon(self) -> None:
        """In a forked child: touch nothing of the parent's, and start as at first."""
        if self._database is not None:
            self._database.abandon()
        self.start()

    def _mend_or_raise(self, database: Database, error: Exception) -> None:
        if is_busy(error):
            self.errors["busy"] += 1
            raise TimeoutError(f"{database.path}: other processes did not let go") from error
        if not (is_broken(error) or isinstance(error, Lost)):
            self.errors[type(error).__name__] += 1
            raise error
        self._mend(database, error)

    def _mend(self, database: Database, error: Exception) -> None:
        """Move the broken file aside and begin another."""
        with self._opening:
            if self._database is not database:
                return
            self.errors[f"broken: {type(error).__name__}"] += 1
            log.warning("%s cannot be read (%s): moved aside, begun anew", database.path, error)
            begin(self.folder, database.path, self._born())
            self._database = None
        database.close()
        if events.listeners:
            events.emit(
                events.StoreFailed(
                    at=clock.now(),
                    run=current.get().run,
                    store="disk",
                    error=f"begun anew: {type(error).__name__}",
                )
            )

    def _commit(self, batch: Sequence[AnyWrite]) -> None:
        is_bare = False
        for _ in range(_TRIES):
            database = self.current()
            try:
                outcomes = self._transact(database, batch, is_bare)
            except sqlite3.ProgrammingError:
                if not database.is_closed:
                    raise
                continue
            except Exception as error:
                if not (is_bare or is_busy(error) or is_broken(error)):
                    is_bare = True  # perhaps what is done in passing found no room
                    continue
                if self._must_retry(database, error, batch):
                    continue
                return
            if database.is_current():
                _settle(batch, outcomes)
                return
        raise Damaged(f"{self.folder}: the file breaks again and again")

    def _must_retry(self, database: Database, error: Exception, batch: Sequence[AnyWrite]) -> bool:
        """Mend what can be mended; else each write of a failed batch stands for itself."""
        if len(batch) > 1 and not is_busy(error) and not is_broken(error):
            for write in batch:
                try:
                    self._commit([write])
                except Exception as own:
                    write.future.set_exception(own)
            return False
        self._mend_or_raise(database, error)
        return True

    def _transact(
        self, database: Database, batch: Sequence[AnyWrite], is_bare: bool = False
    ) -> list[Any]:
        """The outcomes of *batch*; unless *is_bare* some housekeeping is done in passing."""
        with database.writing_lock:
            connection = database.writing
            try:
                work = Transaction(connection, self.limits, clock.now())
                if not is_bare:
                    seen, self.seen = self.seen, set()
                    work.mark_seen(seen)
                outcomes = [write.apply(work) for write in batch]
                if not is_bare:
                    self._swept = work.sweep(self._swept)
                work.end()
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
            self.ended.update(work.ended)
            self._keep_log_short(database)
        return outcomes

    def _keep_log_short(self, database: Database) -> None:
        """SQLite begins the log anew only when nobody reads; a long one is asked for patience."""
        try:
            size_bytes = database.path.with_name(f"{database.path.name}-wal").stat().st_size
            if size_bytes > 2 * self.limits.log_pages * PAGE_BYTES:
                database.writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (OSError, sqlite3.Error) as error:  # the writes are safe in the log
            self.errors[f"log: {type(error).__name__}"] += 1


def _settle(batch: Sequence[AnyWrite], outcomes: Sequence[Any]) -> None:
    for write, outcome in zip(batch, outcomes, strict=True):
        if write.announce is not None:
            try:
                write.announce(outcome)
            except Exception:
                log.exception("news of a write could not be told")
        write.future.set_result(outcome)


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:  # it was rolled back by what went wrong
        pass
