"""What the server says of its invalidations reaches the ledger, in order and without a hole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ..ledger import Change, Ledger, State
from . import scripts
from .connections import Command, Reply
from .names import TAGS_LAST_S, Names, read_log, read_state, write_tags

LOG_LENGTH: Final = 10_000
_PAGE = 1_000  # of the log, in one reply

Exchange = Callable[[Sequence[Command]], Awaitable[Sequence[Reply]]]


class Record:
    """The ledger, and where its count stood when this process first met the server."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._first = 0
        self._lock = threading.Lock()

    def meet(self, state: State) -> bool:
        """Tell the ledger of *state*; True if changes were not heard of."""
        if self._first == 0:
            with self._lock:
                self._first = self._first or state.count
        return self.ledger.meet(state)

    def mark_of(self, mark: int) -> int:
        """*mark*; for an entry made by hand, which has none (0), that of the first meeting."""
        return mark or self._first


class Hearing:
    """One event loop's way of keeping the record up to date."""

    def __init__(self, record: Record, names: Names, exchange: Exchange) -> None:
        self._record, self._names, self._exchange = record, names, exchange
        self._replaying = asyncio.Lock()

    @property
    def known(self) -> State | None:
        """What is known now; to be given to ``take`` with what the server says later."""
        return self._record.ledger.state

    async def take(self, written: object, known: State | None) -> None:
        """Take note of the state as *written*, and hear of whatever it says has happened.

        *known* is what was known before the server was asked: one that says less than that has
        lost what it knew, as a missing state has, and begins anew.
        """
        state = read_state(written)
        if state is None or _is_behind(state, known):
            state = await self._begin(known)
        if self._record.meet(state):
            await self._replay(state)

    async def invalidate(self, asked: Sequence[tuple[str, ...]]) -> list[Exception | None]:
        """Make void what bears one of the tags, or everything where there are none.

        Returns, in the order of what was asked, None or why it was refused.
        """
        known = self.known
        replies = await self._exchange([self._invalidation(known, tags) for tags in asked])
        return [await self._note(tags, reply) for tags, reply in zip(asked, replies, strict=True)]

    async def _note(self, tags: tuple[str, ...], reply: Reply) -> Exception | None:
        if isinstance(reply, Exception):
            return reply
        state = _stated(reply)
        before = State(state.born, state.count - 1, min(state.cleared, state.count - 1))
        if self._record.meet(before):
            await self._replay(before)
        self._record.ledger.learn([Change(state.count, tags)])
        return None

    def _invalidation(self, known: State | None, tags: tuple[str, ...]) -> Command:
        names = self._names
        keys = [names.state, names.log, names.bus, *[names.tags + tag for tag in tags]]
        count = 0 if known is None else known.count
        arguments = (count, write_tags(tags), TAGS_LAST_S, LOG_LENGTH)
        return ("EVAL", scripts.INVALIDATE, len(keys), *keys, *arguments)

    async def _begin(self, known: State | None) -> State:
        count = 0 if known is None else known.count
        command = ("EVAL", scripts.BEGIN, 1, self._names.state, count)
        return _stated((await self._exchange([command]))[0])

    async def _replay(self, state: State) -> None:
        """Hear of what lies between; what the log does not have any more is given up."""
        ledger = self._record.ledger
        async with self._replaying:
            while ledger.born == state.born and (before := ledger.count) < state.count:
                since = f"{before + 1}-0"
                command = ("XRANGE", self._names.log, since, "+", "COUNT", _PAGE)
                changes = read_log((await self._exchange([command]))[0])
                if not ledger.learn(changes) or ledger.count == before:
                    ledger.give_up(state)


def _is_behind(state: State, known: State | None) -> bool:
    return known is not None and (state.born, state.count) < (known.born, known.count)


def _stated(reply: Reply) -> State:
    if isinstance(reply, Exception):
        raise reply
    state = read_state(reply)
    if state is None:
        raise ConnectionError(f"the server answered {reply!r} where its state was asked for")
    return state
