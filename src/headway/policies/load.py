"""Work under way for a store: begun when it is this process's turn, kept unless it became void."""

from __future__ import annotations

import asyncio
import copy as copying
import logging
from collections.abc import Callable, Collection, Hashable
from functools import partial
from itertools import count
from typing import Any

from .. import bridge, clock
from ..call import Call, Proceed
from ..errors import NoKey
from ..stores import Entry, Store
from ..stores.ledger import tag_of_key
from ..stream import Recording, Stream
from .freshness import Freshness
from .kept_errors import KeptErrors
from .last_answer import Making, making
from .lease import Leases, Turn
from .privacy import Privacy
from .store_failures import StoreFailures
from .tags import Tags, tags_of

log = logging.getLogger("headway.policies")


class Load:
    """One piece of work: what it is about, and what became of it meanwhile."""

    __slots__ = (
        *("errors_mark", "goes_on", "is_forgotten", "is_private", "key", "making", "mark"),
        *("tags", "turn"),
    )

    def __init__(
        self, key: Hashable, tags: tuple[str, ...], making: Making, *, is_private: bool
    ) -> None:
        self.key, self.tags, self.making, self.is_private = key, tags, making, is_private
        self.mark = self.errors_mark = 0
        self.turn: Turn | None = None
        self.goes_on = self.is_forgotten = False

    def forget(self) -> None:
        """Let its answer not be kept, and let nobody wait for it who asks from now on."""
        self.is_forgotten = True
        if self.turn is not None:
            self.turn.end_soon()


class Loads:
    """Everything that is being made for one cache, and the way from an answer to its entry."""

    def __init__(
        self,
        store: Store,
        freshness: Freshness,
        privacy: Privacy,
        failures: StoreFailures,
        *,
        tags: Tags,
        copies: bool,
        errors: KeptErrors | None,
        leases: Leases | None,
        far: str,
    ) -> None:
        self._store, self._freshness, self._privacy = store, freshness, privacy
        self._failures, self._tags, self._copies = failures, tags, copies
        self._errors, self._leases, self._far = errors, leases, far
        self._under_way: set[Load] = set()
        self.when_kept: Callable[[Hashable], None] = lambda key: None
        self.unchanged = self.taken = self.kept = self.found = 0
        self._count = count(1)

    async def look_or_run(
        self, key: Hashable, kept_before: int, proceed: Proceed, call: Call
    ) -> Any:
        """``run``, unless the answer was kept since the caller looked: it came from elsewhere.

        *kept_before* is ``kept`` as it was then; if it is still the same, a look would only miss.
        """
        entry = self._peek(key) if self.kept != kept_before and self._store.is_local else None
        now = clock.now()
        if entry is None or now >= entry.fresh_until:
            return await self.run(key, None, proceed, True, call)
        self.found += 1
        call.source, call.tier, call.age_s = "hit", self._far, max(0.0, now - entry.made_at)
        return entry.value

    def _peek(self, key: Hashable) -> Entry | None:
        try:
            return self._store.peek(key)
        except Exception as error:
            self._failures.note("look-up", error)
            return None

    async def run(
        self, key: Hashable, known: Entry | None, proceed: Proceed, is_counted: bool, call: Call
    ) -> Any:
        """The answer of ``proceed(call)``, kept; or of another process that was quicker.

        *known* is the entry it replaces; what takes a private one's place is private too.
        """
        load = Load(
            key,
            tags_of(self._tags, call),
            Making(known, copies=self._copies),
            is_private=self._privacy.covers(call) or (known is not None and known.is_private),
        )
        self._under_way.add(load)
        try:
            if self._leases is None or load.is_private:
                return await self._made(load, call, proceed)
            turn = await self._leases.turn(key, known)
            if isinstance(turn, Turn):
                return await self._made_in(turn, load, call, proceed)
            self.taken += is_counted
            self.when_kept(key)
            call.source, call.tier = "joined", self._far
            return turn.value
        finally:
            if not load.goes_on:
                self._leave_when_landed(load)

    def _leave_when_landed(self, load: Load) -> None:
        """Count *load* as under way until nobody can join it any more.

        Between its last step and the landing of its task somebody may invalidate, and ask anew.
        """
        loop = asyncio.get_running_loop()
        # The second turn comes after the one in which Share lets go of the task.
        loop.call_soon(loop.call_soon, self._under_way.discard, load)

    async def _made_in(self, turn: Turn, load: Load, call: Call, proceed: Proceed) -> Any:
        load.turn = turn
        async with turn:
            if load.is_forgotten:  # while it waited: nobody else is to wait for it
                await turn.end()
            answer = await self._made(load, call, proceed)
            turn.goes_on = load.goes_on
            return answer

    async def _made(self, load: Load, call: Call, proceed: Proceed) -> Any:
        load.mark = self._store.mark()
        load.errors_mark = 0 if self._errors is None else self._errors.mark()
        making.set(load.making)  # in the context of a task that Share made for this
        keeps = call.operation.keeps
        try:
            answer = await proceed(call)
        except Exception as error:
            if self._errors is not None and not load.is_forgotten:
                own_tag = _tag_of(load.key)  # so that other processes can drop it by its question
                tags = load.tags if own_tag is None else (*load.tags, own_tag)
                self._errors.keep(load.key, error, tags, load.errors_mark)
            raise
        if isinstance(answer, Stream):
            # Kept when complete: a broken or abandoned one is not an answer.
            load.goes_on, recording = True, answer.recording
            recording.when_done(partial(self._stream_done, load, recording, keeps))
        elif _is_kept(keeps, answer):
            await self._keep(load, answer)
        return answer

    def _stream_done(
        self,
        load: Load,
        recording: Recording[Any],
        keeps: Callable[[Any], bool] | None,
        error: BaseException | None,
    ) -> None:
        stream = Stream(recording)
        if error is None and _is_kept(keeps, stream):
            bridge.now_or_background(self._keep_stream(load, stream))
            return
        self._under_way.discard(load)
        if load.turn is not None and not isinstance(error, GeneratorExit):
            load.turn.end_soon()  # else its loop was thrown away: the lease runs out by itself

    async def _keep_stream(self, load: Load, stream: Stream[Any]) -> None:
        if not self._store.is_local:
            await bridge.on_a_loop()
        try:
            await self._keep(load, stream)
        finally:
            self._under_way.discard(load)
            if load.turn is not None:
                await load.turn.end()

    async def _keep(self, load: Load, answer: object) -> None:
        entry = None if load.is_forgotten else self._entry(load, answer)
        if entry is None:
            return
        try:
            await self._store.set(load.key, entry)
            self.kept = next(self._count)
            if load.is_forgotten:  # while a slow store was writing
                await self._store.delete(load.key)
                return
        except Exception as error:
            self._failures.note("store", error)
            return
        if self._errors is not None:
            self._errors.drop(load.key)
        if load.turn is not None:
            load.turn.is_kept = True
        self.when_kept(load.key)

    def _entry(self, load: Load, answer: object) -> Entry | None:
        now = clock.now()
        times = self._freshness.times_of(answer, now)
        if times is None:
            return None
        same = load.making.unchanged(answer)
        self.unchanged += same is not None
        return Entry(
            self._held(answer) if same is None else same.value,
            made_at=now,
            fresh_until=times.fresh_until,
            stale_until=times.stale_until,
            tags=load.tags,
            version=load.making.version or ("" if same is None else same.version),
            mark=load.mark,
            is_private=load.is_private,
        )

    def _held(self, answer: Any) -> Any:
        return copying.deepcopy(answer) if self._copies and type(answer) is not Stream else answer

    def keys_with(self, tags: Collection[str]) -> set[Hashable]:
        """The keys of work under way whose answer will bear one of *tags*, said or unsaid."""
        wanted, loads = set(tags), list(self._under_way)
        found = {load.key for load in loads if wanted.intersection(load.tags)}
        if any(tag.startswith("=") for tag in wanted):
            found.update(load.key for load in loads if _tag_of(load.key) in wanted)
        return found

    def keys(self) -> set[Hashable]:
        """The keys of all work under way."""
        return {load.key for load in list(self._under_way)}

    def forget(self, keys: set[Hashable]) -> None:
        """Let no answer to *keys* be kept that is being made now."""
        # One key may have several: work that was detached before goes on for those who wait.
        for load in list(self._under_way):
            if load.key in keys:
                load.forget()


def _tag_of(key: Hashable) -> str | None:
    try:
        return tag_of_key(key)
    except NoKey:
        return None


def _is_kept(keeps: Callable[[Any], bool] | None, answer: object) -> bool:
    """What *keeps* says; if it fails the answer reaches its caller, and is not kept."""
    try:
        return keeps is None or keeps(answer)
    except Exception:
        log.warning("keeps= failed; the answer is not kept", exc_info=True)
        return False
