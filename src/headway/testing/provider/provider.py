"""A model provider on loopback: OpenAI's and Anthropic's wires, with answers from the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from ... import clock
from .answers import Answers, Saying, answers_from
from .connection import Connection
from .delivery import Delivery
from .fault import Encoding, Fault, FaultFields
from .fault_queue import FaultQueue
from .http_request import Request
from .listener import Listener
from .log import Asked, Log, Totals, totals_of
from .pace import Pace
from .question import Matcher
from .replies import Replies, provider_of, wire_of
from .reply import Reply
from .reply_headers import headers_of
from .speaking import Model


class Provider:
    """A stand-in for OpenAI and Anthropic on 127.0.0.1.

    ``async with Provider() as provider`` serves in the running event loop, and then follows a
    ``FakeClock``; ``with Provider() as provider`` serves from a thread of its own, for clients
    that block. Nothing leaves the machine.

    *answers*: what the model says: a text, an ``Answer``, a function of the ``Question``, a list
    of these as a script, or ``Scripted``, ``Templated``, ``Recorded``.
    *models*: the names it knows (404 for others; None: all). *keys*: the keys it takes (401 for
    others; None: any that is not empty). *pace*: how fast it speaks. *encodings*: content
    encodings it offers, best first. *headers*: sent with every answer. *dated*: the time answers
    carry, in seconds since the epoch (None: the clock's); with it, the same requests to a new
    provider get the same bytes.

    What it says costs tokens: four bytes of UTF-8 each, of the compact JSON of tools and messages
    (see ``tokens``, ``automatic_cache``, ``marked_cache``).
    """

    def __init__(
        self,
        answers: Saying | None = None,
        *,
        models: Sequence[str] | None = None,
        keys: Collection[str] | None = None,
        pace: Pace | None = None,
        encodings: Sequence[Encoding] = (),
        headers: Mapping[str, str] | None = None,
        dated: float | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.encodings = encodings
        self.headers = dict(headers or {})
        self._model = Model(dated)
        self._replies = Replies(self._model, answers_from(answers), models, keys)
        self._faults, self._log = FaultQueue(), Log()
        self._connections: set[Connection] = set()
        self._listener: Listener | None = None
        self._thread: _Thread | None = None

    @property
    def answers(self) -> Answers:
        """What the model says; may be set at any time, to anything ``Provider`` takes."""
        return self._replies.answers

    @answers.setter
    def answers(self, saying: Saying | None) -> None:
        self._replies.answers = answers_from(saying)

    def fail_next(
        self,
        fault: Fault | None = None,
        *,
        times: int = 1,
        when: Matcher | None = None,
        **fields: Unpack[FaultFields],
    ) -> None:
        """Let the next valid requests (those that *when* matches) go wrong.

        ``fail_next(status=503, times=2)``, ``fail_next(cut_after=100, ending="close")``, or a
        ``Fault`` made before.
        """
        self._faults.add(fault or Fault(**fields), times, when)

    @property
    def log(self) -> list[Asked]:
        """All requests in order of arrival, as they stand now."""
        return self._log.records()

    def totals(self) -> Totals:
        """Sums over the log."""
        return totals_of(self.log)

    def wait_until(self, condition: Callable[[list[Asked]], bool], timeout_s: float = 10.0) -> None:
        """Return once the log is as *condition* wants it; for what a client cannot see itself.

        Raises:
            TimeoutError: it is not so after *timeout_s* seconds of real time.
        """
        self._log.wait_until(condition, timeout_s)

    async def until(
        self, condition: Callable[[list[Asked]], bool], timeout_s: float = 10.0
    ) -> None:
        """``wait_until`` for a test in an event loop."""
        await asyncio.to_thread(self.wait_until, condition, timeout_s)

    def clear(self) -> None:
        """Forget the log, the faults to come, the prompt caches and the conversations."""
        self._log.clear()
        self._faults.clear()
        self._model.clear()

    @property
    def url(self) -> str:
        """Where it listens, ``http://127.0.0.1:port``."""
        if self._listener is None:
            raise RuntimeError(
                "the provider is not running; use it as 'with Provider() as provider'"
            )
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's clients."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for Anthropic's clients."""
        return self.url

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve from a thread of its own until ``stop``."""
        thread = _Thread(self)
        thread.start()
        self._thread = thread
        return self

    def stop(self) -> None:
        """End the thread; answers still being sent are broken off."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    async def _open(self) -> None:
        if self._listener is not None:
            raise RuntimeError("the provider is running already")
        self._listener = Listener(partial(Connection, self._answer, self._connections))

    async def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
            await asyncio.gather(*(connection.drop() for connection in list(self._connections)))

    async def _answer(self, request: Request, connection: Connection) -> None:
        asked = self._log.open(request, wire_of(request.path), clock.now())
        request_id = asked.request_id
        outcome = self._replies.outcome(request, request_id, self._faults.take)
        note = partial(self._log.update, asked.number)
        note(model=outcome.model, streamed=outcome.streamed, problem=outcome.problem)
        self._put_headers(outcome.reply, request, request_id)
        delivery = Delivery(request, connection, outcome.reply, outcome.fault, self.pace, note)
        await delivery.run(asked.wire, self.encodings)

    def _put_headers(self, reply: Reply, request: Request, request_id: str) -> None:
        made = reply.usage.tokens_out if reply.usage is not None else 0
        took_s = self.pace.plain(made) if reply.status < 400 else 0.0
        usual = headers_of(provider_of(request), request_id, took_s, self._model.now())
        own = {name for name, _ in reply.headers} | {name.lower() for name in self.headers}
        kept = [(name, text) for name, text in usual if name not in own]
        reply.headers = [*kept, *reply.headers, *self.headers.items()]


class _Thread(threading.Thread):
    """An event loop of its own for one provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(name="headway-provider", daemon=True)
        self._provider = provider
        self._ready = threading.Event()
        self._problem: BaseException | None = None

    def start(self) -> None:
        super().start()
        self._ready.wait()
        if self._problem is not None:
            self.join()
            raise self._problem

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._provider._open()
        except BaseException as problem:
            self._problem = problem
            return
        finally:
            self._ready.set()
        await self._stopping.wait()
        await self._provider._close()
