"""The gateway as a door: on the test's own loop, or on a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import httpx2

from headway.clock import seconds
from headway.gateway.gateway import Gateway
from headway.gateway.plan import Plan, Rules, Timeouts, Upstream
from headway.stores.size import parse_bytes
from headway.testing.provider import Provider
from tests.contract.wire_doors import Moving, Setup, Way, fake_clock


class GatewayDoor:
    """The gateway on a port of its own, with a client that knows nothing of it.

    ``open`` runs it in the running loop, where it follows a ``FakeClock``; ``open_sync`` on a
    thread with a loop of its own, which is uvloop's.
    """

    name = "gateway"
    is_server = passes_bytes = is_in_process = True
    serves_stale = False

    def clock(self) -> AbstractContextManager[Moving]:
        return fake_clock()

    @asynccontextmanager
    async def open(self, provider: Provider, setup: Setup) -> AsyncIterator[Way]:
        gateway = gateway_to(provider.url, setup)
        await gateway.listen()
        try:
            async with httpx2.AsyncClient(verify=False) as http:
                yield _way_through(gateway, http)
        finally:
            await gateway.aclose()

    @contextmanager
    def open_sync(self, provider: Provider, setup: Setup) -> Iterator[Way]:
        with (
            on_thread(lambda: gateway_to(provider.url, setup)) as gateway,
            httpx2.Client(verify=False) as http,
        ):
            yield _way_through(gateway, http)


def plan_of(url: str, setup: Setup) -> Plan:
    """A plan that does what *setup* says, with a provider of both wires at *url*."""
    timeouts = setup.timeouts or Timeouts(total_s=setup.timeout_s)
    rules = Rules(
        ttl_s=None if setup.ttl is None else seconds(setup.ttl),
        every=setup.every,
        share=setup.shares or setup.ttl is not None,  # Cache shares by itself
        attempts=setup.attempts,
        first_wait_s=0.001,
        max_kept_bytes=parse_bytes(setup.max_bytes),
        timeouts=timeouts,
    )
    upstreams = (
        Upstream(name="openai", url=f"{url}/v1"),
        Upstream(name="anthropic", url=url, provider="anthropic", key_header="x-api-key"),
    )
    return Plan(upstreams=upstreams, rules=rules, max_body_bytes=setup.max_body_bytes)


def gateway_to(url: str, setup: Setup) -> Gateway:
    """A gateway that is not listening yet."""
    return Gateway(plan_of(url, setup), store=setup.store)


@contextmanager
def on_thread(make: Callable[[], Gateway]) -> Iterator[Gateway]:
    """A gateway that listens, on a thread and a loop of its own."""
    started: list[Gateway] = []
    ready = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        gateway, stopping = make(), asyncio.Event()
        try:
            await gateway.listen()
            started.append(gateway)
            loops.append((asyncio.get_running_loop(), stopping))
        finally:
            ready.set()
        await stopping.wait()
        await gateway.aclose()

    def run() -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="gateway-under-test", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        for loop, stopping in loops:
            loop.call_soon_threadsafe(stopping.set)
        thread.join()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _way_through(gateway: Gateway, http: Any) -> Way:
    return Way(http, f"{gateway.url}/v1", gateway.url, under_way=lambda: gateway.under_way)
