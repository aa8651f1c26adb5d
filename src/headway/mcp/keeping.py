"""Answers of tools, kept and shared as those of any other tool; or only watched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from typing import Any, Protocol, cast

import msgspec

from .. import clock
from ..call import Call, Operation
from ..policies import build
from ..policies.freshness import Ttl
from ..stores import MemoryStore, Store
from ..tools import UNKNOWN, Effects, Guard, tags_to_void
from ..tools.results import results_in, void_before
from .answers import Question, is_for_all, seconds_to_keep
from .catalogue import Catalogue

MOST_GUARDS = 1_000
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

    @property
    def is_local(self) -> bool:
        """Whether this proxy alone fills it: what it never asked cannot be answered from here."""

    async def read(self, question: Question, run: Run) -> bytes:
        """The result of a call that only reads: kept, of work under way, or of *run*.

        What *run* raises reaches everyone who waits for it.
        """

    async def void(self, effects: Effects) -> None:
        """Give nothing any more that was made by reading what *effects* write. Never fails."""

    def summary(self) -> str:
        """What was done, or could have been, in one line; empty if there is nothing to tell."""

    async def aclose(self) -> None:
        """Let go of what is held open."""


class Kept:
    """Answers kept for a time in a store, and work under way shared.

    Args:
        catalogue: what the tools read.
        server: who the server is: equal for those whose answers may be exchanged, in every process.
        ttl_s: how long an answer is good, in seconds; ``headway.toml`` may say otherwise of a tool,
            and a result's own ``ttlMs`` may shorten it.
        store: where answers rest.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        server: str = "here",
        ttl_s: float = 300.0,
        store: Store | None = None,
    ) -> None:
        self._store = MemoryStore() if store is None else store
        self.is_local = self._store.is_local
        self._results = results_in(self._store)
        self._catalogue, self._server = catalogue, server
        self._ttl: Ttl = partial(seconds_to_keep, ttl_s=ttl_s)
        self._guards: dict[tuple[str, bytes], Guard] = {}

    async def read(self, question: Question, run: Run) -> bytes:
        """See ``Answers``."""
        guard = self._guards.get((question.tool, question.meta)) or self._made(question)
        return await guard.call(msgspec.json.decode(question.arguments), run, keeps=self._keeps)

    def _keeps(self, result: bytes) -> bool:
        """Memory serves one client; what is shared serves others too."""
        return not self._store.is_shared or is_for_all(result)

    def _made(self, question: Question) -> Guard:
        if len(self._guards) >= MOST_GUARDS:
            self._guards.clear()  # their answers are in the store
        guard = self._guards[question.tool, question.meta] = Guard(
            question.tool,
            partial(self._effects, question.tool),
            ttl=self._ttl,
            version=f"{self._server} {question.meta.decode()}",
            scope="global",  # who may be given an answer is in the version
            server="mcp",
            store=self._store,
        )
        return guard

    def _effects(self, tool: str, arguments: Mapping[str, object]) -> Effects:
        return self._catalogue.effects(tool, arguments) or UNKNOWN

    async def void(self, effects: Effects) -> None:
        """See ``Answers``."""
        await void_before((self._results,), tags_to_void(effects))

    def summary(self) -> str:
        """See ``Answers``."""
        return ""

    async def aclose(self) -> None:
        """See ``Answers``."""
        if (close := getattr(self._store, "aclose", None)) is not None:
            await close()


class Observed:
    """Every question goes to the server; what could have been answered is only counted."""

    is_local = False

    def __init__(self, *, ttl_s: float = 300.0) -> None:
        self._ttl_s = ttl_s
        self._operations: dict[str, Operation] = {}
        self._answered: dict[Question, float] = {}
        self._under_way: dict[Question, int] = {}
        self.reads = self.kept = self.shared = 0

    async def read(self, question: Question, run: Run) -> bytes:
        """See ``Answers``."""
        self._count(question)
        self._under_way[question] = self._under_way.get(question, 0) + 1
        try:
            operation = self._operations.get(question.tool) or self._made(question.tool)
            call = Call(operation, (question, run), {})
            result = cast(bytes, await operation.enter_by_hand(call))
        finally:
            self._leave(question)
        if (good_for_s := seconds_to_keep(result, ttl_s=self._ttl_s)) > 0:
            self._answered[question] = clock.monotonic() + good_for_s
        return result

    def _made(self, tool: str) -> Operation:
        made = build(_ask, (), key=_all_of_it, name=f"mcp.{tool}", kind="tool")
        self._operations[tool] = made
        return made

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

    async def void(self, effects: Effects) -> None:
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


async def _ask(question: Question, run: Run) -> bytes:
    return await run()


def _all_of_it(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    question: Question = args[0]
    return (question.arguments, question.meta)
