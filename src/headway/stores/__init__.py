"""Where kept values rest."""

from .entry import NEVER, Entry, Key, Store, StoreStatistics
from .memory import MemoryStore

__all__ = ["NEVER", "Entry", "Key", "MemoryStore", "Store", "StoreStatistics"]
