"""An empty RedisStore on a real server, for the contract that every store keeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from headway.stores.redis import RedisStore
from headway.testing import Valkey

_server: list[Valkey] = []
_serial = count()


def server() -> Valkey:
    """One server for all tests that do it no harm; it ends with this process."""
    if not _server:
        import atexit

        _server.append(Valkey().start())
        atexit.register(_server[0].close)
    return _server[0]


@asynccontextmanager
async def redis() -> AsyncIterator[RedisStore]:
    """An empty store: a namespace of its own on the common server."""
    store = RedisStore(server().url, namespace=f"test{next(_serial)}")
    try:
        yield store
    finally:
        await store.aclose()
