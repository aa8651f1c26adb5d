"""One process does the work, the others wait for its answer: leases of a shared store, in use."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeVar

from .. import bridge, clock
from ..stores import Entry
from ..stores.shared import Lease, SharedStore
from .store_failures import StoreFailures

T = TypeVar("T")

RELEASE_PATIENCE_S: Final = 0.05
"""A caller waits so long for a lease to be given back; then that goes on beside it."""


class Turn:
    """Leave to do the work, under a lease or, if there is none to be had, alone.

    ``async with turn`` gives the lease back at the end, and says that an answer was kept if
    ``is_kept`` was set. With ``goes_on`` set the end of the block is not the end of the work:
    somebody calls ``end`` later.
    """

    def __init__(self, store: SharedStore, lease: Lease | None, failures: StoreFailures) -> None:
        self.is_kept = self.goes_on = False
        self._store, self._lease, self._failures = store, lease, failures
        if lease is not None:
            self._loop = asyncio.get_running_loop()
            self._timer = clock.call_later(lease.seconds / 3, self._renew_soon)

    async def __aenter__(self) -> Turn:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is GeneratorExit:  # its loop was thrown away: the lease runs out by itself
            self._lease = None
        elif not self.goes_on or kind is not None:
            await self.end()

    async def end(self) -> None:
        """Give the lease back; waits for the store, but not long."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._timer.cancel()
            await _at_most(_begun(self._give_back(lease)), RELEASE_PATIENCE_S)

    def end_soon(self) -> None:
        """Give the lease back beside the caller, who may be on any thread."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(RuntimeError):  # that loop is closed, and its timers are gone
                self._loop.call_soon_threadsafe(self._timer.cancel)
            bridge.background(self._give_back(lease))

    async def _give_back(self, lease: Lease) -> None:
        try:
            await self._store.release(lease, kept=self.is_kept)
        except Exception as error:
            self._failures.note("release", error)

    def _renew_soon(self) -> None:
        if self._lease is not None:
            _begun(self._renew(self._lease))

    async def _renew(self, lease: Lease) -> None:
        try:
            is_ours = await self._store.renew(lease)
        except Exception as error:  # perhaps the next one comes through
            self._failures.note("renewal", error)
            is_ours = True
        if is_ours and self._lease is lease:
            self._timer = clock.call_later(lease.seconds / 3, self._renew_soon)


class Leases:
    """Decides, for work that is about to begin, whether it is this process that does it."""

    def __init__(self, store: SharedStore, seconds: float, failures: StoreFailures) -> None:
        self._store, self._seconds, self._failures = store, seconds, failures
        # Past a memory tier, which would give again what is about to be replaced.
        self._fetch = getattr(store, "refetch", store.get)

    async def turn(self, key: Hashable, known: Entry | None) -> Turn | Entry:
        """Leave to do the work on *key*; or what somebody else made meanwhile, newer than *known*.

        A store that fails gives leave: slower, not wrong.
        """
        try:
            while (lease := await self._lease(key)) is None:
                ending = await self._store.wait(key, self._seconds)
                if ending == "given up":  # what failed there may do so here, but not one by one
                    return self._turn(None)
                if ending == "kept":
                    # It may be gone again, or have no form to be written down: one more queue of
                    # processes for that would be one too many.
                    return await self._newer(key, known) or self._turn(await self._lease(key))
            return await self._unless_done(key, self._turn(lease), known)
        except Exception as error:
            self._failures.note("lease", error)
            return self._turn(None)

    def _turn(self, lease: Lease | None) -> Turn:
        return Turn(self._store, lease, self._failures)

    async def _unless_done(self, key: Hashable, turn: Turn, known: Entry | None) -> Turn | Entry:
        """Between the look-up and the lease somebody may have finished."""
        try:
            entry = await self._newer(key, known)
        except Exception as error:
            self._failures.note("look-up", error)
            entry = None
        except asyncio.CancelledError:
            await turn.end()
            raise
        if entry is None:
            return turn
        turn.is_kept = True
        await turn.end()
        return entry

    async def _newer(self, key: Hashable, known: Entry | None) -> Entry | None:
        entry: Entry | None = await self._fetch(key)
        return entry if is_newer(entry, known, clock.now()) else None

    async def _lease(self, key: Hashable) -> Lease | None:
        asking = _begun(self._store.lease(key, self._seconds))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:  # a lease that comes now is nobody's
            asking.add_done_callback(self._hand_back)
            raise

    def _hand_back(self, asking: asyncio.Task[Lease | None]) -> None:
        if not asking.cancelled() and asking.exception() is None:
            self._turn(asking.result()).end_soon()


def is_newer(entry: Entry | None, known: Entry | None, now: float) -> bool:
    """Whether *entry* is fresh, and not the one that is *known* already."""
    if entry is None or now >= entry.fresh_until:
        return False
    return known is None or entry.made_at > known.made_at


_tasks: set[asyncio.Task[Any]] = set()


def _begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """*work* in a task that ends when it is done, whoever leaves."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)  # the loop itself holds tasks weakly
    task.add_done_callback(_tasks.discard)
    return task


async def _at_most(task: asyncio.Task[None], seconds: float) -> None:
    """Return when *task* is done, or after *seconds*; it goes on then."""
    over = asyncio.get_running_loop().create_future()

    def wake(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_later(seconds, wake)
    task.add_done_callback(wake)
    try:
        await over
    finally:
        timer.cancel()
