"""The gateway: answers each request from what is kept, what is under way, or a server.

The decisions are those of the library's policies; the bytes pass untouched, and no task is made
for a request but to wait: for a shared store, for a place at a limit.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine
from functools import partial

from .. import clock, events, settings
from ..policies import Limit
from ..policies.lease import Leases, Turn
from ..policies.retry_budget import RetryBudget
from ..policies.store_failures import StoreFailures
from ..scope import current
from ..stores import NO_MARK, Entry, MemoryStore, Store
from ..stores.installation import installation_secret
from ..stores.opening import open_store
from ..stores.tiered import TieredStore
from .asking import Asking
from .client import ClientConnection
from .conversations import Conversations
from .exchange import Exchange
from .flight import Flight
from .kept import Kept, register_kept
from .listening import Listener
from .outbox import Outbox
from .plan import Limits, Plan, Rules
from .question import Question
from .refusal import Refusal, fault
from .routing import Routing
from .server import Server
from .told import Telling, Told
from .wheel import NEVER, TimerWheel

log = logging.getLogger("headway.gateway")

LEASE_S = 2.0
"""So long after a process died may others wait for what it had begun; the living renew theirs."""
NO_HOST = Refusal(400, "bad_request", "the request names no host")
NOT_KEPT = Refusal(
    504, "not_kept", "nothing is kept for this request, and it said cache-control: only-if-cached"
)


class Gateway:
    """A server of OpenAI's and Anthropic's wires, on the running event loop.

    ``port = await gateway.listen("127.0.0.1", 8080)``; then ``await gateway.drain(30)`` and
    ``await gateway.aclose()``. Answers in memory, and questions asked at once, are shared within
    one gateway; with a store that several processes share, among all of them.

    Args:
        store: where answers are kept; default: what the plan names, opened here.
    """

    def __init__(self, plan: Plan, *, store: Store | None = None) -> None:
        self.plan = plan
        self.store = _opened(plan) if store is None else store
        self.wheel, self.outbox = TimerWheel(), Outbox()
        self.connections: set[ClientConnection] = set()
        self.flights: dict[bytes, Flight] = {}
        self.under_way = 0
        self.is_draining = False
        self.telling = Telling(Conversations())
        self._secret = _secret_for(self.store)
        self._servers: dict[str, Server] = {}
        self._leaving: list[Server] = []
        self._failures = StoreFailures(self.store)
        self._is_memory = isinstance(self.store, MemoryStore)
        self._leases = _leases(self.store, self._failures)
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()
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
        shown = f"[{host}]" if ":" in host else host
        self._url = self._url or f"http://{shown}:{listener.port}"

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

    # --- one request -----------------------------------------------------------------------

    def serve(
        self,
        client: ClientConnection,
        method: bytes,
        url: bytes,
        pairs: tuple[bytes, ...],
        extra: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Answer a whole request of *client*, now or when the answer comes."""
        routing = self._routing
        asking = routing.asking(method, url, pairs)
        if asking.refusal is not None or (asking.lacks_host and client.takes_chunks):
            self._refuse(client, asking, asking.refusal or NO_HOST)
            return
        question = routing.question(asking, body)
        if isinstance(question, Refusal):
            self._refuse(client, asking, question)
            return
        key = question.key
        if key is not None and not asking.wishes.fresh:
            entry = self._peek(key) if question.way.policies.keeps else None
            if entry is not None and self._is_good(entry, asking):
                self._answer_kept(client, asking, question, entry)
                return
        self._ask(client, asking, question, body, extra)

    def _peek(self, key: bytes) -> Entry | None:
        try:
            return self.store.peek(key)
        except Exception as error:
            self._failures.note("look-up", error)
            return None

    @staticmethod
    def _is_good(entry: Entry, asking: Asking) -> bool:
        """Whether an entry is fresh, one of ours, and as young as the client wants it."""
        now, most_s, kept = clock.now(), asking.wishes.max_age_s, entry.value
        if now >= entry.fresh_until or type(entry.value) is not Kept:
            return False
        # Its parts may be anything; compiled, those of a Kept would be held to their types.
        if type(kept.head) is not bytes or type(kept.body) is not bytes:
            return False
        return most_s is None or now - entry.made_at <= most_s

    def _answer_kept(
        self, client: ClientConnection, asking: Asking, question: Question, entry: Entry
    ) -> None:
        kept: Kept = entry.value
        age_s = max(0.0, clock.now() - entry.made_at)
        has_body = not asking.is_head
        client.write(kept.written(age_s, keeps_alive=client.keeps_alive, has_body=has_body))
        if events.listeners:
            told = self.tell(asking, question)
            told.hit(kept.facts, kept.status, age_s, self.store.name)
        client.is_answered(None)

    def tell(self, asking: Asking, question: Question) -> Told:
        """Tell listeners that *question* has been asked."""
        return self.telling.begin(asking, question)

    def _ask(
        self,
        client: ClientConnection,
        asking: Asking,
        question: Question,
        body: bytes,
        extra: list[tuple[bytes, bytes]],
    ) -> None:
        exchange = Exchange(self, client, asking, question, body, extra)
        self.under_way += 1
        total_s = self.total_s(question)
        client.begin(exchange, NEVER if total_s is None else clock.monotonic() + total_s)
        key, policies = question.key, question.way.policies
        if key is None:
            if asking.wishes.only_if_kept:
                exchange.refuse(NOT_KEPT)
            else:
                self._fly(exchange)
        elif policies.keeps and not self._is_memory and not asking.wishes.fresh:
            if not self._join(exchange):
                self._begin(self._look_up(exchange, key))
        elif asking.wishes.only_if_kept:
            exchange.refuse(NOT_KEPT)
        elif asking.wishes.fresh or not self._join(exchange):
            self._fly(exchange)

    @property
    def store_name(self) -> str:
        """Where answers are kept, for receipts."""
        return self.store.name

    def total_s(self, question: Question) -> float | None:
        """How long a whole exchange may take."""
        return question.way.destinations[0].timeouts.total_s

    def _join(self, exchange: Exchange) -> bool:
        """Let *exchange* read the answer that is under way already, if there is one."""
        question = exchange.question
        flight = self.flights.get(question.key) if question.key is not None else None
        if flight is None or not flight.is_open or exchange.asking.wishes.only_if_kept:
            return False
        exchange.source = "joined"
        exchange.flight = flight
        flight.readers.append(exchange)
        if flight.is_begun:
            exchange.hand_on()
            flight.look_at_pace()
        return True

    def _fly(self, exchange: Exchange) -> None:
        question = exchange.question
        flight = exchange.flight = Flight(self, question, exchange)
        if question.key is not None and question.way.policies.rules.share:
            self.flights[question.key] = flight
        flight.mark = self._mark()
        if self._leases is None or question.key is None or not question.way.policies.keeps:
            flight.start()
        else:
            self._begin(self._take_turn(flight, question.key, self._leases))

    # --- shared stores ---------------------------------------------------------------------

    async def _look_up(self, exchange: Exchange, key: bytes) -> None:
        try:
            entry = await self.store.get(key)
        except Exception as error:
            self._failures.note("look-up", error)
            entry = None
        try:
            self._go_on(exchange, entry)
        except Exception as error:
            log.exception("a request failed inside the gateway")
            exchange.refuse(fault(error))

    def _go_on(self, exchange: Exchange, entry: Entry | None) -> None:
        """The look-up of *exchange* is done: answer with *entry*, join, or ask."""
        if exchange.is_over:
            return
        if entry is not None and self._is_good(entry, exchange.asking):
            exchange.answer_kept(entry)
        elif exchange.asking.wishes.only_if_kept:
            exchange.refuse(NOT_KEPT)
        elif not self._join(exchange):
            self._fly(exchange)

    async def _take_turn(self, flight: Flight, key: bytes, leases: Leases) -> None:
        """Begin the work, unless another process does it, whose answer then serves."""
        try:
            turn: Turn | Entry | None = await leases.turn(key, None)
        except Exception as error:
            self._failures.note("lease", error)
            turn = None
        if turn is None:
            if flight.failure is None:
                flight.start()
            return
        if isinstance(turn, Turn):
            if flight.failure is not None:  # everybody left meanwhile
                await turn.end()
                return
            flight.turn = turn
            flight.mark = self._mark()
            flight.start()
        elif flight.failure is None:
            reader = flight.readers[0]
            if self._is_good(turn, reader.asking):
                flight.answer_kept(turn)
            else:
                flight.start()

    def _mark(self) -> int:
        try:
            return self.store.mark()
        except Exception as error:
            self._failures.note("look-up", error)
            return NO_MARK

    def keep(self, flight: Flight, entry: Entry) -> None:
        """Keep the answer of *flight*, and let nobody join it from then on."""
        assert flight.key is not None
        if isinstance(self.store, MemoryStore):
            self.store.keep(flight.key, entry)
            self.land(flight)
        else:
            self._begin(self._keep(flight, flight.key, entry))

    async def _keep(self, flight: Flight, key: bytes, entry: Entry) -> None:
        try:
            await self.store.set(key, entry)
        except Exception as error:
            self._failures.note("store", error)
        else:
            if flight.turn is not None:
                flight.turn.is_kept = True
        self.land(flight)

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take *step* when what is to be written in this turn has been."""
        self.outbox.afterwards(step)

    def land(self, flight: Flight) -> None:
        """Nobody joins *flight* any more."""
        key = flight.key
        if key is not None and self.flights.get(key) is flight:
            del self.flights[key]
        turn, flight.turn = flight.turn, None
        if turn is not None:
            turn.end_soon()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- refusals --------------------------------------------------------------------------

    def _refuse(self, client: ClientConnection, asking: Asking, refusal: Refusal) -> None:
        self.refused(refusal)
        if refusal.status == 400:  # where the next request begins is not to be relied on
            client.close_after()
        client.refuse(refusal, has_body=not asking.is_head)
        client.is_answered(None)

    def refused(self, refusal: Refusal) -> None:
        """Tell listeners of a request that came to nothing."""
        if events.listeners:
            event = events.PolicyActed(
                at=clock.now(),
                run=self.telling.run,
                operation="gateway",
                action="refused",
                detail=refusal.reason,
            )
            self.telling.later(partial(events.emit, event))


_CLOSING_STEPS = 500
_LAST_CALL_S = 0.1


def _opened(plan: Plan) -> Store:
    """The store that a plan names, with as much memory in front as it says."""
    memory = MemoryStore(max_entries=1_000_000, max_bytes=plan.memory_bytes)
    return open_store(plan.store, memory=memory)


def _secret_for(store: Store) -> bytes:
    """Tenants in keys are named by HMACs under this; others find what is shared by the same."""
    if store.is_shared:
        return installation_secret(settings.current().folder)
    return secrets.token_bytes(32)


def _leases(store: Store, failures: StoreFailures) -> Leases | None:
    return Leases(store, LEASE_S, failures) if isinstance(store, TieredStore) else None
