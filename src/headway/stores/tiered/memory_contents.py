"""What a tier beside memory has to know of it: what it holds, and what it would not let in."""

from __future__ import annotations

from ..entry import Entry, Key
from ..memory import MemoryStore

# These read what is private to MemoryStore, and change nothing there, not even its statistics.


def held(memory: MemoryStore, key: Key) -> Entry | None:
    """The entry under *key*, dead or alive, without a hit being counted."""
    slot = memory._slots.get(key)
    return None if slot is None else slot.entry


def keys_held(memory: MemoryStore) -> list[Key]:
    """Every key, dead or alive."""
    return list(memory._slots)


def is_void(memory: MemoryStore, entry: Entry, tag_of_its_key: str | None = None) -> bool:
    """Whether *entry*, or everything under its key, was invalidated after ``entry.mark``."""
    invalidations = memory._invalidations
    if entry.mark >= invalidations.count:
        return False
    if invalidations.is_void_on_arrival(entry):
        return True
    return tag_of_its_key is not None and invalidations.is_tag_void(tag_of_its_key, entry.mark)


def uses(memory: MemoryStore) -> int:
    """How often it was looked into."""
    return memory._hits + memory._misses
