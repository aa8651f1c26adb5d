"""Memory in front, and behind it a store that others share and that may fail."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Literal

from ... import clock
from ...clock import Duration
from ...errors import BadSetup
from ..entry import Entry, Key, StoreStatistics
from ..ledger import Verdict
from ..memory import MemoryStore
from ..shared import Ending, Lease, SharedStore
from .announcing import sound
from .attempt import AtMost, OutOfReach
from .breaker import Breaker
from .journal import Announcement, Journal
from .leases import TierLeases
from .marks import Marks
from .memory_contents import held, is_void, keys_held, uses
from .news import Hearing, Hears, tag_of
from .repair import Repair
from .second_tier import SecondTier
from .sending import Writing
from .statistics import as_served, of_both

log = logging.getLogger("headway.stores")

JOURNAL_BYTES: Final = 64_000_000
"""Values of so many bytes are held for a second tier that is down; mostly memory holds them too."""


class TieredStore:
    """Answers from memory, then from *second*, and goes on from memory while that is down.

    A look-up or a write waits for the second tier at most *soft_timeout*; what comes until
    *hard_timeout* still reaches memory. First contact, a lease and an invalidation may take that
    long themselves. An error, or no answer in time, takes it down (``state``): nobody waits any
    more, and one probe every *probe_every*, in the background, finds out when it is back. What was
    written and made void meanwhile is told to it then; if it had lost its data, it is given what
    memory holds. While it is down leases are given out here, so that work goes on.

    With ``strict=True`` an entry with tags is served only after the second tier said that it knows
    of no newer invalidation; if it does not answer, there is none. ``invalidate``, ``delete`` and
    ``clear`` raise ConnectionError then if they did not reach it, though they will. Entries
    without tags are served as ever.

    If news of invalidations were lost for good, what memory held before is in doubt: it is asked
    for again while the second tier is up, and if that has nothing it is served as stale, if its
    author allowed that.

    Raises:
        BadSetup: a duration is none, or the soft time-out is longer than the hard one.
    """

    is_local = False
    is_shared = True

    def __init__(
        self,
        memory: MemoryStore | None,
        second: SharedStore,
        *,
        strict: bool = False,
        soft_timeout: Duration = "50ms",
        hard_timeout: Duration = "1s",
        probe_every: Duration = "500ms",
    ) -> None:
        soft_s = _seconds("soft_timeout", soft_timeout)
        hard_s = _seconds("hard_timeout", hard_timeout)
        probe_every_s = _seconds("probe_every", probe_every)
        if soft_s > hard_s:
            raise BadSetup(
                f"TieredStore(soft_timeout={soft_timeout!r}) is longer than "
                f"hard_timeout={hard_timeout!r}; a look-up waits for the soft one only"
            )
        self.memory = MemoryStore() if memory is None else memory
        self.second, self.second_name, self.ledger = second, second.name, second.ledger
        self.name = f"memory+{second.name}"
        self.strict = self._is_careful = strict
        self._recall = self.memory.peek
        self._is_quiet = True
        self._found = self._missed = self._peeked = self._passed_over = 0
        self._breaker = Breaker(probe_every_s)
        self._tier = SecondTier(
            second,
            self._breaker,
            soft_s=soft_s,
            hard_s=hard_s,
            joins_late=not strict,
            mark=self.mark,
            on_found=self._promoted,
            on_down=self._went_down,
        )
        # What is yet to be sent is held beside what memory holds, so it may be as much at most.
        most = min(JOURNAL_BYTES, self.memory.max_bytes or JOURNAL_BYTES)
        self._marks, self._journal = Marks(), Journal(most)
        self._hearing = Hearing(
            self.memory,
            second.ledger,
            self._marks,
            self._journal,
            on_loss=self._lost_its_data,
            on_doubt=self._came_in_doubt,
        )
        self._writing = Writing(self._tier, self._journal, self._readied, self._was_cut)
        self._repair = Repair(
            self._tier,
            self._journal,
            self._writing,
            own=self._hearing.own,
            name=self.name,
            probe_every_s=probe_every_s,
            uses=self._uses,
            on_quiet=self._became_quiet,
            held=self._held,
        )
        self._leases = TierLeases(self._tier)
        _stores.add(self)

    @property
    def state(self) -> Literal["up", "down"]:
        """Whether callers ask the second tier."""
        return self._breaker.state

    @property
    def attempts(self) -> int:
        """How often the second tier was tried, probes among it."""
        return self._tier.attempts

    def mark(self) -> int:
        """Memory's count of invalidations; taken before work begins, given to its entry."""
        if not self._marks.is_met:
            self._hearing.meet()
        return self.memory.mark()

    def peek(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, if memory has it and it may be served unasked."""
        entry = self._recall(key)
        if self._is_quiet:
            self._stir()
        if entry is None:
            self._peeked += 1
        elif self._is_careful and not self._is_certain(entry):
            self._passed_over += 1
            return None
        return entry

    def _is_certain(self, entry: Entry) -> bool:
        if self.strict and entry.tags:
            return False
        return entry.mark >= self._marks.sure_from or not self._breaker.is_up

    async def get(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, from memory or the second tier."""
        entry = self._recall(key)
        if entry is None:
            return await self.refetch(key)
        return await self._certain(key, entry)

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        """The entries under *keys*, in their order; the second tier is asked once for all."""
        entries = {key: self._recall(key) for key in keys}
        absent = [key for key, entry in entries.items() if entry is None]
        if self._is_careful:
            here = [(key, entry) for key, entry in entries.items() if entry is not None]
            sure = await asyncio.gather(*[self._certain(key, entry) for key, entry in here])
            entries.update(zip([key for key, _ in here], sure))
        entries.update(zip(absent, await self._fetched(absent) if absent else ()))
        return [entries[key] for key in keys]

    async def refetch(self, key: Key) -> Entry | None:
        """What the second tier has under *key*, whatever memory holds; None while it is down."""
        return (await self._fetched([key]))[0]

    async def _fetched(self, keys: Sequence[Key]) -> list[Entry | None]:
        tags = [tag_of(key) for key in keys]
        named = [(tag, key) for tag, key in zip(tags, keys) if tag is not None]
        entries: list[Entry | None] = [None] * len(keys)
        try:
            found = iter(await self._tier.find(named) if named else ())
            entries = [None if tag is None else next(found) for tag in tags]
        except OutOfReach:
            self._see_to_it()
        answered = sum(entry is not None for entry in entries)
        self._found += answered
        self._missed += len(entries) - answered
        return entries

    async def _certain(self, key: Key, entry: Entry) -> Entry | None:
        """*entry*, which memory holds, or what is to be served instead."""
        if not self._is_careful or self._is_certain(entry):
            return entry
        self._passed_over += 1
        is_strict, tag = self.strict and bool(entry.tags), tag_of(key)
        try:
            if is_strict:
                await self._tier.check()
                checked = self._recall(key)
                if checked is not None and self._is_announced(checked, tag):
                    self._missed += 1
                    return None
                if checked is not None and checked.mark >= self._marks.sure_from:
                    return checked
            found = (await self._tier.find([(tag, key)]))[0] if tag is not None else None
        except OutOfReach:
            self._see_to_it()
            self._missed += is_strict
            return None if is_strict else entry
        self._found += found is not None
        self._missed += found is None
        return self._in_doubt(key, entry, is_strict) if found is None else found

    def _in_doubt(self, key: Key, doubtful: Entry, is_strict: bool) -> Entry | None:
        """What may be served of an entry that could have been invalidated unheard."""
        if held(self.memory, key) is not doubtful:
            return None
        self.memory.drop(key)
        if is_strict or doubtful.stale_until <= doubtful.fresh_until:
            return None
        stale = doubtful.with_mark(self.mark())
        stale.fresh_until = min(stale.fresh_until, clock.now())
        self.memory.keep(key, stale)
        return stale

    def _promoted(self, key: Key, tag: str, found: Entry, mark: int) -> Entry | None:
        """Keep in memory what the second tier had; None if it became void on the way.

        *mark* was taken before it was asked for.
        """
        entry, tags = found.with_mark(mark), (*found.tags, tag)
        # What is void here but not there yet first: once it is there, the ledger knows.
        if self._journal.covers(tags) or self.ledger.verdict(found.mark, tags) is Verdict.VOID:
            return None
        if is_void(self.memory, entry, tag):
            return None
        there = held(self.memory, key)
        if there is not None and there.made_at > entry.made_at and self._is_certain(there):
            return None if is_void(self.memory, there, tag) else there
        return entry if self._keep(key, entry, tag) else None

    def _keep(self, key: Key, entry: Entry, tag: str | None) -> bool:
        """Keep *entry* in memory; False if it became void meanwhile, heard of on another thread."""
        self.memory.keep(key, entry)
        if tag is not None:
            self._hearing.keys.add(tag, key)
        if not is_void(self.memory, entry, tag):
            return True
        if held(self.memory, key) is entry:
            self.memory.drop(key)
        return False

    async def set(self, key: Key, entry: Entry) -> None:
        """Keep *entry* in memory at once, and in the second tier; waits for that but a moment.

        Raises what the second tier said if it is alive and cannot keep anything.
        """
        await self.set_many({key: entry})

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Keep each entry under its key, as ``set`` does."""
        noted = [self._noted(key, entry) for key, entry in entries.items()]
        if any(noted) and self._breaker.is_up:
            await self._writing.flush()
        self._see_to_it()

    def _noted(self, key: Key, entry: Entry) -> bool:
        """Keep *entry* in memory; True if it is noted for the second tier as well."""
        tag = tag_of(key)
        if is_void(self.memory, entry, tag):
            if is_void(self.memory, entry):
                self.memory.keep(key, entry)  # refuses it, and counts that
            return False
        if not self._keep(key, entry, tag) or tag is None or entry.is_private:
            return False
        self._journal.write(key, entry)
        return True

    def _readied(self, key: Key, entry: Entry) -> Entry | None:
        """*entry* for the second tier, marked with its count; None if it must not go there."""
        self._hearing.meet()
        claim, tag = self._marks.claim(), tag_of(key)  # before it is looked at
        if not self._marks.may_be_sent(entry.mark) or self._is_announced(entry, tag):
            return None
        return None if is_void(self.memory, entry, tag) else entry.with_mark(claim)

    def _is_announced(self, entry: Entry, tag: str | None) -> bool:
        """Whether the second tier has yet to hear of an invalidation that voids *entry* there."""
        return self._journal.covers(entry.tags if tag is None else (*entry.tags, tag))

    def _held(self) -> list[tuple[Key, Entry]]:
        """What memory holds that others may have."""
        entries = [(key, held(self.memory, key)) for key in keys_held(self.memory)]
        return [
            (key, entry)
            for key, entry in entries
            if entry is not None and not entry.is_private and clock.now() < entry.stale_until
        ]

    async def delete(self, key: Key) -> None:
        """Forget *key* here and, as soon as may be, everywhere; harmless if it is not there."""
        self.memory.drop(key)
        self._journal.forget(key)
        tag = tag_of(key)
        if tag is not None:
            await self._announce((tag,), partial(self._deleted_everywhere, tag, key))

    async def _deleted_everywhere(self, tag: str, key: Key) -> None:
        await self.second.invalidate((tag,))
        await self.second.delete(key)

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every entry void that carries one of *tags*, here at once and then everywhere.

        If the second tier does not answer it is told on its return.

        Raises:
            BadSetup: a tag is no text that can be written as UTF-8; nothing is void then.
        """
        if tags := sound(tags):
            await self._announce(tags, partial(self.second.invalidate, tags))

    async def clear(self) -> None:
        """Make every entry void, here at once and then everywhere."""
        await self._announce((), self.second.clear)

    async def _announce(self, tags: Announcement, work: Callable[[], Awaitable[None]]) -> None:
        number = self._journal.announce(tags)  # first: who begins to look now must see it
        self._hearing.make_void(tags)

        async def announced() -> None:
            with self._hearing.own(tags):
                await work()
            self._journal.announced(number, tags)

        try:
            await self._tier.ask(announced, is_patient=True)
        except OutOfReach:
            self._see_to_it()
            if self.strict:
                raise
        except asyncio.CancelledError:
            self._was_cut()
            raise

    def listen(self, hears: Hears) -> None:
        """Call *hears* with what is made void: here at once, elsewhere when it is heard of."""
        self._hearing.listen(hears)

    async def catch_up(self) -> None:
        """Hear of every invalidation that was acknowledged before this call, or raise."""
        await self._tier.check()

    async def probe(self) -> None:
        """Return if the second tier answers."""
        await self.second.probe()

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        """The right to do the work on *key*, or None while somebody else has it."""
        return await self._leases.lease(key, seconds)

    async def renew(self, lease: Lease) -> bool:
        """Hold *lease* for its seconds from now; False if it ran out."""
        return await self._leases.renew(lease)

    async def release(self, lease: Lease, *, kept: bool) -> None:
        """Give *lease* back and wake who waits, told whether an answer was kept."""
        await self._leases.release(lease, kept=kept)

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        """Return when the lease on *key* is given back, has run out, or cannot be asked about."""
        return await self._leases.wait(key, at_most_s)

    async def aclose(self) -> None:
        """Send what can be sent, and let go of the second tier's connections, files and tasks.

        The next use opens them again.
        """
        await self._repair.finish()
        try:
            with suppress(TimeoutError):
                async with AtMost(self._tier.hard_s):
                    await self.second.aclose()
        finally:
            self._repair.reopen()

    def statistics(self) -> StoreStatistics:
        """Of the whole, and in ``tiers`` of memory and of the second tier, as it knows itself."""
        memory = as_served(
            self.memory.statistics(), passed_over=self._passed_over, peeked=self._peeked
        )
        return of_both(
            memory,
            self.second.statistics(),
            second_name=self.second_name,
            found=self._found,
            missed=self._missed,
            errors=self._tier.errors,
            unsent=self._journal.dropped,
        )

    def _uses(self) -> int:
        return uses(self.memory) + self._missed + self._found

    def _stir(self) -> None:
        """It is used again: the second tier is looked after from now on."""
        self._is_quiet = False
        self._repair.wake()

    def _became_quiet(self) -> None:
        self._is_quiet = True

    def _see_to_it(self) -> None:
        self._repair.see_to_it()

    def _went_down(self) -> None:
        self._repair.went_down()

    def _lost_its_data(self) -> None:
        self._repair.was_reborn()

    def _was_cut(self) -> None:
        self._repair.was_cut()

    def _came_in_doubt(self) -> None:
        self._is_careful = True
        self._repair.tell("in doubt", "invalidations were missed")

    def _after_fork(self) -> None:
        self._is_quiet = True
        self._breaker.start_anew()
        self._marks.start_anew()
        self._journal.start_anew()
        self._hearing.start_anew()
        self._tier.start_anew()
        self._repair.start_anew()


def _seconds(name: str, duration: Duration) -> float:
    try:
        seconds = clock.seconds(duration)
    except ValueError as wrong:
        raise BadSetup(f"TieredStore({name}=...): {wrong}") from None
    if seconds <= 0:
        raise BadSetup(f"TieredStore({name}={duration!r}): use more than 0")
    return seconds


_stores: weakref.WeakSet[TieredStore] = weakref.WeakSet()


def _repair_after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


os.register_at_fork(after_in_child=_repair_after_fork)
