"""Answers of tools, kept and shared: by the proxy's own cache, or by whoever keeps that promise."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, cast

from .. import bridge, clock
from ..call import Call, Operation, Policy
from ..policies import Cache, Watch
from ..stores import MemoryStore, Store
from .answers import Question, seconds_to_keep

log = logging.getLogger("headway.mcp")

Run = Callable[[], Awaitable[bytes]]
"""Asks the server: gives the result as JSON, or raises ``ForAskerAlone``."""


class ForAskerAlone(Exception):
    """The server has answered, but the answer is for the one who asked: not kept, not shared."""


class ToolFailed(ForAskerAlone):
    """The tool failed, or the server refused."""


class Unfinished(ForAskerAlone):
    """The server wants input, or goes on in a task."""


class Answers(Protocol):
    """What stands between a proxy and the tools of its server.

    Its coroutines wait for nothing before ``await bridge.on_a_loop()``, so that what is at hand is
    answered in one step.
    """

    async def read(self, question: Question, run: Run) -> bytes:
        """The result of a tool that only reads: kept, of work under way, or of *run*.

        What *run* raises reaches everyone who waits for it.
        """

    async def changed(self) -> None:
        """Give no answer from before this any more: something was written, or is about to be.

        Never fails: what cannot be made known makes answers unknown.
        """

    def summary(self) -> str:
        """What was done, or could have been, in one line; empty if there is nothing to tell."""

    async def aclose(self) -> None:
        """Let go of what is held open."""


class _ByTool:
    """One operation for each tool, all with the same policies."""

    def __init__(self, server: str, policies: tuple[Policy, ...]) -> None:
        self._server, self._policies = server, policies
        self._operations: dict[str, Operation] = {}

    def enter(self, question: Question, run: Run) -> Any:
        """The way to an answer, a coroutine."""
        operation = self._operations.get(question.tool)
        if operation is None:
            operation = self._operations[question.tool] = Operation(
                _ask, self._policies, key=self._key, name=f"mcp.{question.tool}", kind="tool"
            )
        return operation.enter_by_hand(Call(operation, (question, run), {}))

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        question: Question = args[0]
        return (self._server, question.arguments, question.meta)


async def _ask(question: Question, run: Run) -> bytes:
    return await run()


class Kept:
    """Answers kept for a time in a store, and work under way shared.

    Args:
        server: who the server is: equal for those whose answers may be exchanged, in every process.
        ttl_s: how long an answer is good, in seconds; a result's own ``ttlMs`` may shorten that.
        store: where answers rest.
    """

    def __init__(self, server: str, *, ttl_s: float, store: Store | None = None) -> None:
        self._store = MemoryStore() if store is None else store
        self._tag = f"mcp:{server}"
        self._cache = Cache(
            lambda result: seconds_to_keep(result, ttl_s), store=self._store, tags=(self._tag,)
        )
        self._tools = _ByTool(server, (Watch(), self._cache))
        self._is_in_doubt = False

    async def read(self, question: Question, run: Run) -> bytes:
        """See ``Answers``."""
        if self._is_in_doubt:
            await bridge.on_a_loop()
            await self.changed()
            if self._is_in_doubt:
                return await run()
        return cast(bytes, await self._tools.enter(question, run))

    async def changed(self) -> None:
        """See ``Answers``."""
        try:
            await self._cache.invalidate(self._tag)
        except Exception as error:
            if not self._is_in_doubt:
                log.warning("the store cannot be told of a change, so nothing is kept: %s", error)
            self._is_in_doubt = True
        else:
            self._is_in_doubt = False

    def summary(self) -> str:
        """See ``Answers``."""
        return ""

    async def aclose(self) -> None:
        """See ``Answers``."""
        if (close := getattr(self._store, "aclose", None)) is not None:
            await close()


class Observed:
    """Every question goes to the server; what could have been answered is only counted."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._tools = _ByTool("observed", (Watch(),))
        self._answered: dict[Question, float] = {}
        self._under_way: dict[Question, int] = {}
        self.reads = self.kept = self.shared = 0

    async def read(self, question: Question, run: Run) -> bytes:
        """See ``Answers``."""
        self._count(question)
        self._under_way[question] = self._under_way.get(question, 0) + 1
        try:
            result = cast(bytes, await self._tools.enter(question, run))
        finally:
            self._leave(question)
        if (seconds := seconds_to_keep(result, self._ttl_s)) > 0:
            self._answered[question] = clock.monotonic() + seconds
        return result

    def _leave(self, question: Question) -> None:
        left = self._under_way.pop(question, 1) - 1
        if left > 0:
            self._under_way[question] = left

    def _count(self, question: Question) -> None:
        self.reads += 1
        if self._answered.get(question, 0.0) > clock.monotonic():
            self.kept += 1
        elif self._under_way.get(question):
            self.shared += 1

    async def changed(self) -> None:
        """See ``Answers``."""
        self._answered.clear()
        self._under_way.clear()

    def summary(self) -> str:
        """See ``Answers``."""
        return (
            f"{self.reads} calls of tools that only read; {self.kept} had been answered before, "
            f"{self.shared} were being answered already"
        )

    async def aclose(self) -> None:
        """See ``Answers``."""
