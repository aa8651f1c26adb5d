"""DiskStore: entries that outlive the process, shared by all processes of one machine."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from logging import DEBUG
from typing import Final, TypeVar

from ... import clock, settings
from ...errors import BadSetup, Unstorable
from ...keys import digest
from ..codec import Codec
from ..entry import NO_MARK, Entry, Key, StoreStatistics
from ..ledger import Ledger
from ..memory import digest_of_repr
from ..private_folder import private_folder
from ..shared import Ending, Lease
from ..size import parse_bytes
from . import leases
from .access import Access, NotNow
from .bound import keep_bound
from .database import bounds
from .leases import Holder, Waiters
from .look_up import Found, LookUp, Outcome
from .news import News
from .schema import Books
from .transaction import Row, Transaction
from .writer import AnyWrite, Write

log = logging.getLogger("headway.stores")

T = TypeVar("T")

LEAST_BYTES: Final = 512 * 1024
_PAGE: Final = 100  # entries of one read, or one write, when all are gone through
_FEW: Final = 32  # look-ups that may hold up the loop together
_UNFLUSHED: Final = 512


class DiskStore:
    """Entries, invalidations and leases in a SQLite file in a private folder.

    Any number of processes and threads may use the folder at once. Every look-up also hears of all
    invalidations acknowledged before it. Reads are made on the event loop while they take
    microseconds, on a thread when the disk is slow. Writes are made by one thread, several in one
    transaction; ``set`` returns once its entry is committed: a killed process loses nothing of it.
    A machine that loses power may lose the last moments, entries and invalidations alike
    (``synchronous=NORMAL``), but not the file.

    A file that cannot be read is moved aside as ``broken.db`` and begun anew; a damaged entry is a
    miss. The same goes for an entry more than 5 s from the future: it was made before the clock was
    set back. When it is full, who was not read since the last round leaves, in order of arrival.

    Args:
        folder: made if it is not there; by default ``cache`` in the folder of the settings.
        max_bytes: for the file and the log beside it, 512 KiB at least. A value above an eighth
            of it is refused. A file moved aside is not counted; there is one at most. Noted in
            the folder, for commands that open it; programs that share one should say the same.
        codec: how entries are written down; with a secret, what others wrote is not read.
        name_key: how a key appears in the log lines of ``headway.stores`` at DEBUG.

    Raises:
        BadSetup: the folder is a file, a link, another user's or open to others, or *max_bytes* is
            too small. What goes wrong later raises from the methods: OSError, TimeoutError or
            sqlite3.Error, as when the disk is full.
    """

    name = "disk"
    is_local = False
    is_shared = True
    takes_private = False

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int | str = "256MB",
        codec: Codec | None = None,
        name_key: Callable[[Key], str] = digest_of_repr,
    ) -> None:
        self.max_bytes = parse_bytes(max_bytes)
        if self.max_bytes < LEAST_BYTES:
            raise BadSetup(
                f"DiskStore(max_bytes={max_bytes!r}): the tables alone need room;"
                f' use "512KiB" or more'
            )
        if folder is None:
            folder = os.path.join(settings.current().folder, "cache")
        self.folder = private_folder(folder)
        keep_bound(self.folder, self.max_bytes)
        self.name_key = name_key
        self.ledger = Ledger()
        self._codec = Codec() if codec is None else codec
        self._look_up = LookUp(self._codec, self.ledger)
        self._access = Access(self.folder, bounds(self.max_bytes), self._birth)
        self._waiters = Waiters()
        self._news = self._make_news()
        self._counts = dict.fromkeys(("hits", "misses", "expired", "refused", "void"), 0)
        self._last_seen = (0, 0)
        _stores.add(self)

    def __repr__(self) -> str:
        return f"DiskStore({str(self.folder)!r})"

    def peek(self, key: Key) -> Entry | None:
        """The entry under *key* if it can be read this moment, in some microseconds."""
        name = digest(key)
        try:
            found = self._access.at_once(partial(self._look_up.find, name=name))
        except NotNow:
            return None
        return self._hit(key, name, found) if found.entry is not None else None

    async def get(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, or None."""
        name = digest(key)
        self._attend()
        found = await self._find(name)
        if found.entry is not None:
            return self._hit(key, name, found)
        await self._missed(key, name, found)
        return None

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        """The entries under *keys*, in their order."""
        self._attend()
        names = [digest(key) for key in keys]

        def find(connection: sqlite3.Connection) -> list[Found]:
            return [self._look_up.find(connection, name) for name in names]

        try:
            is_few = len(names) <= _FEW
            found = await (self._read(find) if is_few else self._read_on_thread(find))
        except TimeoutError:
            found = [Found(Outcome.MISSING)] * len(names)
        missed = [one for one in zip(keys, names, found) if one[2].entry is None]
        await asyncio.gather(*[self._missed(*one) for one in missed])
        return [
            None if one.entry is None else self._hit(key, name, one)
            for key, name, one in zip(keys, names, found)
        ]

    async def _find(self, name: str) -> Found:
        try:
            return await self._read(partial(self._look_up.find, name=name))
        except TimeoutError:  # a busy file has nothing for us; it is counted there
            return Found(Outcome.MISSING)

    def _hit(self, key: Key, name: str, found: Found) -> Entry | None:
        self._counts["hits"] += 1
        if found.is_news:
            seen = self._access.seen
            seen.add(name)
            if len(seen) == _UNFLUSHED:
                self._access.write(Write(lambda work: None))
        self._note("hit", key)
        return found.entry

    async def _missed(self, key: Key, name: str, found: Found) -> None:
        self._counts["misses"] += 1
        if found.outcome in (Outcome.EXPIRED, Outcome.VOID):
            self._counts[found.outcome.name.lower()] += 1
        elif found.outcome in (Outcome.DAMAGED, Outcome.AHEAD):
            self._access.errors[found.outcome.name.lower()] += 1
        self._note(found.outcome.name.lower(), key)
        if found.dead is not None:
            dead = found.dead
            try:
                await self._write(Write(lambda work: work.delete(name, dead)))
            except (sqlite3.Error, OSError):  # counted; it stays dead
                pass

    async def set(self, key: Key, entry: Entry) -> None:
        """Keep *entry* under *key*, unless it became void since ``entry.mark``."""
        await self.set_many({key: entry})

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Keep each entry under its key, as ``set`` does; all in one transaction or few."""
        self._attend()
        await self._meet()
        writes: list[AnyWrite] = []
        for key, entry in entries.items():
            name = digest(key)
            row, outcome = self._row(name, entry)
            self._note(outcome, key)
            if row is not None:
                writes.append(self._keep(row))
            else:
                self._counts[outcome] += 1
                if outcome != "void":
                    writes.append(Write(partial(_delete, name=name)))
        await self._write_all(writes)

    def _row(self, name: str, entry: Entry, mark: int | None = None) -> tuple[Row | None, str]:
        """What to write of *entry*, if anything, and what becomes of it."""
        if mark is None:
            mark = entry.mark or self._look_up.first or 0
        if entry.is_private:
            return None, "refused"
        if clock.now() >= entry.stale_until:
            return None, "expired"
        try:
            body = self._codec.encode(name, entry.with_mark(mark))
        except Unstorable as why:
            log.debug("%s: %s", name, why)
            return None, "refused"
        if len(body) > self._access.limits.value_bytes:
            return None, "refused"
        return Row(name, body, entry.made_at, entry.stale_until, mark, entry.tags), "kept"

    def _keep(self, row: Row) -> Write[bool]:
        def keep(work: Transaction) -> bool:
            return work.keep(row)

        def count(is_kept: bool) -> None:
            self._counts["void"] += not is_kept

        return Write(keep, len(row.body), count)

    async def delete(self, key: Key) -> None:
        """Forget *key*; harmless if it is not there."""
        self._attend()
        await self._write(Write(partial(_delete, name=digest(key))))

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every entry void that carries one of *tags*, in every process.

        A tag made by ``tag_of_key`` is borne by the entry under that key alone.
        """
        if isinstance(tags, str):
            raise BadSetup(f"invalidate({tags!r}): tags come in a collection, as [{tags!r}]")
        if tags := tuple(dict.fromkeys(tags)):  # none would mean everything
            await self._invalidate(tags)

    async def clear(self) -> None:
        """Make every entry void, in every process, and drop them."""
        await self._invalidate(())

    async def _invalidate(self, tags: tuple[str, ...]) -> None:
        def invalidate(work: Transaction) -> Books:
            return work.invalidate(tags)

        def announce(books: Books) -> None:
            self._news.invalidated(books, tags)

        self._attend()
        await self._meet()
        await self._write(Write(invalidate, announce=announce))

    def mark(self) -> int:
        """The count of invalidations heard of; taken before work begins, given to its entry.

        The first call opens the file. ``NO_MARK`` as long as it cannot be opened.
        """
        if self.ledger.state is None:
            try:
                self._access.patiently(self._look_up.state)
            except (sqlite3.Error, OSError, BadSetup):  # counted there
                pass
        return NO_MARK if self.ledger.state is None else self.ledger.count

    def statistics(self) -> StoreStatistics:
        """What is held, the dead that were not yet found among it, and what happened here."""
        try:
            self._last_seen = self._access.at_once(_totals)
        except NotNow:  # as it was
            pass
        entries, size_bytes = self._last_seen
        return StoreStatistics(
            entries=entries,
            size_bytes=size_bytes,
            hits=self._counts["hits"],
            misses=self._counts["misses"],
            evicted=self._access.ended["evicted"],
            expired=self._counts["expired"] + self._access.ended["expired"],
            refused=self._counts["refused"],
            void=self._counts["void"],
            errors=dict(self._access.errors),
        )

    async def catch_up(self) -> None:
        """Hear of every invalidation that was acknowledged before this call, or raise."""
        self._attend()
        await self._read(self._look_up.state)

    async def probe(self) -> None:
        """Return if the file can be read and written."""
        await self._write(Write(lambda work: None))

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        """The right to do the work on *key*, or None while somebody else has it."""
        self._attend()
        name, token = digest(key), secrets.token_hex(8)
        if await self._holder(name) is not None:
            return None

        def take(work: Transaction) -> bool:
            return leases.take(work.connection, name, token, seconds, clock.monotonic())

        return Lease(key, token, seconds) if await self._write(Write(take)) else None

    async def renew(self, lease: Lease) -> bool:
        """Hold *lease* for its seconds from now; False if it ran out and is another's, or free."""
        name = digest(lease.key)

        def prolong(work: Transaction) -> bool:
            now = clock.monotonic()
            return leases.prolong(work.connection, name, lease.token, lease.seconds, now)

        return await self._write(Write(prolong))

    async def release(self, lease: Lease, *, kept: bool) -> None:
        """Give *lease* back and wake who waits, told whether an answer was kept."""
        name = digest(lease.key)

        def give_back(work: Transaction) -> bool:
            return leases.give_back(work.connection, name, lease.token)

        def announce(was_held: bool) -> None:
            if was_held:
                self._news.released(name, lease.token, kept)

        await self._write(Write(give_back, announce=announce))

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        """Return when the lease on *key* is given back or has run out ("over" at once if free).

        Woken by a datagram; who missed it looks when the lease's time is over.
        """
        self._attend()
        name = digest(key)
        waiter = self._waiters.add(name)
        try:
            return await waiter.ending(partial(self._holder, name), at_most_s)
        finally:
            self._waiters.remove(name, waiter)

    async def _holder(self, name: str) -> Holder | None:
        return await self._read(lambda rows: leases.holder(rows, name, clock.monotonic()))

    async def scan(self) -> AsyncIterator[tuple[str, bytes]]:
        """Every entry as written, by name; for showing and exporting."""
        after = 0
        while True:
            rows = await self._read_on_thread(partial(_page, after=after))
            for row, name, body in rows:
                yield name, body
                after = row
            if len(rows) < _PAGE:
                return

    async def load(self, pairs: Iterable[tuple[str, bytes]]) -> int:
        """Keep entries that ``scan`` gave, as good from now on; how many could be read and kept."""
        await self._meet()
        mark, left, kept = self.ledger.count, iter(pairs), 0
        while some := list(islice(left, _PAGE)):
            read = [(name, self._codec.decode(name, written)) for name, written in some]
            rows = [self._row(name, entry, mark)[0] for name, entry in read if entry is not None]
            good = [row for row in rows if row is not None]
            await self._write_all([self._keep(row) for row in good])
            kept += len(good)
        return kept

    async def aclose(self) -> None:
        """Write what waits and let go of files, sockets and threads; the next use opens them."""
        news, self._news = self._news, self._make_news()
        await asyncio.to_thread(self._access.close)
        news.close()

    async def _meet(self) -> None:
        """Marks mean something only once the store's count is known."""
        if self.ledger.state is None:
            await self._read(self._look_up.state)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._access.at_once(read)
        except NotNow:
            return await self._read_on_thread(read)

    async def _read_on_thread(self, read: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.wrap_future(self._access.on_thread(read))

    async def _write(self, write: Write[T]) -> T:
        return await asyncio.wrap_future(self._access.write(write))

    async def _write_all(self, writes: Sequence[AnyWrite]) -> None:
        futures = [asyncio.wrap_future(self._access.write(write)) for write in writes]
        if len(futures) == 1:
            await futures[0]
        elif futures:
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    def _attend(self) -> None:
        self._news.attend(asyncio.get_running_loop())

    def _look(self) -> None:
        """Hear what is in the tables: messages are lost when many come at once."""
        try:
            self._access.at_once(self._look_up.state)
        except NotNow:
            self._access.on_thread(self._look_up.state)

    def _make_news(self) -> News:
        return News(self.folder, self.ledger, self._waiters, self._access.errors, self._look)

    def _birth(self) -> int:
        """Where a new file begins to count: above every number that an older one gave out."""
        return max(int(clock.now() * 1e6), self.ledger.count + 1)

    def _note(self, outcome: str, key: Key) -> None:
        if log.isEnabledFor(DEBUG):
            try:
                name = self.name_key(key)
            except Exception:  # a log line must not make a look-up fail
                name = "(unnamed)"
            log.debug("%s %s %s", name, self.name, outcome)

    def _after_fork(self) -> None:
        """In the child: what the parent has open is not to be touched."""
        self._news.abandon()
        self._access.abandon()
        self._look_up = self._look_up.again()
        self._waiters = Waiters()
        self._news = self._make_news()


def _delete(work: Transaction, name: str) -> None:
    work.delete(name)


def _totals(connection: sqlite3.Connection) -> tuple[int, int]:
    row = connection.execute("SELECT entries, size_bytes FROM state WHERE id = 1").fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _page(connection: sqlite3.Connection, after: int) -> list[tuple[int, str, bytes]]:
    return connection.execute(
        "SELECT id, name, body FROM entries WHERE id > ? ORDER BY id LIMIT ?", (after, _PAGE)
    ).fetchall()


_stores: weakref.WeakSet[DiskStore] = weakref.WeakSet()


def _repair_after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


os.register_at_fork(after_in_child=_repair_after_fork)
