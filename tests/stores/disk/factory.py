"""A disk store in a folder of its own, for the tests here and the contract suite."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from headway.stores.disk import DiskStore


@asynccontextmanager
async def disk() -> AsyncIterator[DiskStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = DiskStore(Path(folder, "cache"))
        yield store
        await store.aclose()
