"""What is done to the tables inside one transaction, and how many bytes may be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from .database import Bounds, pragma
from .schema import PAGE_BYTES, Books, seal, unseal

LOG_LENGTH: Final = 10_000
TAGS_LAST_S: Final = 30 * 86_400.0

_EVERY: Final = 256  # invalidations between two looks for what may be forgotten
_MUCH: Final = 1_000  # bytes of tags at which to look at once
_MOST_REPLAYED: Final = 32_000  # bytes of tags; of more the others hear that there was something
_TAG_BYTES: Final = 100  # in two tables and an index, beside its text twice
_LOOKED_AT: Final = 16
_SWEPT: Final = 4
_ASKED: Final = 500  # tags in one question; SQLite has a bound


class Row(NamedTuple):
    """An entry to keep: its mark and tags decide whether it still may be."""

    name: str
    body: bytes
    made_at: float
    stale_until: float
    mark: int
    tags: tuple[str, ...]


class Transaction:
    """Begun for a batch of writes; ``end`` writes the totals, the caller commits.

    ``ended`` counts what left: "evicted" and "expired".
    """

    def __init__(self, connection: sqlite3.Connection, limits: Bounds, now: float) -> None:
        self.connection = connection
        self.now = now
        self.ended = {"evicted": 0, "expired": 0}
        self._limits = limits
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute(
            "SELECT sealed, entries, size_bytes, hand FROM state WHERE id = 1"
        ).fetchone()
        self.books = unseal(row and row[0])
        self._before = row
        self._entries, self._size_bytes, self._hand = row[1:]
        self._used_pages: int | None = None

    def end(self) -> None:
        """Write down the totals, if they have changed."""
        row = (seal(self.books), max(0, self._entries), max(0, self._size_bytes), self._hand)
        if row != self._before:
            self.connection.execute(
                "UPDATE state SET sealed = ?, entries = ?, size_bytes = ?, hand = ? WHERE id = 1",
                row,
            )

    def keep(self, row: Row) -> bool:
        """Keep *row* in place of what has its name; False if it became void since its mark."""
        if is_void(self.connection, self.books, row.name, row.mark, row.tags):
            return False
        self._make_room(len(row.body))
        size_bytes = len(row.name) + len(row.body)
        old = self._size_of(row.name)
        self.connection.execute(
            "INSERT INTO entries (name, seen, size_bytes, made_at, stale_until, body)"
            " VALUES (?, 0, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET seen = 1,"
            " size_bytes = excluded.size_bytes, made_at = excluded.made_at,"
            " stale_until = excluded.stale_until, body = excluded.body",
            (row.name, size_bytes, row.made_at, row.stale_until, row.body),
        )
        self._entries += old is None
        self._size_bytes += size_bytes - (old or 0)
        return True

    def delete(self, name: str, body: bytes | None = None) -> None:
        """Forget *name*; with *body*, only if it still has that one."""
        old = self._size_of(name)
        if old is None:
            return
        gone = self.connection.execute(
            "DELETE FROM entries WHERE name = ? AND (? IS NULL OR body = ?)", (name, body, body)
        ).rowcount
        self._count_out(gone, old)

    def mark_seen(self, names: Iterable[str]) -> None:
        """These were read, so they are passed over once when room is needed."""
        self.connection.executemany(
            "UPDATE entries SET seen = 1 WHERE name = ? AND seen = 0", [(n,) for n in names]
        )

    def invalidate(self, tags: tuple[str, ...]) -> Books:
        """Make void what bears one of *tags*; without any, everything, and drop it."""
        number = self.books.number + 1
        self.books = self.books._replace(number=number)
        written = msgspec.msgpack.encode(tags)
        self._make_room(3 * len(written) + _TAG_BYTES * len(tags))
        if tags:
            self.connection.executemany(
                "INSERT INTO tags VALUES (?, ?, ?)"
                " ON CONFLICT (tag) DO UPDATE SET number = excluded.number, at = excluded.at",
                [(tag, number, self.now) for tag in tags],
            )
        else:
            self.books = self.books._replace(cleared=number)
            self._drop_all()
        if len(written) <= min(_MOST_REPLAYED, self._limits.replay_bytes):
            self.connection.execute("INSERT INTO log VALUES (?, ?)", (number, written))
        if number % _EVERY == 0 or len(written) > _MUCH:
            self._forget()
        return self.books

    def sweep(self, after: int) -> int:
        """Drop those of the next few entries whose time is over; returns where to go on."""
        rows = self.connection.execute(
            "SELECT id, size_bytes, stale_until FROM entries WHERE id > ? ORDER BY id LIMIT ?",
            (after, _SWEPT),
        ).fetchall()
        for row, size_bytes, stale_until in rows:
            if stale_until <= self.now:
                self._drop(row, size_bytes, "expired")
        return rows[-1][0] if len(rows) == _SWEPT else 0

    def _drop_all(self) -> None:
        self.connection.execute("DELETE FROM entries")
        self.connection.execute("DELETE FROM tags")
        self._entries = self._size_bytes = self._hand = 0
        self._used_pages = None

    def _size_of(self, name: str) -> int | None:
        row = self.connection.execute(
            "SELECT size_bytes FROM entries WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else int(row[0])

    def _count_out(self, entries: int, size_bytes: int) -> None:
        if entries > 0:
            self._entries -= entries
            self._size_bytes -= size_bytes
            self._used_pages = None

    def _drop(self, row: int, size_bytes: int, why: str) -> None:
        self.connection.execute("DELETE FROM entries WHERE id = ?", (row,))
        self._count_out(1, size_bytes)
        self.ended[why] += 1

    def _make_room(self, size_bytes: int) -> None:
        """Evict until *size_bytes* more fit into the file, with what the tables need for them."""
        needed = size_bytes // (PAGE_BYTES - 4) + 4
        if self._used_pages is None:
            self._used_pages = self._used()
        while self._used_pages + needed > self._limits.pages:
            if not self._evict_some():
                break
            self._used_pages = self._used()
        self._used_pages += needed

    def _used(self) -> int:
        return pragma(self.connection, "page_count") - pragma(self.connection, "freelist_count")

    def _evict_some(self) -> bool:
        """Go on with the hand round the entries: who was read since it last came by may stay."""
        rows = self._at_hand()
        if not rows:
            self._hand = 0
            rows = self._at_hand()
        for row, seen, size_bytes, stale_until in rows:
            self._hand = row
            if stale_until <= self.now:
                self._drop(row, size_bytes, "expired")
            elif seen:
                self.connection.execute("UPDATE entries SET seen = 0 WHERE id = ?", (row,))
            else:
                self._drop(row, size_bytes, "evicted")
                break
        return bool(rows)

    def _at_hand(self) -> Sequence[tuple[int, int, int, float]]:
        return self.connection.execute(
            "SELECT id, seen, size_bytes, stale_until FROM entries WHERE id > ?"
            " ORDER BY id LIMIT ?",
            (self._hand, _LOOKED_AT),
        ).fetchall()

    def _forget(self) -> None:
        """Drop what is so old, or so much, that entries from before it are given up instead."""
        self.connection.execute(
            "DELETE FROM log WHERE number <= max(?, ifnull((SELECT number FROM (SELECT number,"
            " sum(length(tags) + 16) OVER (ORDER BY number DESC) AS total FROM log)"
            " WHERE total > ? ORDER BY number DESC LIMIT 1), 0))",
            (self.books.number - LOG_LENGTH, self._limits.replay_bytes),
        )
        forgotten = max(self._too_old(), self._too_many())
        if forgotten > self.books.forgotten:
            self.connection.execute("DELETE FROM tags WHERE number <= ?", (forgotten,))
            self.books = self.books._replace(forgotten=forgotten)
        self._used_pages = None

    def _too_old(self) -> int:
        since = self.now - TAGS_LAST_S
        row = self.connection.execute("SELECT max(number) FROM tags WHERE at < ?", (since,))
        return row.fetchone()[0] or 0

    def _too_many(self) -> int:
        """Up to which number tags must go so that half as many are left as there may be."""
        (count,) = self.connection.execute("SELECT count(*) FROM tags").fetchone()
        if count <= self._limits.tags:
            return 0
        row = self.connection.execute(
            "SELECT number FROM tags ORDER BY number DESC LIMIT 1 OFFSET ?",
            (self._limits.tags // 2,),
        )
        return int(row.fetchone()[0])


def is_void(
    connection: sqlite3.Connection, books: Books, name: str, mark: int, tags: tuple[str, ...]
) -> bool:
    """True if an entry under *name* with *mark* and *tags* must not be served, nor be kept."""
    if mark < books.cleared or mark < books.born or mark < books.forgotten:
        return True
    if mark >= books.number:
        return False
    every = (*tags, "=" + name)
    some = (every[first : first + _ASKED] for first in range(0, len(every), _ASKED))
    return any(_latest(connection, tags) > mark for tags in some)


def _latest(connection: sqlite3.Connection, tags: Sequence[str]) -> int:
    marks = ", ".join("?" * len(tags))
    row = connection.execute(f"SELECT max(number) FROM tags WHERE tag IN ({marks})", tags)
    return row.fetchone()[0] or 0
