"""Real servers: one for all tests that do it no harm, and one of one's own to be killed."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from redis import Redis

from headway.stores.redis import RedisStore
from headway.testing import Valkey
from tests.stores.redis import factory
from tests.stores.redis.proxy import Proxy

_serial = count()


@pytest.fixture(scope="session")
def server() -> Valkey:
    return factory.server()


@pytest.fixture
def own_server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"own{next(_serial)}"


@pytest.fixture
async def store(server: Valkey, namespace: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url, namespace=namespace)
    yield store
    await store.aclose()


@pytest.fixture
async def other(server: Valkey, namespace: str) -> AsyncIterator[RedisStore]:
    """Another process's store, as good as."""
    store = RedisStore(server.url, namespace=namespace)
    yield store
    await store.aclose()


@pytest.fixture
async def frail(own_server: Valkey) -> AsyncIterator[RedisStore]:
    """A store on the server that may be killed."""
    store = RedisStore(own_server.url, timeout_s=0.3)
    yield store
    await store.aclose()


@pytest.fixture
async def proxy(server: Valkey) -> AsyncIterator[Proxy]:
    async with Proxy(server.port).running() as proxy:
        yield proxy


@pytest.fixture
async def far(proxy: Proxy, namespace: str) -> AsyncIterator[RedisStore]:
    """A store behind the proxy."""
    store = RedisStore(proxy.url, namespace=namespace, timeout_s=0.4)
    yield store
    await store.aclose()


@pytest.fixture
def raw(server: Valkey) -> Iterator[Redis]:
    """The server itself."""
    with Redis.from_url(server.url) as client:
        yield client
