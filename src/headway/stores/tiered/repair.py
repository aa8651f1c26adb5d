"""Beside the callers: probes of a second tier that is down, and what it must be told on return."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from contextvars import Context
from typing import Final
from weakref import ReferenceType, ref

from ... import bridge, clock, events
from ...scope import current
from ..entry import Entry, Key
from .announcing import Announcing
from .attempt import AtMost, OutOfReach, Refused
from .journal import Journal
from .second_tier import SecondTier
from .sending import Writing

log = logging.getLogger("headway.stores")

BATCH: Final = 50
PACE_S: Final = 0.01
"""Between two batches of what memory holds, so that callers are not held up."""

HEARD_BEFORE_S: Final = 60.0
"""Invalidations of so long before a loss are announced again: not everybody may have heard."""

LATE_S: Final = 2.0
"""Who has not woken up so long after its time stands still: another takes over."""


class Tender:
    """Who tends the second tier now: a task on an event loop, which may stop without a word."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[object] | None = None
        self._wakes_at = math.inf

    def begin(self) -> None:
        """The running task is at work."""
        self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
        self._wakes_at = math.inf

    def sleeps(self, seconds: float) -> None:
        """It will wake up after *seconds*."""
        self._wakes_at = clock.monotonic() + seconds

    def has_stopped(self) -> bool:
        """True if its loop is closed, does not run, or did not wake it in time."""
        if self.loop is None:  # about to begin on the background loop
            return False
        is_late = clock.monotonic() > self._wakes_at + LATE_S
        return is_late or self.loop.is_closed() or not self.loop.is_running()

    def cancel(self) -> None:
        """End it; from any thread."""
        if self.loop is not None and self.task is not None:
            with suppress(RuntimeError):  # that loop is closed
                self.loop.call_soon_threadsafe(self.task.cancel)


class Repair:
    """Probes while the second tier is down, mends when it answers, and asks after it while in use.

    Memory may answer for so long that nobody would notice an outage, or a message that was lost. So
    while *uses* grows, the second tier is asked for its latest invalidation once in
    *probe_every_s*; when it does not grow any more *on_quiet* is called.

    Mending: hear what was missed; announce what was made void here meanwhile; send the writes that
    are still good. If the store had lost its data, also announce again what was heard shortly
    before, and send what memory holds. It runs on the loop where it was called for, on the
    background loop once that one ends, and if that one stands still on the next that comes by.
    *held* gives what memory holds; tags announced within *own*
    are not made void in memory once more.
    """

    def __init__(
        self,
        tier: SecondTier,
        journal: Journal,
        writing: Writing,
        *,
        name: str,
        own: Callable[[tuple[str, ...]], AbstractContextManager[None]],
        probe_every_s: float,
        uses: Callable[[], int],
        on_quiet: Callable[[], None],
        held: Callable[[], list[tuple[Key, Entry]]],
    ) -> None:
        self._tier, self._journal, self._writing, self._held = tier, journal, writing, held
        self._announcing = Announcing(tier, own)
        self._name, self._probe_every_s = name, probe_every_s
        self._limit_s = min(tier.hard_s, max(tier.soft_s, probe_every_s))
        self._uses, self._on_quiet = uses, on_quiet
        self._uses_seen, self._next_look = -1, 0.0
        self._is_reborn = self._is_closed = self._is_cut = False
        self._was_down_since: float | None = None
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody works there yet."""
        self._lock = threading.Lock()
        self._tender: Tender | None = None

    def went_down(self) -> None:
        """Begin to probe, and tell."""
        if self._was_down_since is None:
            self._was_down_since = clock.monotonic()
        reason = self._tier.breaker.reason
        log.warning("%s: %s is down: %s", self._name, self._tier.store.name, reason)
        self.tell("down", reason)
        self.wake()

    def was_reborn(self) -> None:
        """The second tier lost its data; what was heard shortly before is to be told again."""
        if recent := self._recent():
            self._journal.announce(recent)  # from now on nothing that it covers is promoted
        self._is_reborn = self._is_cut = True
        self.wake()

    def was_cut(self) -> None:
        """The running loop is ending before its writes were sent."""
        self._is_cut = True
        threading.Thread(target=self.wake, daemon=True).start()

    def tell(self, state: str, detail: str | None = None) -> None:
        """An event for whoever listens."""
        if events.listeners:
            events.emit(
                events.StoreStateChanged(
                    at=clock.now(),
                    run=current.get().run,
                    store=self._name,
                    state=state,
                    detail=detail,
                )
            )

    def wake(self) -> None:
        """See to it that somebody does what is to be done."""
        with self._lock:
            if self._is_closed or not self._is_untended():
                return
            tender = self._tender = Tender()
            self._next_look = clock.monotonic() + self._probe_every_s
        work = _tend(ref(self), tender)
        # Whoever comes by may be driving a call by hand: nothing of that belongs into the task.
        context = Context()
        context.run(current.set, current.get())
        try:
            tender.loop = asyncio.get_running_loop()
        except RuntimeError:
            bridge.background(work)
        else:
            tender.task = task = tender.loop.create_task(work, context=context)
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    def _is_untended(self) -> bool:
        return self._tender is None or self._tender.has_stopped()

    def see_to_it(self) -> None:
        """Take over from who stands still, and begin if the second tier is down."""
        if not self._tier.breaker.is_up or (self._tender is not None and self._is_untended()):
            self.wake()

    async def finish(self) -> None:
        """One last try to send what was not sent; nobody tends any more until ``reopen``."""
        with self._lock:
            self._is_closed = True
            tender, self._tender = self._tender, None
        if tender is not None:
            tender.cancel()
        self._on_quiet()
        if self._journal:
            with suppress(OutOfReach, TimeoutError):
                async with AtMost(self._tier.hard_s):
                    await self._mend()

    def reopen(self) -> None:
        """The next use begins anew."""
        self._is_closed = False

    def cut(self, tender: Tender) -> None:
        """*tender* is ending with its loop: another must go on."""
        with self._lock:
            if self._tender is not tender:
                return
            self._tender = None
        self._on_quiet()
        if not self._is_closed and (self._has_work() or not self._tier.breaker.is_up):
            # A thread without a loop, so that the background loop is taken.
            with suppress(RuntimeError):  # the interpreter is ending
                threading.Thread(target=self.wake, daemon=True).start()

    def wait_s(self, tender: Tender) -> float | None:
        """Seconds until *tender* has something to do; None if it has not, and is to end."""
        with self._lock:
            if self._tender is not tender:
                return None
            if not self._tier.breaker.is_up:
                return self._tier.breaker.wait_s()
            if self._has_work():
                return 0.0
            wait_s = self._next_look - clock.monotonic()
            if wait_s > 0:
                return wait_s
            if self._uses() != self._uses_seen:
                return 0.0
            self._tender = None
        self._on_quiet()
        return None

    def _has_work(self) -> bool:
        return self._is_reborn or self._is_cut

    async def step(self) -> None:
        """One probe, one mending, or one look."""
        self._next_look = clock.monotonic() + self._probe_every_s
        self._uses_seen = self._uses()
        try:
            if self._tier.breaker.is_up:
                if self._has_work():
                    await self._mend_all(is_back=False)
                else:
                    await self._look()
            elif self._tier.breaker.begin_probe():
                await self._mend_all(is_back=await self._is_quick())
        except OutOfReach:
            pass
        except Exception:
            log.exception("%s: mending %s failed", self._name, self._tier.store.name)

    async def _look(self) -> None:
        """Nobody waits for this, so that it can find an outage at nobody's cost."""
        await self._tier.attempt(self._tier.store.catch_up, limit_s=self._limit_s, is_patient=False)

    async def _mend_all(self, *, is_back: bool) -> None:
        """Also of a store that answers, but not in time for a caller: it *is_back* another time."""
        self._is_cut = False
        done = await self._mend()
        if is_back and self._tier.breaker.answered():
            self._is_cut = bool(self._journal)  # what came since is sent in the next step
            self._came_up()
        if self._is_reborn and not self._is_cut:  # else there is more to tell first
            self._is_reborn = False
            done["entries sent again"] = await self._send_all()
        if any(done.values()):
            self.tell("repaired", ", ".join(f"{count} {what}" for what, count in done.items()))

    async def _is_quick(self) -> bool:
        began = clock.monotonic()
        await self._tier.attempt(self._tier.store.probe, limit_s=self._limit_s)
        return clock.monotonic() - began <= self._tier.soft_s

    def _came_up(self) -> None:
        since, self._was_down_since = self._was_down_since, None
        seconds = 0.0 if since is None else clock.monotonic() - since
        log.info("%s: %s is up after %.1f s", self._name, self._tier.store.name, seconds)
        self.tell("up", f"after {seconds:.1f} s")

    async def _mend(self) -> dict[str, int]:
        """What was done, counted."""
        await self._tier.attempt(self._tier.store.catch_up, limit_s=self._tier.hard_s)
        upto, is_all, tags = self._journal.announcements()
        if is_all:
            await self._announcing.tell_all()
        await self._announcing.tell(tags)
        self._journal.all_announced(upto)
        writes = 0
        while batch := self._journal.take(BATCH):
            writes += await self._push(batch)
        return {"invalidations": is_all + len(tags), "writes": writes}

    def _recent(self) -> tuple[str, ...]:
        since = self._was_down_since
        down_s = 0.0 if since is None else clock.monotonic() - since
        return self._tier.store.ledger.recent(down_s + HEARD_BEFORE_S)

    async def _send_all(self) -> int:
        sent, held = 0, self._held()
        try:
            for first in range(0, len(held), BATCH):
                sent += await self._push(dict(held[first : first + BATCH]))
                await clock.sleep(PACE_S)
        except BaseException:
            self._is_reborn = True
            raise
        return sent

    async def _push(self, batch: dict[Key, Entry]) -> int:
        try:
            return await self._writing.push(batch, only_if_newer=True)
        except Refused as refused:
            log.debug("%s refuses writes: %r", self._tier.store.name, refused.__cause__)
            return 0


_tasks: set[asyncio.Task[None]] = set()


async def _tend(reference: ReferenceType[Repair], tender: Tender) -> None:
    """Do what is to be done until there is nothing; holds nobody alive while it waits."""
    repair = reference()
    try:
        while repair is not None:
            tender.begin()
            wait_s = repair.wait_s(tender)
            if wait_s is None:
                return
            if wait_s > 0:
                repair = None
                tender.sleeps(wait_s)
                await clock.sleep(wait_s)
                repair = reference()
            else:
                await repair.step()
    except (asyncio.CancelledError, GeneratorExit):
        repair = repair or reference()
        if repair is not None:
            repair.cut(tender)
        raise
