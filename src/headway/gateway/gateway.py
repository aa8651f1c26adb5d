"""The gateway as a whole: where it listens, which servers it knows, how it starts and ends."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Final

from .. import clock, settings
from ..policies import Limit
from ..policies.retry_budget import RetryBudget
from ..scope import current
from ..stores import MemoryStore, Store
from ..stores.installation import installation_secret
from ..stores.opening import open_store
from .addresses import HostPort
from .answering import Answering
from .client import ClientConnection
from .kept import register_kept
from .listening import Listener
from .plan import Limits, Plan, Rules
from .routing import Routing
from .server import Server
from .wheel import TimerWheel

_CLOSING_STEPS: Final = 500
_LAST_CALL_S: Final = 0.1


class Gateway(Answering):
    """A server of OpenAI's and Anthropic's wires, on the running event loop.

    ``port = await gateway.listen("127.0.0.1", 8080)``; then ``await gateway.drain(30)`` and
    ``await gateway.aclose()``. Answers in memory, and questions asked at once, are shared within
    one gateway; with a store that several processes share, among all of them.

    Args:
        store: where answers are kept; default: what the plan names, opened here.
    """

    def __init__(self, plan: Plan, *, store: Store | None = None) -> None:
        super().__init__(_opened(plan) if store is None else store)
        self.plan, self.wheel = plan, TimerWheel()
        self.connections: set[ClientConnection] = set()
        self.is_draining = False
        self._secret = _secret_for(self.store)
        self._servers: dict[str, Server] = {}
        self._leaving: list[Server] = []
        self._listeners: list[Listener] = []
        self._url = ""
        # Of all plans together: an earlier one may have let somebody in, who counts until the end.
        self._limits: dict[tuple[Limits, str], Limit] = {}
        self._budgets: dict[Rules, RetryBudget] = {}
        self._routing = self._routing_of(plan)
        register_kept()

    # --- life ------------------------------------------------------------------------------

    async def listen(
        self, host: str = "127.0.0.1", port: int = 0, *, reuse_port: bool = False
    ) -> int:
        """Serve there; the port that was found, if *port* is 0.

        Raises:
            OSError: the address is in use, or is none of this machine's.
        """
        listener = Listener(self._client, host, port, reuse_port=reuse_port)
        self._serve_on(listener, host)
        return listener.port

    def adopt(self, sock: socket.socket) -> None:
        """Serve on a socket that listens already, such as one made by a parent process."""
        self._serve_on(Listener.on(self._client, sock), sock.getsockname()[0])

    def _serve_on(self, listener: Listener, host: str) -> None:
        self.telling.run = current.get().run
        self._listeners.append(listener)
        self._url = self._url or f"http://{HostPort(host, listener.port)}"

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8080``."""
        return self._url

    def _client(self) -> ClientConnection:
        return ClientConnection(self)

    def reload(self, plan: Plan) -> None:
        """Serve new requests by *plan*; requests under way end as they began.

        The store, and where it listens, stay as they are.
        """
        self.plan, self._routing = plan, self._routing_of(plan)

    def _routing_of(self, plan: Plan) -> Routing:
        before, servers = self._servers, dict[str, Server]()
        for spec in plan.upstreams:
            known = before.get(spec.name)
            is_same = known is not None and known.spec == spec
            servers[spec.name] = (
                known if known is not None and is_same else Server(spec, self.wheel, self.outbox)
            )
        routing = Routing(plan, servers, self._secret, self._limits, self._budgets)
        self._servers = servers  # from here on nothing can fail
        self._leaving = [server for server in self._leaving if server.connections]
        for name, server in before.items():
            if servers.get(name) is not server:
                server.close()
                self._leaving.append(server)
        return routing

    async def drain(self, within_s: float) -> bool:
        """Accept no more, let what is under way end; whether all did within *within_s*."""
        self.is_draining = True
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()
        # Who was accepted just now has not been read yet, and a request may be on its way on any.
        if self.connections:
            await clock.sleep(min(within_s, _LAST_CALL_S))
        for connection in list(self.connections):
            connection.end_if_idle()
        due = clock.monotonic() + within_s
        while self.connections and clock.monotonic() < due:
            await clock.sleep(0.01)
        self.telling.now()
        return not self.connections

    async def aclose(self) -> None:
        """Drop what is left."""
        self.is_draining = True
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()
        for connection in list(self.connections):
            connection.abort()
        for server in (*self._servers.values(), *self._leaving):
            server.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(_CLOSING_STEPS):  # the loop has yet to hear that the sockets are closed
            if not self.connections:
                break
            await asyncio.sleep(0.001)
        self.telling.now()
        self.wheel.close()

    def state(self) -> dict[str, object]:
        """How it is, for people and for probes: upstreams, connections, what is kept."""
        return {
            "listening": bool(self._listeners),
            "draining": self.is_draining,
            "connections": len(self.connections),
            "under_way": self.under_way,
            "flights": len(self.flights),
            "upstreams": {
                server.name: {
                    "up": server.health.is_up,
                    "failures_in_a_row": server.health.failures,
                    "connections": server.connections,
                    "reason": server.health.reason if server.health.failures else None,
                }
                for server in self._servers.values()
            },
            "store": self.store.statistics(),
        }


def _opened(plan: Plan) -> Store:
    """The store that a plan names, with as much memory in front as it says."""
    memory = MemoryStore(max_entries=1_000_000, max_bytes=plan.memory_bytes)
    return open_store(plan.store, memory=memory)


def _secret_for(store: Store) -> bytes:
    """Tenants in keys are named by HMACs under this; others find what is shared by the same."""
    if store.is_shared:
        return installation_secret(settings.current().folder)
    return secrets.token_bytes(32)
