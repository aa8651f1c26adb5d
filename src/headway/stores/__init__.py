"""Where kept values rest."""

from .entry import NEVER, NO_MARK, Entry, Key, Store, StoreStatistics
from .memory import MemoryStore

__all__ = ["NEVER", "NO_MARK", "Entry", "Key", "MemoryStore", "Store", "StoreStatistics"]
