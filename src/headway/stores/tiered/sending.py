"""From the journal to the second tier: what callers kept, one batch after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ... import clock, events
from ...scope import current
from ..entry import Entry, Key
from .attempt import OutOfReach, Refused
from .journal import Journal
from .second_tier import Here, SecondTier, settle

MOST_AT_ONCE: Final = 100

Readied = Callable[[Key, Entry], Entry | None]
"""The entry as the second tier is to have it; None if it must not."""


class Writing:
    """Sends what the journal holds, on the loop of whoever asks; each loop has one writer.

    *on_cut* is called when a loop ended before its writes were sent; they are in the journal then.
    """

    def __init__(
        self,
        tier: SecondTier,
        journal: Journal,
        readied: Readied,
        on_cut: Callable[[], None],
    ) -> None:
        self._tier, self._journal, self._readied, self._on_cut = tier, journal, readied, on_cut

    async def flush(self) -> None:
        """Return when what was written before this call is sent, or after ``soft_s``.

        Raises what the second tier said, if it is alive and did not take it.
        """
        here = self._tier.here()
        waiter = here.waiter()
        here.flushing.append(waiter)
        if here.writer is None:
            here.writer = here.begin(self._write(here))
        timer = clock.call_later(self._tier.soft_s, partial(settle, [waiter], None))
        try:
            answer: Any = await waiter
        finally:
            timer.cancel()
            here.waiters.discard(waiter)
        if isinstance(answer, Exception):
            raise answer

    async def _write(self, here: Here) -> None:
        try:
            while here.flushing and self._tier.breaker.is_up:
                waiting, here.flushing = here.flushing, []
                settle(waiting, await self._drained(waiting))
        finally:
            here.writer = None
            settle(here.flushing, None)
            here.flushing = []

    async def _drained(self, waiting: list[asyncio.Future[Any]]) -> Exception | None:
        """Why not all was sent, as far as a caller has to know."""
        try:
            while batch := self._journal.take(MOST_AT_ONCE):
                await self.push(batch, is_patient=False)
        except OutOfReach:
            return None
        except Refused as refused:
            cause = refused.__cause__
            assert isinstance(cause, Exception)
            if all(waiter.done() for waiter in waiting):
                self._tell(cause)
            return cause
        return None

    async def push(
        self, batch: Mapping[Key, Entry], *, is_patient: bool = True, only_if_newer: bool = False
    ) -> int:
        """Send *batch*, which was taken from the journal; how many entries went.

        Raises:
            OutOfReach: it is in the journal again.
            Refused: the second tier did not take it, and will not.
        """
        is_settled = False
        try:
            if self._tier.store.ledger.state is None:  # what it counts must be known first
                await self._tier.attempt(self._tier.store.catch_up, limit_s=self._tier.hard_s)
            ready = {key: self._readied(key, entry) for key, entry in batch.items()}
            sent = {key: entry for key, entry in ready.items() if entry is not None}
            if only_if_newer and sent:
                sent = await self._newer_than_there(sent)
            if sent:
                await self._tier.attempt(
                    partial(self._tier.store.set_many, sent),
                    limit_s=self._tier.hard_s,
                    is_patient=is_patient,
                    may_be_refused=True,
                )
            is_settled = True
            return len(sent)
        except Refused:
            is_settled = True
            raise
        except asyncio.CancelledError:
            self._journal.put_back(batch)
            is_settled = True
            self._on_cut()
            raise
        finally:
            if not is_settled:
                self._journal.put_back(batch)

    async def _newer_than_there(self, entries: dict[Key, Entry]) -> dict[Key, Entry]:
        """Those that the store has not, or has older: another process may have been there first."""
        keys = list(entries)
        there = await self._tier.attempt(
            partial(self._tier.store.get_many, keys), limit_s=self._tier.hard_s
        )
        return {
            key: entries[key]
            for key, found in zip(keys, there)
            if found is None or found.made_at < entries[key].made_at
        }

    def _tell(self, error: Exception) -> None:
        if events.listeners:
            events.emit(
                events.StoreFailed(
                    at=clock.now(),
                    run=current.get().run,
                    store=self._tier.store.name,
                    error=type(error).__name__,
                )
            )
