"""Calls of tools that only read: asked of the server once, answered to each who waits.

The first of several equal calls goes to the server as it came, and its answer comes back as it is;
the others get the same result with ids of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .. import bridge
from ..wire.json_rpc import Id, Message, identity, notification, response
from .answers import Question, worth_of
from .keeping import Answers, ToolFailed, Unfinished

log = logging.getLogger("headway.mcp")

Send = Callable[[bytes], None]
"""Takes one or more whole lines, line feeds included."""


class Fate(NamedTuple):
    """What becomes of a message: whether it passes, and whether answers are void before it does."""

    passes: bool = True
    voids: bool = False


PASS, DROP, VOID_AND_PASS = Fate(), Fate(passes=False), Fate(voids=True)

Awaited = dict[Id, Callable[[Message], Fate]]
"""What to do when the response to a request comes, by its id."""


class _Asked:
    """One call of the client's, until it is answered."""

    __slots__ = (*("cancelled_by", "id", "is_upstream", "line", "question", "task", "written_id"),)

    def __init__(self, id: Id, written_id: bytes, line: bytes, question: Question) -> None:
        self.id, self.written_id, self.line, self.question = id, written_id, line, question
        self.task: asyncio.Task[None] | None = None
        self.is_upstream = False
        self.cancelled_by: bytes | None = None


class Calls:
    """The calls that are being answered."""

    def __init__(self, answers: Answers, to_client: Send, to_server: Send, awaited: Awaited):
        self._answers, self._awaited = answers, awaited
        self._to_client, self._to_server = to_client, to_server
        self._asked: dict[Id, _Asked] = {}
        self._upstream: dict[Id, _Asked] = {}

    @property
    def are_waiting(self) -> bool:
        """Whether any call has neither been answered nor sent to the server."""
        return any(not asked.is_upstream for asked in self._asked.values())

    def ask(self, line: bytes, seen: Message, question: Question) -> None:
        """Answer the call on *line*, now if the answer is at hand."""
        id = identity(seen.id)
        if id is None or id in self._asked or id in self._awaited:
            self._to_server(line + b"\n")  # whose answer would be whose?
            return
        asked = _Asked(id, bytes(seen.id), line, question)  # type: ignore[arg-type]
        begun = bridge.now_or_task(self._answer(asked))
        if isinstance(begun, asyncio.Task):
            asked.task, self._asked[id] = begun, asked
            begun.add_done_callback(lambda _: self._asked.pop(id, None))

    def cancel(self, id: Id, line: bytes) -> bool:
        """Let go of the call *id* because of *line*; False if it is none of these.

        The server hears of it only if nobody else waits for the same.
        """
        asked = self._asked.get(id)
        if asked is None or asked.task is None:
            return id in self._upstream
        asked.cancelled_by = line
        asked.task.cancel()
        return True

    def let_go(self) -> None:
        """An answer has come that cannot be told from others: who waits asks for itself."""
        for id in list(self._upstream):
            self._awaited.pop(id)(Message())

    async def _answer(self, asked: _Asked) -> None:
        result: bytes | None = None
        try:
            result = await self._answers.read(asked.question, partial(self._run, asked))
        except (ToolFailed, Unfinished):
            pass
        except Exception:
            log.warning("a call of %s goes past the cache", asked.question.tool, exc_info=True)
        if asked.is_upstream:
            return  # its answer has passed as it came
        if result is None:
            self._to_server(asked.line + b"\n")
        else:
            self._to_client(response(asked.written_id, result))

    async def _run(self, asked: _Asked) -> bytes:
        """Ask the server, for this one and all who join it."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        asked.is_upstream = True
        self._upstream[asked.id] = asked
        self._awaited[asked.id] = partial(self._responded, asked, future)
        self._to_server(asked.line + b"\n")
        try:
            return await future
        except asyncio.CancelledError:
            del self._upstream[asked.id], self._awaited[asked.id]
            self._to_server((asked.cancelled_by or _cancelled(asked.id)) + b"\n")
            raise

    def _responded(self, asked: _Asked, future: asyncio.Future[bytes], seen: Message) -> Fate:
        del self._upstream[asked.id]
        worth = worth_of(seen.result)
        if future.done():
            return PASS
        if worth == "shared":
            future.set_result(bytes(seen.result))  # type: ignore[arg-type]
        else:
            future.set_exception(ToolFailed() if worth == "failed" else Unfinished())
        return PASS if asked.cancelled_by is None else DROP


def _cancelled(id: Id) -> bytes:
    return notification("notifications/cancelled", {"requestId": id}).rstrip(b"\n")
