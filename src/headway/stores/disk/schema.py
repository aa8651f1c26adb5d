"""The tables, and the numbers of the store's invalidations with a proof against damage."""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

FORMAT: Final = 1
APPLICATION: Final = 0x48445743
PAGE_BYTES: Final = 4_096

# In `entries` the order of the ids is the order of arrival, and the body comes last, so that what
# stands before it is read without it. `seen` is 0 or 1, which SQLite rewrites in place.
SCHEMA: Final = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE state (
    id INTEGER PRIMARY KEY, sealed BLOB NOT NULL,
    entries INTEGER NOT NULL, size_bytes INTEGER NOT NULL, hand INTEGER NOT NULL
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seen INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL, made_at REAL NOT NULL, stale_until REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE tags (tag TEXT PRIMARY KEY, number INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX tags_by_number ON tags (number);
CREATE TABLE log (number INTEGER PRIMARY KEY, tags BLOB NOT NULL);
CREATE TABLE leases (
    name TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL, seconds REAL NOT NULL
) WITHOUT ROWID;
"""


class Damaged(Exception):
    """The file is not what was written."""


class Books(NamedTuple):
    """Where counting began, the latest number, the last clearing; older tags are *forgotten*."""

    born: int
    number: int
    cleared: int
    forgotten: int


_NUMBERS: Final = struct.Struct("<qqqq")
_SEALED: Final = struct.Struct("<qqqqI")


def seal(books: Books) -> bytes:
    """*books* with a checksum: a flipped bit here would let a void entry live."""
    numbers = _NUMBERS.pack(*books)
    return numbers + zlib.crc32(numbers).to_bytes(4, "little")


def unseal(sealed: object) -> Books:
    """What was sealed.

    Raises:
        Damaged: it has changed since.
    """
    if not isinstance(sealed, bytes) or len(sealed) != _SEALED.size:
        raise Damaged("the state of the store cannot be read")
    born, number, cleared, forgotten, proof = _SEALED.unpack(sealed)
    if zlib.crc32(sealed[: _NUMBERS.size]) != proof:
        raise Damaged("the state of the store is damaged")
    return Books(born, number, cleared, forgotten)
