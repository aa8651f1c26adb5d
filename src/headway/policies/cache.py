"""Cache: a question that has been answered is not asked again while the answer is good."""

from __future__ import annotations

import copy as copying
import logging
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import msgspec

from .. import bridge, clock, events, settings
from ..call import Call, Operation, Place, Proceed
from ..clock import Duration
from ..errors import BadSetup, NoKey
from ..keys import digest
from ..scope import current
from ..stores import Entry, MemoryStore, Store, StoreStatistics
from ..stores.memory import digest_of_repr
from ..stream import Recording, Stream
from .share import Share
from .tags import Tags, refuse_gaps, tags_of
from .watch import note
from .whose import ScopeOf, reader_of

log = logging.getLogger("headway.policies")


REFRESH_PAUSE_S = 1.0
"""After a refresh failed, how long stale answers are served before the next try."""

MOST_PAUSES = 1000
"""So many pauses are remembered before those that are over are swept out."""


class CacheStatistics(msgspec.Struct, frozen=True):
    """What a cache has answered since it was made, and what its store holds."""

    hits: int
    misses: int
    joined: int
    stale: int
    refreshed: int
    refreshes_failed: int
    store_failures: int
    store: StoreStatistics

    @property
    def hit_rate(self) -> float | None:
        """Share of questions answered without waiting; None before the first question."""
        asked = self.hits + self.misses + self.joined + self.stale
        return (self.hits + self.stale) / asked if asked else None


class Cache:
    """Keeps answers for *ttl* and gives them again; equal questions asked at once run once.

    Answers are treated as frozen: every caller gets the same object, unless ``copy=True`` gives
    each caller a deep copy of its own. None is kept like any answer; an error, a cancelled call or
    a broken stream never is. A store that fails makes the program slower, not wrong.

    Args:
        ttl: how long an answer is good: seconds or text like ``"15m"``.
        stale_for: how much longer it may be served, marked stale, while a fresh one is fetched in
            the background; also when fetching fails.
        scope: whose answers these are. ``"tenant"``, ``"session"``, ``"agent"`` or ``"run"`` read
            that name from the scope (missing is an error, never "all"); or a function that returns
            it.
        tags: names for ``invalidate``, with arguments filled in: ``("company:{symbol}",)``; or a
            function of the operation's arguments.
        store: where answers rest; a store given to several caches is shared. Default: memory.
        every: on a wire, keep also what is not repeatable, such as a model asked to be random.
    """

    place = Place.CACHE

    def __init__(
        self,
        ttl: Duration,
        *,
        stale_for: Duration = 0,
        scope: ScopeOf | None = None,
        tags: Tags = (),
        store: Store | None = None,
        copy: bool = False,
        every: bool = False,
    ) -> None:
        self.ttl_s = _positive("ttl", ttl)
        self.stale_for_s = _seconds("stale_for", stale_for)
        if isinstance(tags, str):
            raise BadSetup(
                f"Cache(tags={tags!r}) would be one tag a letter; write tags=({tags!r},)"
            )
        if isinstance(store, type):
            raise BadSetup(f"Cache(store={store.__name__}): give an object, {store.__name__}()")
        self.tags, self.copy, self.every = tags, copy, every
        self.store: Store = MemoryStore(name_key=_name) if store is None else store
        self._scope_of = reader_of(scope)
        self._off = settings.off_at_construction()
        self._share = Share()
        self._loads: set[_Load] = set()
        self._refresh_not_before: dict[Hashable, float] = {}
        self._hits = self._stale = self._refreshed = self._refreshes_failed = 0
        self._store_failures = 0

    def __repr__(self) -> str:
        return f"Cache(ttl={self.ttl_s:g}, stale_for={self.stale_for_s:g})"

    def check(self, operation: Operation) -> None:
        """Refuse a tag with a gap that no argument fills."""
        refuse_gaps(self.tags, operation)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if self._off or settings.switched_off:
            return await proceed(call)
        key = call.key if self._scope_of is None else (call.key, self._scope_of())
        try:
            entry = self.store.peek(key)
        except Exception as error:
            entry = None
            self._store_failed("look-up", error)
        if entry is None and not self.store.is_local:
            entry = await self._got(key)
        if entry is None:
            return await self._miss(key, call, proceed)
        now = clock.now()
        call.age_s = max(0.0, now - entry.made_at)  # a clock set back makes nothing younger
        if now < entry.fresh_until:
            self._hits += 1
            call.source = "hit"
        else:
            self._stale += 1
            call.source = "stale"
            self._refresh_soon(key, call, proceed, now)
        return self._own(entry.value)

    def _own(self, value: Any) -> Any:
        """The value as this caller may have it."""
        if type(value) is Stream:
            return value.again()
        return copying.deepcopy(value) if self.copy else value

    async def _got(self, key: Hashable) -> Entry | None:
        await bridge.on_a_loop()
        try:
            return await self.store.get(key)
        except Exception as error:
            self._store_failed("look-up", error)
            return None

    async def _miss(self, key: Hashable, call: Call, proceed: Proceed) -> Any:
        answer = await self._share.join(key, call, partial(self._load, key, proceed))
        return self._own(answer) if self.copy else answer

    async def _load(self, key: Hashable, proceed: Proceed, call: Call) -> Any:
        load = _Load(key, tags_of(self.tags, call), self.store.mark())
        self._loads.add(load)
        is_live = False
        try:
            answer = await proceed(call)
            if isinstance(answer, Stream):
                # Kept when complete: a broken or abandoned one is not an answer.
                is_live, recording = True, answer.recording
                keeps = call.operation.keeps
                recording.when_done(partial(self._stream_done, key, load, recording, keeps))
            elif _is_kept(call.operation.keeps, answer):
                await self._keep(key, load, answer)
        finally:
            if not is_live:
                self._loads.discard(load)
        return answer

    def _stream_done(
        self,
        key: Hashable,
        load: _Load,
        recording: Recording[Any],
        keeps: Callable[[Any], bool] | None,
        error: BaseException | None,
    ) -> None:
        stream = Stream(recording)
        if error is None and _is_kept(keeps, stream):
            bridge.now_or_background(self._keep_stream(key, load, stream))
        else:
            self._loads.discard(load)

    async def _keep_stream(self, key: Hashable, load: _Load, stream: Stream[Any]) -> None:
        if not self.store.is_local:
            await bridge.on_a_loop()
        try:
            await self._keep(key, load, stream)
        finally:
            self._loads.discard(load)

    async def _keep(self, key: Hashable, load: _Load, value: Any) -> None:
        if load.is_forgotten():
            return
        now = clock.now()
        fresh_until = now + self.ttl_s
        entry = Entry(
            copying.deepcopy(value) if self.copy and not isinstance(value, Stream) else value,
            made_at=now,
            fresh_until=fresh_until,
            stale_until=fresh_until + self.stale_for_s,
            tags=load.tags,
            mark=load.mark,
        )
        try:
            await self.store.set(key, entry)
            if load.is_forgotten():  # while a slow store was writing
                await self.store.delete(key)
        except Exception as error:
            self._store_failed("store", error)

    def _refresh_soon(self, key: Hashable, call: Call, proceed: Proceed, now: float) -> None:
        if self._share.is_running(key) or now < self._refresh_not_before.get(key, 0.0):
            return
        if len(self._refresh_not_before) >= MOST_PAUSES:
            pauses = self._refresh_not_before.items()
            self._refresh_not_before = {key: end for key, end in pauses if end > now}
        self._refresh_not_before[key] = now + REFRESH_PAUSE_S
        again = Call(call.operation, call.args, call.kwargs)
        bridge.background(self._refresh(key, again, proceed))

    async def _refresh(self, key: Hashable, call: Call, proceed: Proceed) -> None:
        began, action, detail = clock.monotonic(), "refreshed", ""
        try:
            await self._share.join(key, call, partial(self._load, key, proceed), counted=False)
        except Exception as error:
            self._refreshes_failed += 1
            action, detail = "refresh failed", type(error).__name__
        else:
            self._refreshed += 1
            self._refresh_not_before.pop(key, None)
        if events.listeners:
            note(call, action, seconds=clock.monotonic() - began, detail=detail or None)

    def _store_failed(self, doing: str, error: Exception) -> None:
        # One warning: what fails once mostly goes on failing, and every time is an event.
        level = logging.DEBUG if self._store_failures else logging.WARNING
        self._store_failures += 1
        log.log(level, "%s: a %s failed: %r", self.store.name, doing, error)
        if events.listeners:
            here = current.get()
            events.emit(
                events.StoreFailed(
                    at=clock.now(), run=here.run, store=self.store.name, error=type(error).__name__
                )
            )

    async def forget(self, call: Call) -> None:
        """Drop the answer to *call*; work under way on it will not be kept, nor joined any more."""
        key = call.key if self._scope_of is None else (call.key, self._scope_of())
        self._detach({key})
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.delete(key)

    async def invalidate(self, *tags: str) -> None:
        """Drop every answer with one of *tags*, and what is being fetched under them now."""
        wanted = set(tags)
        self._detach({load.key for load in list(self._loads) if wanted.intersection(load.tags)})
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.invalidate(tags)

    async def clear(self) -> None:
        """Drop every answer."""
        self._detach({load.key for load in list(self._loads)})
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.clear()

    def _detach(self, keys: set[Hashable]) -> None:
        for key in keys:
            self._share.detach(key)
        # One key may have several: work that was detached before goes on for those who wait.
        for load in list(self._loads):
            if load.key in keys:
                load.forget()

    def statistics(self) -> CacheStatistics:
        """How questions were answered so far, and what the store holds."""
        return CacheStatistics(
            hits=self._hits,
            misses=self._share.led,
            joined=self._share.joined,
            stale=self._stale,
            refreshed=self._refreshed,
            refreshes_failed=self._refreshes_failed,
            store_failures=self._store_failures,
            store=self.store.statistics(),
        )


def _is_kept(keeps: Callable[[Any], bool] | None, answer: object) -> bool:
    """What *keeps* says; if it fails the answer reaches its caller, and is not kept."""
    try:
        return keeps is None or keeps(answer)
    except Exception:
        log.warning("keeps= failed; the answer is not kept", exc_info=True)
        return False


class _Load:
    """Work under way for the store: its key, its tags and the store's mark when it began."""

    __slots__ = ("_forgotten", "key", "mark", "tags")

    def __init__(self, key: Hashable, tags: tuple[str, ...], mark: int) -> None:
        self.key, self.tags, self.mark, self._forgotten = key, tags, mark, False

    def forget(self) -> None:
        """Let its answer not be kept."""
        self._forgotten = True

    def is_forgotten(self) -> bool:
        """Whether its answer became void while it was made."""
        return self._forgotten


def _name(key: Hashable) -> str:
    """The key in log lines: the digest that events carry too."""
    try:
        return digest(key)
    except NoKey:  # made by a function of the user's own, of values without canonical form
        return digest_of_repr(key)


def _seconds(name: str, duration: Duration) -> float:
    try:
        return clock.seconds(duration)
    except ValueError as wrong:
        raise BadSetup(f"Cache({name}=...): {wrong}") from None


def _positive(name: str, duration: Duration) -> float:
    seconds = _seconds(name, duration)
    if seconds <= 0:
        raise BadSetup(
            f"Cache({name}={duration!r}) would keep nothing; use more than 0, or no Cache"
        )
    return seconds
