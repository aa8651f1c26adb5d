"""What is to be written, gathered until all that came at once has been worked on.

A system call in the midst of computing throws out what the processor had at hand: requests are
understood side by side, and then written side by side. What nobody waits for is done after that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("headway.gateway")


class Writable(Protocol):
    """A transport, as far as it is written to."""

    def write(self, data: bytes, /) -> object:
        """Send *data*."""


class Outbox:
    """Writes at the end of the loop's present turn; belongs to one loop.

    Attributes:
        turn: Another number after each writing: what was given in this one is not written yet.
    """

    def __init__(self) -> None:
        self.turn = 0
        self._pending: list[tuple[Writable, bytes]] = []
        self._steps: list[Callable[[], None]] = []
        self._is_awaited = False
        self._loop: asyncio.AbstractEventLoop | None = None  # of the first write

    def write(self, transport: Writable, data: bytes) -> None:
        """Write *data* to *transport*, after all that was written before."""
        self._pending.append((transport, data))
        if not self._is_awaited:
            self._await_end()

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take *step* in this turn still, when all has been written."""
        self._steps.append(step)
        if not self._is_awaited:
            self._await_end()

    def _await_end(self) -> None:
        self._is_awaited = True
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._is_awaited = False
        self.flush()
        steps, self._steps = self._steps, []
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("a step after an answer failed")

    def flush(self) -> None:
        """Write now what was gathered: somebody is about to close."""
        pending, self._pending = self._pending, []
        self.turn += 1
        for transport, data in pending:
            try:
                transport.write(data)
            except Exception:  # one that is broken must not silence the others
                log.debug("a transport takes no more", exc_info=True)
