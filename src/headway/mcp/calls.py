"""Calls of tools that only read: asked of the server once, answered to each who waits.

The first of several equal calls goes to the server as it came, and its answer comes back as it is;
the others get the same result with ids of their own.

A question that this proxy has never asked, and that nobody else can have, goes to the server before
anything else is done: the books are opened when the answer has passed, or when somebody joins. What
is forgotten meanwhile is never entered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .. import bridge, events
from ..tools import Effects
from ..wire.json_rpc import Id, Message, identity, notification, response
from .answers import Question, without_promise, worth_of
from .keeping import Answers, ToolFailed, Unfinished

log = logging.getLogger("headway.mcp")

Send = Callable[[bytes], None]
"""Takes one or more whole lines, line feeds included."""


class Fate(NamedTuple):
    """What becomes of a message: whether it passes, and what has changed before it does."""

    passes: bool = True
    changes: Effects | None = None


PASS, DROP = Fate(), Fate(passes=False)

Awaited = dict[Id, Callable[[Message], Fate]]
"""What to do when the response to a request comes, by its id."""


MOST_SEEN = 65_536


class _Asked:
    """One call of the client's, until it is answered."""

    __slots__ = (
        *("as_of", "cancelled_by", "future", "id", "is_awaited", "line", "question", "task"),
        *("written_id",),
    )

    def __init__(self, id: Id, written_id: bytes, line: bytes, question: Question) -> None:
        self.id, self.written_id, self.line, self.question = id, written_id, line, question
        self.task: asyncio.Task[None] | None = None
        self.future: asyncio.Future[bytes] | None = None
        """The server's answer, once it has been asked."""
        self.as_of = 0
        """How often something had been forgotten when the server was asked."""
        self.is_awaited = False
        self.cancelled_by: bytes | None = None


class Calls:
    """The calls that are being answered."""

    def __init__(self, answers: Answers, to_client: Send, to_server: Send, awaited: Awaited):
        self._answers, self._awaited = answers, awaited
        self._to_client, self._to_server = to_client, to_server
        self._asked: dict[Id, _Asked] = {}
        self._upstream: dict[Id, _Asked] = {}
        self._seen: set[Question] = set()
        self._unbooked: dict[Question, _Asked] = {}
        self._times_forgotten = 0

    @property
    def are_waiting(self) -> bool:
        """Whether any call has neither been answered nor sent to the server."""
        return any(asked.future is None for asked in self._asked.values())

    def ask(self, line: bytes, seen: Message, question: Question) -> None:
        """Answer the call on *line*, now if the answer is at hand."""
        id = identity(seen.id)
        if id is None or id in self._asked or id in self._awaited:
            self.leave_to_server(id)
            self._to_server(line + b"\n")
            return
        asked = _Asked(id, bytes(seen.id), line, question)  # type: ignore[arg-type]
        if self._is_new(question):
            self._ask_server(asked)
            if not events.listeners:  # who would have to hear of it now
                self._unbooked[question] = asked
                return
        elif (first := self._unbooked.pop(question, None)) is not None:
            self._begin(first)
        self._begin(asked)

    def _is_new(self, question: Question) -> bool:
        """Whether nobody can have the answer, so that the server may be asked before all else."""
        if not self._answers.is_local or question in self._seen:
            return False
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen.add(question)
        return True

    def _begin(self, asked: _Asked) -> None:
        begun = bridge.now_or_task(self._answer(asked))
        if isinstance(begun, asyncio.Task):
            asked.task, self._asked[asked.id] = begun, asked
            begun.add_done_callback(lambda _: self._asked.pop(asked.id, None))

    def _enter(self, asked: _Asked) -> None:
        """Open the books for an answer that has come, unless it was forgotten or somebody did."""
        if self._unbooked.get(asked.question) is asked:
            del self._unbooked[asked.question]
            self._begin(asked)

    def forget(self, effects: Effects) -> None:
        """What was asked and has not been entered never will be: *effects* may have changed it."""
        self._times_forgotten += 1
        self._unbooked.clear()
        if effects.exclusive:  # there is no answer left to anything
            self._seen.clear()

    def cancel(self, id: Id, line: bytes) -> bool:
        """Let go of the call *id* because of *line*; False if it is none of these.

        The server hears of it only if nobody else waits for the same.
        """
        asked = self._asked.get(id) or self._upstream.get(id)
        if asked is None:
            return False
        asked.cancelled_by = asked.cancelled_by or line
        if asked.task is not None and not asked.task.done():
            asked.task.cancel()
        elif not asked.is_awaited:
            self._unbooked.pop(asked.question, None)
            self._cancel_upstream(asked)
        return True

    def let_go(self) -> None:
        """An answer has come that cannot be told from others: who waits asks for itself."""
        for id in list(self._upstream):
            self.leave_to_server(id)

    def leave_to_server(self, id: Id | None) -> None:
        """The client uses *id* again before its answer: whose answer would be whose?"""
        if id is not None and id in self._upstream and (came := self._awaited.pop(id, None)):
            came(Message())

    async def _answer(self, asked: _Asked) -> None:
        result: bytes | None = None
        try:
            result = await self._answers.read(asked.question, partial(self._run, asked))
        except asyncio.CancelledError:
            if asked.future is not None and not asked.is_awaited:
                self._cancel_upstream(asked)
            raise
        except (ToolFailed, Unfinished):
            pass
        except Exception:
            log.warning("a call of %s goes past the cache", asked.question.tool, exc_info=True)
        if asked.future is not None:
            return  # the answer of the server passes as it comes
        if result is None:
            self._to_server(asked.line + b"\n")
        else:
            self._to_client(response(asked.written_id, without_promise(result)))

    def _ask_server(self, asked: _Asked) -> asyncio.Future[bytes]:
        asked.future = asyncio.get_running_loop().create_future()
        asked.as_of = self._times_forgotten
        self._upstream[asked.id] = asked
        self._awaited[asked.id] = partial(self._responded, asked, asked.future)
        self._to_server(asked.line + b"\n")
        return asked.future

    async def _run(self, asked: _Asked) -> bytes:
        """The server's answer, for this one and all who join it."""
        if asked.future is not None and asked.as_of != self._times_forgotten:
            raise Unfinished  # begun before the change, and not in the books when that was entered
        asked.is_awaited = True
        try:
            return await (asked.future or self._ask_server(asked))
        except asyncio.CancelledError:
            self._cancel_upstream(asked)
            raise

    def _cancel_upstream(self, asked: _Asked) -> None:
        if self._upstream.pop(asked.id, None) is not None:
            self._awaited.pop(asked.id, None)
            self._to_server((asked.cancelled_by or _cancelled(asked.id)) + b"\n")

    def _responded(self, asked: _Asked, future: asyncio.Future[bytes], seen: Message) -> Fate:
        self._upstream.pop(asked.id, None)
        worth = worth_of(seen.result)
        if self._unbooked.get(asked.question) is asked:
            if worth == "shared":  # the client has its answer first
                future.get_loop().call_soon(self._enter, asked)
            else:
                del self._unbooked[asked.question]
        if worth == "shared":
            future.set_result(bytes(seen.result))  # type: ignore[arg-type]
        else:
            future.set_exception(ToolFailed() if worth == "failed" else Unfinished())
            future.exception()  # seen, should nobody wait any more
        return PASS if asked.cancelled_by is None else DROP


def _cancelled(id: Id) -> bytes:
    return notification("notifications/cancelled", {"requestId": id}).rstrip(b"\n")
