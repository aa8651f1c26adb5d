"""What processes tell each other: invalidations and leases given back."""

from __future__ import annotations

import weakref
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ...errors import HeadwayError
from ..ledger import Change, Ledger
from .leases import Waiters
from .schema import Books
from .wake import MOST_BYTES, Bell

MANY = 8
"""So many messages at once, and others may have found no room."""


class Invalidated(msgspec.Struct, frozen=True, tag="i", array_like=True):
    """Invalidation *number* of a store born at *born*; None: too many tags for a message."""

    born: int
    number: int
    tags: tuple[str, ...] | None


class Released(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """The lease *token* on *name* was given back."""

    name: str
    token: str
    kept: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Invalidated | Released).decode


class News:
    """Tells the others, and passes on what they tell to *ledger* and *waiters*.

    After every message *look* reads the tables, so that a message lost is made good by the next.
    Where no socket can be had nothing is said or heard; *errors* counts that once.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        waiters: Waiters,
        errors: Counter[str],
        look: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._waiters = waiters
        self._errors = errors
        self._look = look
        self._bell: Bell | None = None
        self._is_deaf = False
        self._last: weakref.ref[AbstractEventLoop] | None = None

    def attend(self, loop: AbstractEventLoop) -> None:
        """Hear on *loop*, the running one, from now on."""
        if self._is_deaf or (self._last is not None and self._last() is loop):
            return
        try:
            if self._bell is None:
                self._bell = Bell(self._folder / "wake", self.hear)
            self._bell.attend(loop)
            self._last = weakref.ref(loop)
        except (OSError, HeadwayError, NotImplementedError) as error:
            self._is_deaf = True
            self._errors[f"no wake-ups: {type(error).__name__}"] += 1

    def invalidated(self, books: Books, tags: tuple[str, ...]) -> None:
        """Tell of an invalidation that is committed; from any thread."""
        if books.born == self._ledger.born:
            self._ledger.learn([Change(books.number, tags)])
        message = _encode(Invalidated(books.born, books.number, tags))
        if len(message) > MOST_BYTES:
            message = _encode(Invalidated(books.born, books.number, None))
        self._ring(message)

    def released(self, name: str, token: str, kept: bool) -> None:
        """Tell of a lease that is given back; from any thread."""
        self._waiters.tell(name, token, kept)
        self._ring(_encode(Released(name, token, kept)))

    def hear(self, messages: Sequence[bytes]) -> None:
        """Take note of what others, or this process, have told."""
        for message in messages:
            try:
                told = _decode(message)
            except (msgspec.DecodeError, ValueError):
                continue
            if isinstance(told, Released):
                self._waiters.tell(told.name, told.token, told.kept)
            elif told.tags is not None and told.born == self._ledger.born:
                self._ledger.learn([Change(told.number, told.tags)])
        self._look()
        if len(messages) >= MANY:
            self._waiters.look_again()

    def close(self) -> None:
        """Hear and say nothing more."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def abandon(self) -> None:
        """In a forked child: the sockets are the parent's."""
        if self._bell is not None:
            self._bell.abandon()

    def _ring(self, message: bytes) -> None:
        if self._bell is not None:
            self._bell.ring(message)
