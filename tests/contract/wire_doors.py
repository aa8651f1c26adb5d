"""The doors a model's wire can pass through, as one suite sees them; ``every_door`` lists them.

A door is set up in words that fit every one of them (``Setup``), and gives clients whose requests
go through it to a provider; the official clients are made by the test from ``http`` and ``url``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

import headway
from headway import Cache, MemoryStore, Policy, Retry, Share, Timeout, UpstreamFailed
from headway.adapters.http import through
from headway.gateway.plan import MOST_BODY_BYTES, Timeouts
from headway.testing import FakeClock
from headway.testing.provider import Provider
from headway.wire.headers import MARK


@dataclass(frozen=True)
class Setup:
    """What a door is to do; ``ttl`` None keeps nothing.

    ``timeouts`` and ``max_body_bytes`` are for servers alone: a client's own HTTP library has
    time-outs already, and nobody sends it bodies.
    """

    ttl: str | None = "1h"
    stale_for: str | float = 0
    every: bool = False
    shares: bool = False
    attempts: int = 1
    store: Any = None
    timeout_s: float | None = None
    max_bytes: int | str = "10MB"
    timeouts: Timeouts | None = None
    max_body_bytes: int = MOST_BODY_BYTES


class GoneStore(MemoryStore):
    """A store whose server is gone."""

    def peek(self, key: object) -> None:
        raise ConnectionError("the store is gone")


def by_header(headers: Mapping[str, str]) -> str:
    """Where the answer came from, by Headway's own mark."""
    return headers.get(MARK, "")


@dataclass(frozen=True)
class Way:
    """A way to a provider: an HTTP client, and the addresses to give to the official clients.

    ``mark_of`` tells from an answer's headers where it came from. ``under_way`` counts the
    requests a server has in hand; None where there is no server.
    """

    http: Any
    openai_url: str
    anthropic_url: str
    mark_of: Callable[[Mapping[str, str]], str] = by_header
    under_way: Callable[[], int] | None = None


class Moving(Protocol):
    """Time that passes when told."""

    async def advance(self, duration: str | float) -> None: ...


class WireDoor(Protocol):
    """A door under test."""

    name: str
    is_server: bool
    """It answers by itself when the provider does not; else the client sees a lost connection."""
    serves_stale: bool
    """It knows ``Setup.stale_for``."""
    passes_bytes: bool
    """What the provider says arrives byte for byte; else only its meaning can be compared."""
    is_in_process: bool
    """It starts and ends with the test, so that nothing of it may be left."""

    def open(self, provider: Provider, setup: Setup) -> AbstractAsyncContextManager[Way]: ...

    def open_sync(self, provider: Provider, setup: Setup) -> AbstractContextManager[Way]: ...

    def clock(self) -> AbstractContextManager[Moving]:
        """Time for a test that lets some pass; entered before the provider and the door."""


@contextmanager
def fake_clock() -> Iterator[FakeClock]:
    """Headway's own time, moved by the test."""
    clock = FakeClock()
    with headway.clock.use(clock):
        yield clock


class HttpDoor:
    """The client's own transport, in the process."""

    name = "http"
    is_server = False
    serves_stale = passes_bytes = is_in_process = True

    def clock(self) -> AbstractContextManager[Moving]:
        return fake_clock()

    def client(self, setup: Setup) -> httpx2.AsyncClient:
        """A client through the door; certificates are not loaded, as nothing leaves loopback."""
        policies, size = _policies(setup), setup.max_bytes
        return through(httpx2, *policies, max_bytes=size, verify=False)

    def open(self, provider: Provider, setup: Setup) -> AbstractAsyncContextManager[Way]:
        return self.open_to(provider.url, setup)

    @asynccontextmanager
    async def open_to(self, url: str, setup: Setup) -> AsyncIterator[Way]:
        async with self.client(setup) as http:
            yield Way(http, f"{url}/v1", url)

    @contextmanager
    def open_sync(self, provider: Provider, setup: Setup) -> Iterator[Way]:
        policies, size = _policies(setup), setup.max_bytes
        with through(httpx2, *policies, sync=True, max_bytes=size, verify=False) as http:
            yield Way(http, provider.openai_url, provider.anthropic_url)


class NoDoor:
    """Straight to the provider: what a door is compared with."""

    name = "direct"

    @asynccontextmanager
    async def open(self, provider: Provider, setup: Setup) -> AsyncIterator[Way]:
        async with httpx2.AsyncClient(verify=False) as http:
            yield Way(http, provider.openai_url, provider.anthropic_url)

    @contextmanager
    def open_sync(self, provider: Provider, setup: Setup) -> Iterator[Way]:
        with httpx2.Client(verify=False) as http:
            yield Way(http, provider.openai_url, provider.anthropic_url)


def _policies(setup: Setup) -> list[Policy]:
    policies: list[Policy] = []
    if setup.ttl is not None:
        policies.append(
            Cache(setup.ttl, stale_for=setup.stale_for, every=setup.every, store=setup.store)
        )
    if setup.shares:
        policies.append(Share())
    if setup.attempts > 1:
        on = (UpstreamFailed, httpx2.TransportError)
        policies.append(Retry(setup.attempts, on=on, first_wait="1ms"))
    if setup.timeout_s is not None:
        policies.append(Timeout(setup.timeout_s))
    return policies
