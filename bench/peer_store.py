"""The memory store as the cache peers want it: ``PEER_L1=peer_store:make`` of ``hit_ratio.py``."""

from __future__ import annotations

from collections.abc import Hashable

from headway.stores import NEVER, Entry, MemoryStore


class PeerStore:
    """``get`` and ``set`` of plain values, kept without end, bounded by entries only."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def get(self, key: Hashable) -> object:
        """The value under *key*, or None."""
        entry = self._store.peek(key)
        return None if entry is None else entry.value

    def set(self, key: Hashable, value: object) -> None:
        """Keep *value*; the store never awaits anything, so one step ends its coroutine."""
        keeping = self._store.set(key, Entry(value, made_at=0.0, fresh_until=NEVER, size_bytes=1))
        try:
            keeping.send(None)
        except StopIteration:
            return
        raise RuntimeError("MemoryStore.set awaited something")


def make(size: int) -> PeerStore:
    """A store of *size* entries with the policy that users get by default."""
    return PeerStore(MemoryStore(max_entries=size, max_bytes=None))
