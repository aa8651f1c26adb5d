"""Each request is answered from what is kept, what is under way, or a server.

The decisions are those of the library's policies; the bytes pass untouched, and no task is made
for a request but to wait: for a shared store, for a place at a limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

from .. import clock, events
from ..policies.lease import Leases, Turn
from ..policies.store_failures import StoreFailures
from ..stores import NO_MARK, Entry, MemoryStore, Store
from ..stores.tiered import TieredStore
from .asking import Asking
from .client import ClientConnection
from .conversations import Conversations
from .exchange import Exchange
from .flight import Flight
from .kept import Kept
from .outbox import Outbox
from .question import Question
from .refusal import Refusal, fault
from .routing import Routing
from .told import Telling, Told
from .wheel import NEVER

log = logging.getLogger("headway.gateway")

LEASE_S: Final = 2.0
"""So long after a process died may others wait for what it had begun; the living renew theirs."""
NO_HOST: Final = Refusal(400, "bad_request", "the request names no host")
NOT_KEPT: Final = Refusal(
    504, "not_kept", "nothing is kept for this request, and it said cache-control: only-if-cached"
)


class Answering:
    """Serves whole requests from *store*, from what is under way, or from a server.

    Attributes:
        flights: The work that an equal request may join, by its key.
        under_way: How many exchanges are not over.
        telling: Tells listeners, when there are any.
    """

    _routing: Routing  # by the plan that is served now: set by ``Gateway``

    def __init__(self, store: Store) -> None:
        self.store, self.outbox = store, Outbox()
        self.flights: dict[bytes, Flight] = {}
        self.under_way = 0
        self.telling = Telling(Conversations())
        self._failures = StoreFailures(store)
        self._is_memory = isinstance(store, MemoryStore)
        self._leases = _leases(store, self._failures)
        self._tasks: set[asyncio.Task[None]] = set()

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


def _leases(store: Store, failures: StoreFailures) -> Leases | None:
    return Leases(store, LEASE_S, failures) if isinstance(store, TieredStore) else None
