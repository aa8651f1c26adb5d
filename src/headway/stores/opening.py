"""From a text such as ``disk`` or ``redis://host:6379/0`` to the store that it names."""

from __future__ import annotations

import os
import threading

from .. import settings
from ..errors import BadSetup
from ..settings.where import why_no_store, without_password
from .entry import Store
from .memory import MemoryStore
from .shared import SharedStore
from .tiered import TieredStore

_opened: dict[str, Store] = {}
_lock = threading.Lock()


def open_store(where: str | None = None, *, memory: MemoryStore | None = None) -> Store:
    """The store that *where* names, the same object each time in one process.

    ``"memory"``; ``"disk"`` (in the settings' folder) or ``"disk:PATH"``; ``"redis://..."``,
    ``"rediss://..."`` or ``"unix://..."`` for Redis or Valkey. Disk and Redis stand behind memory,
    as ``TieredStore`` does that. None: the setting ``store`` (``HEADWAY_STORE``), which is
    ``"memory"`` unless somebody set it. With *memory*, a store of its own each time, that keeps in
    there what it keeps in this process.

    Raises:
        BadSetup: *where* names no store, or what it needs is not installed.
    """
    wanted = settings.current().store if where is None else where
    if (wrong := why_no_store(wanted)) is not None:
        raise BadSetup(f"open_store({without_password(wanted)!r}): {wrong}")
    if memory is not None:
        return _made(wanted, memory)
    with _lock:
        store = _opened.get(wanted)
        if store is None:
            store = _opened[wanted] = _made(wanted, MemoryStore())
        return store


def _made(where: str, memory: MemoryStore) -> Store:
    return memory if where == "memory" else TieredStore(memory, _second(where))


def _second(where: str) -> SharedStore:
    if where == "disk" or where.startswith("disk:"):
        from .disk import DiskStore

        _, _, folder = where.partition(":")
        return DiskStore(folder) if folder else DiskStore()
    try:
        from .redis import RedisStore
    except ModuleNotFoundError as missing:
        if missing.name not in ("redis", "hiredis"):
            raise
        raise BadSetup(
            f"open_store({without_password(where)!r}) needs redis-py: pip install 'headway[redis]'"
        ) from missing
    return RedisStore(where)


def _start_anew() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_start_anew)
