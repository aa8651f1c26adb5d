"""One read: the entry, and the news of the store that came with it."""

from __future__ import annotations

import sqlite3
import threading
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from ... import clock
from ..codec import Codec
from ..entry import Entry
from ..ledger import Change, Ledger, State, Verdict
from .schema import Books, Damaged, unseal
from .transaction import is_void

AHEAD_S: Final = 5.0
"""An entry made later than this from now was made before the clock was set back."""

_FIND: Final = (
    "SELECT state.sealed, entries.seen, entries.stale_until, entries.body FROM state"
    " LEFT JOIN entries ON entries.name = ? WHERE state.id = 1"
)
_tags_of: Final = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class Outcome(Enum):
    """What a look-up came to."""

    HIT, MISSING, EXPIRED, VOID, AHEAD, DAMAGED = range(6)


class Found(NamedTuple):
    """The outcome, the entry of a hit, and the bytes of what should be dropped.

    ``is_news`` if the file does not know yet that the entry is read.
    """

    outcome: Outcome
    entry: Entry | None = None
    dead: bytes | None = None
    is_news: bool = False


class Lost(Exception):
    """The file knows less than it did: it was damaged, or replaced by an older one."""


_MISSING: Final = Found(Outcome.MISSING)


def _read_tags(written: object) -> tuple[str, ...]:
    try:
        return _tags_of(written) if isinstance(written, bytes) else ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged("the log of invalidations is damaged") from error


class LookUp:
    """Reads with any connection, keeping *ledger* up to date; ``first`` is its first count."""

    def __init__(self, codec: Codec, ledger: Ledger) -> None:
        self._codec = codec
        self._ledger = ledger
        self._lock = threading.Lock()
        self._last: tuple[bytes, Books] = (b"", Books(0, 0, 0, 0))
        self.first: int | None = None

    def again(self) -> LookUp:
        """The same with a lock of its own, for a forked child."""
        other = LookUp(self._codec, self._ledger)
        other.first = self.first
        return other

    def find(self, connection: sqlite3.Connection, name: str) -> Found:
        """What is under *name*: never an entry that was void when this was called.

        Raises:
            sqlite3.Error, Damaged, Lost: the file cannot be read.
        """
        known = self._ledger.count
        row = connection.execute(_FIND, (name,)).fetchone()
        if row is None:
            raise Damaged("the state of the store is missing")
        sealed, seen, stale_until, body = row
        last = self._last  # the proof costs a microsecond, and the same bytes prove the same
        books = last[1] if sealed == last[0] else unseal(sealed)
        self.hear(connection, books, known)
        if books is not last[1]:
            self._last = sealed, books
        if body is None:
            return _MISSING
        now = clock.now()
        if not isinstance(body, bytes):
            raise Damaged("an entry is no bytes")
        if isinstance(stale_until, float) and stale_until <= now:
            return Found(Outcome.EXPIRED, dead=body)
        entry = self._codec.decode(name, body)
        if entry is None:
            return Found(Outcome.DAMAGED, dead=body)
        outcome = self._judged(connection, name, entry, books, now)
        if outcome is Outcome.HIT:
            return Found(outcome, entry, None, not seen)
        return Found(outcome, dead=None if outcome is Outcome.AHEAD else body)

    def _judged(
        self, connection: sqlite3.Connection, name: str, entry: Entry, books: Books, now: float
    ) -> Outcome:
        if entry.stale_until <= now:
            return Outcome.EXPIRED
        verdict = self._ledger.verdict(entry.mark, (*entry.tags, "=" + name))
        if verdict is Verdict.VOID or (
            verdict is Verdict.UNKNOWN and is_void(connection, books, name, entry.mark, entry.tags)
        ):
            return Outcome.VOID
        return Outcome.AHEAD if entry.made_at > now + AHEAD_S else Outcome.HIT

    def state(self, connection: sqlite3.Connection) -> Books:
        """Hear of everything that was committed before this call.

        Raises:
            sqlite3.Error, Damaged, Lost: the file cannot be read.
        """
        known = self._ledger.count
        row = connection.execute("SELECT sealed FROM state WHERE id = 1").fetchone()
        books = unseal(row and row[0])
        self.hear(connection, books, known)
        return books

    def hear(self, connection: sqlite3.Connection, books: Books, known: int) -> None:
        """Tell the ledger of *books*, read when it had come to *known*, and of all up to there."""
        ledger = self._ledger
        if books.number == ledger.count and books.born == ledger.born:
            return
        if books.born <= ledger.born and books.number < known:
            raise Lost(f"the store counts {books.number} invalidations, fewer than before")
        state = State(books.born, books.number, books.cleared)
        with self._lock:
            if self.first is None:
                self.first = books.number
            if ledger.meet(state):
                rows = connection.execute(
                    "SELECT number, tags FROM log WHERE number > ? AND number <= ? ORDER BY number",
                    (ledger.count, books.number),
                )
                changes = [Change(number, _read_tags(tags)) for number, tags in rows]
                if not ledger.learn(changes) or ledger.count < books.number:
                    ledger.give_up(state)
