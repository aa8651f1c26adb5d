"""What a shared store has yet to be told."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

from ..entry import Entry, Key

MAX_ANNOUNCEMENTS: Final = 10_000

Announcement = tuple[str, ...]
"""Tags that became void; none: everything."""


class Journal:
    """The latest write to each key, bounded in bytes, and invalidations, which are never dropped.

    When the bound is reached the oldest writes go, but for the last. More than
    ``MAX_ANNOUNCEMENTS`` invalidations become one of everything. Any thread may call.
    """

    def __init__(self, max_bytes: int) -> None:
        self.dropped = 0
        """Writes that found no room and were never sent."""
        self._max_bytes = max_bytes
        self._writes: dict[Key, Entry] = {}
        self._bytes = 0
        self._announcements: dict[int, Announcement] = {}
        self._number = 0
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock."""
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._writes or self._announcements)

    def write(self, key: Key, entry: Entry) -> None:
        """Note a write; an earlier one to the same key need not be sent any more."""
        with self._lock:
            self._drop(key)
            self._add(key, entry)

    def put_back(self, writes: Mapping[Key, Entry]) -> None:
        """*writes* that were taken were not sent; they are older than all that is here."""
        with self._lock:
            newer = self._writes
            self._writes, self._bytes = {}, 0
            for key, entry in {**writes, **newer}.items():
                self._add(key, entry)

    def take(self, at_most: int) -> dict[Key, Entry]:
        """The oldest writes, which are the caller's affair from now on."""
        with self._lock:
            taken = dict(islice(self._writes.items(), at_most))
            for key in taken:
                self._drop(key)
            return taken

    def forget(self, key: Key) -> None:
        """The write to *key*, if there is one, must not be sent."""
        with self._lock:
            self._drop(key)

    def announce(self, tags: Announcement) -> int:
        """Note an invalidation of *tags*, or, without any, of everything; gives its number."""
        with self._lock:
            if not tags or len(self._announcements) >= MAX_ANNOUNCEMENTS:
                self._announcements, tags = {}, ()
            self._number += 1
            self._announcements[self._number] = tags
            return self._number

    def covers(self, tags: Collection[str]) -> bool:
        """Whether the store was not told yet of an invalidation of one of *tags*, or of all."""
        if not self._announcements:
            return False
        with self._lock:
            pending = list(self._announcements.values())
        return any(not group or not set(group).isdisjoint(tags) for group in pending)

    def announced(self, number: int, tags: Announcement) -> None:
        """The store knows of *number*, if it is of *tags* still and was not made one of all."""
        with self._lock:
            if self._announcements.get(number) == tags:
                del self._announcements[number]

    def all_announced(self, upto: int) -> None:
        """The store knows of every invalidation up to number *upto*."""
        with self._lock:
            for number in [number for number in self._announcements if number <= upto]:
                del self._announcements[number]

    def announcements(self) -> tuple[int, bool, Announcement]:
        """The latest number, whether everything is void, and the tags that are besides."""
        with self._lock:
            all_tags = self._announcements.values()
            tags = dict.fromkeys(tag for tags in all_tags for tag in tags)
            return self._number, () in all_tags, tuple(tags)

    def _add(self, key: Key, entry: Entry) -> None:
        self._writes[key] = entry
        self._bytes += entry.size_bytes
        while self._bytes > self._max_bytes and len(self._writes) > 1:
            self._drop(next(iter(self._writes)))
            self.dropped += 1

    def _drop(self, key: Key) -> None:
        entry = self._writes.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size_bytes
