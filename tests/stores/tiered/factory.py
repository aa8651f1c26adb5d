"""Tiered stores for the contract that every store keeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from headway.stores import MemoryStore
from headway.stores.tiered import TieredStore
from tests.stores.redis.factory import redis
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


@asynccontextmanager
async def tiered_scripted() -> AsyncIterator[TieredStore]:
    """Memory over a second tier in this process."""
    store = TieredStore(MemoryStore(), ScriptedSecond(Shelf()))
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def tiered_redis() -> AsyncIterator[TieredStore]:
    """Memory over a namespace of its own on the common server."""
    async with redis() as second:
        store = TieredStore(MemoryStore(), second, soft_timeout="500ms")
        try:
            yield store
        finally:
            await store.aclose()


@asynccontextmanager
async def tiered_disk() -> AsyncIterator[TieredStore]:
    """Memory over a folder of its own."""
    from headway.stores.disk import DiskStore

    with TemporaryDirectory() as folder:
        store = TieredStore(MemoryStore(), DiskStore(Path(folder) / "cache"), soft_timeout="500ms")
        try:
            yield store
        finally:
            await store.aclose()
