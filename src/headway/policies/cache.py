"""Cache: a question that has been answered is not asked again while the answer is good."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, cast

from .. import bridge, clock, settings
from ..call import Call, Operation, Place, Proceed
from ..clock import Duration
from ..errors import BadSetup, NoKey
from ..keys import digest
from ..stores import Entry, MemoryStore, Store
from ..stores.ledger import Change, Hearing, News
from ..stores.memory import digest_of_repr
from ..stores.shared import SharedStore
from ..stream import Stream
from .cache_statistics import CacheStatistics
from .freshness import Freshness, Ttl, positive_seconds
from .kept_errors import Errors, KeptErrors, anew
from .last_answer import own
from .lease import Leases
from .load import Loads
from .privacy import Privacy, refuse_nameless
from .refresh import Refreshes
from .share import Share
from .store_failures import StoreFailures
from .tags import Tags, refuse_gaps
from .timeout import Late, in_time
from .whose import ScopeOf, reader_of


class Cache:
    """Keeps answers for *ttl* and gives them again; equal questions asked at once run once.

    Answers are treated as frozen: every caller gets the same object, unless ``copy=True`` gives
    each caller a deep copy of its own. None is kept like any answer; an error (but for *errors*), a
    cancelled call or a broken stream never is. A store that fails makes the program slower, not
    wrong. On a shared store equal questions run once among all its processes.

    Args:
        ttl: how long an answer is good: seconds or text like ``"15m"``; or a function of the answer
            that gives that, None for "do not keep it", such as ``until("16:00", zone=...)``.
        jitter: share of *ttl*, 0 to 0.5, that chance may take away, so that not all end at once.
        stale_for: how much longer it may be served, marked stale, while a fresh one is fetched in
            the background; also when fetching fails.
        soft_timeout: with *stale_for*: wait so long for the fresh one before giving the stale one.
        refresh_at: share of *ttl*, such as 0.8, after which a hit begins a refresh beside it.
        errors: which errors to keep and how long, ``{LookupError: "30s"}``; in memory only.
        private: keep answers in this process's memory and never write them down; a store without a
            memory tier is refused.
        scope: whose answers these are. ``"tenant"``, ``"session"``, ``"agent"`` or ``"run"`` read
            that name from the scope (missing is an error, never "all"); or a function that returns
            it.
        tags: names for ``invalidate``, with arguments filled in: ``("company:{symbol}",)``; or a
            function of the operation's arguments. ``"company:NVDA"`` also bears ``"company:*"``.
        store: where answers rest; a store given to several caches is shared. Default: memory.
        lease: on a shared store: a process that dies in its work is replaced after so long; None
            lets every process do its own.
        copy: give each caller a deep copy of its own.
        every: on a wire, keep also what is not repeatable, such as a model asked to be random.
    """

    place = Place.CACHE

    def __init__(
        self,
        ttl: Ttl,
        *,
        jitter: float = 0.0,
        stale_for: Duration = 0,
        soft_timeout: Duration | None = None,
        refresh_at: float | None = None,
        errors: Errors | None = None,
        private: bool = False,
        scope: ScopeOf | None = None,
        tags: Tags = (),
        store: Store | None = None,
        lease: Duration | None = "2s",
        copy: bool = False,
        every: bool = False,
    ) -> None:
        self.freshness = Freshness(ttl, jitter=jitter, stale_for=stale_for, refresh_at=refresh_at)
        self.soft_timeout_s = _patience(soft_timeout, self.freshness.stale_for_s)
        _refuse_wrong(tags, store)
        self.tags, self.copy, self.every, self.private = tags, copy, every, private
        self.store: Store = MemoryStore(name_key=_name) if store is None else store
        self._peek = self.store.peek
        self._scope_of = reader_of(scope)
        self._off = settings.off_at_construction()
        self._near, self._far = _names_of_tiers(self.store)
        self._failures = StoreFailures(self.store)
        self._privacy = Privacy(self.store, always=private)
        self._errors = KeptErrors(errors) if errors else None
        self._share = Share()
        self._loads = Loads(
            self.store,
            self.freshness,
            self._privacy,
            self._failures,
            tags=tags,
            copies=copy,
            errors=self._errors,
            leases=self._leases(lease),
            far=self._far,
        )
        self._refreshes = Refreshes(self._share, self._loads)
        if self.store.is_shared:
            _let_hear(self, cast(SharedStore, self.store))
        self._has_early = refresh_at is not None
        self._hits = self._far_hits = self._stale = self._errors_served = 0

    def _leases(self, lease: Duration | None) -> Leases | None:
        seconds = None if lease is None else positive_seconds("lease", lease)
        if seconds is None or not self.store.is_shared:
            return None
        return Leases(cast(SharedStore, self.store), seconds, self._failures)

    def __repr__(self) -> str:
        freshness = self.freshness
        ttl = repr(freshness.ttl_of) if freshness.ttl_s is None else f"{freshness.ttl_s:g}"
        return f"Cache(ttl={ttl}, stale_for={freshness.stale_for_s:g})"

    def check(self, operation: Operation) -> None:
        """Refuse a tag that no argument fills; on a shared store, a function without a name."""
        refuse_gaps(self.tags, operation)
        refuse_nameless(operation, self.store)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if self._off or settings.switched_off:
            return await proceed(call)
        key = call.key if self._scope_of is None else (call.key, self._scope_of())
        kept_before = self._loads.kept
        try:
            entry = self._peek(key)
        except Exception as error:
            entry = None
            self._failures.note("look-up", error)
        call.tier = self._near
        if entry is None:
            if not self.store.is_local:
                entry = await self._got(key, call)
            if entry is None:
                return await self._miss(key, kept_before, call, proceed)
        now = clock.now()
        age_s = now - entry.made_at
        call.age_s = age_s if age_s > 0.0 else 0.0  # a clock set back makes nothing younger
        if now < entry.fresh_until:
            self._hits += 1
            call.source = "hit"
            if self._has_early and self.freshness.is_early(entry, now):
                self._refreshes.soon(entry, key, call, proceed)
        elif self.soft_timeout_s is not None:
            return await self._fresh_or_stale(entry, key, call, proceed)
        else:
            self._serve_stale(call)
            self._refreshes.soon(entry, key, call, proceed)
        value = entry.value
        return own(value, self.copy) if self.copy or type(value) is Stream else value

    async def _got(self, key: Hashable, call: Call) -> Entry | None:
        if self._privacy.covers(call):
            return None
        await bridge.on_a_loop()
        try:
            entry = await self.store.get(key)
        except Exception as error:
            self._failures.note("look-up", error)
            return None
        if entry is not None:
            call.tier = self._far
            self._far_hits += clock.now() < entry.fresh_until
        return entry

    async def _miss(self, key: Hashable, kept_before: int, call: Call, proceed: Proceed) -> Any:
        if self._errors is not None and (kept := self._errors.peek(key)) is not None:
            raise self._kept_error(call, kept)
        call.tier = None
        load = partial(self._loads.look_or_run, key, kept_before, proceed)
        answer = await self._share.join(key, call, load)
        return own(answer, True) if self.copy else answer

    def _kept_error(self, call: Call, kept: Entry) -> Exception:
        self._hits += 1
        self._errors_served += 1
        call.source, call.tier = "hit", "memory"
        call.age_s = max(0.0, clock.now() - kept.made_at)
        return anew(kept.value)

    def _serve_stale(self, call: Call) -> None:
        self._stale += 1
        call.source = "stale"

    async def _fresh_or_stale(
        self, entry: Entry, key: Hashable, call: Call, proceed: Proceed
    ) -> Any:
        """The fresh answer if it comes in time, else the stale one; the refresh goes on."""
        await bridge.on_a_loop()
        if self._refreshes.soon(entry, key, call, proceed):
            told = call.age_s, call.tier
            call.age_s = call.tier = None
            load = partial(self._loads.run, key, entry, proceed, False)
            joining = self._share.join(key, call, load, counted=False)
            try:
                answer = await in_time(joining, self.soft_timeout_s or 0.0)
            except (Exception, Late):
                call.age_s, call.tier = told
            else:
                self._share.count(call.source)
                return own(answer, True) if self.copy else answer
        self._serve_stale(call)
        return own(entry.value, self.copy)

    def hear(self, news: News) -> None:
        """Treat what was invalidated by others of this store as if it had been done here."""
        if isinstance(news, Change):
            self._detach(self._loads.keys_with(news.tags) if news.tags else self._loads.keys())
            if self._errors is not None:
                self._errors.invalidate(news.tags) if news.tags else self._errors.clear()

    async def forget(self, call: Call) -> None:
        """Drop the answer to *call*; work under way on it will not be kept, nor joined any more."""
        key = call.key if self._scope_of is None else (call.key, self._scope_of())
        self._detach({key})
        if self._errors is not None:
            self._errors.drop(key)
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.delete(key)

    async def invalidate(self, *tags: str) -> None:
        """Drop every answer with one of *tags*, and what is being fetched under them now.

        ``"company:*"`` is one tag like any other, borne by all that is tagged ``"company:..."``.
        """
        self._detach(self._loads.keys_with(tags))
        if self._errors is not None:
            self._errors.invalidate(tags)
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.invalidate(tags)

    async def clear(self) -> None:
        """Drop every answer."""
        self._detach(self._loads.keys())
        if self._errors is not None:
            self._errors.clear()
        if not self.store.is_local:
            await bridge.on_a_loop()
        await self.store.clear()

    def _detach(self, keys: set[Hashable]) -> None:
        for key in keys:
            self._share.detach(key)
        self._loads.forget(keys)

    def statistics(self) -> CacheStatistics:
        """How questions were answered so far, and what the store holds."""
        taken, found, far = self._loads.taken, self._loads.found, self._far_hits
        by_tier = {self._near: self._hits + found - far}
        if not self.store.is_local:
            by_tier[self._far] = by_tier.get(self._far, 0) + far
        return CacheStatistics(
            hits=self._hits + found,
            misses=self._share.led - taken - found,
            joined=self._share.joined + taken,
            stale=self._stale,
            refreshed=self._refreshes.done,
            refreshes_failed=self._refreshes.failed,
            store_failures=self._failures.count,
            store=self.store.statistics(),
            hits_by_tier=by_tier,
            errors_served=self._errors_served,
            unchanged=self._loads.unchanged,
            refreshed_early=self._refreshes.early,
        )


def _let_hear(cache: Cache, store: SharedStore) -> None:
    """Pass news on for as long as the cache lives; a store may outlive many."""
    held = weakref.ref(cache)

    def hear(news: News) -> None:
        if (living := held()) is not None:
            living.hear(news)

    # A tiered store's memory is void at once; its second tier's ledger says so once more, later.
    listen: Callable[[Hearing], None] = getattr(store, "listen", store.ledger.listen)
    listen(hear)


def _names_of_tiers(store: Store) -> tuple[str, str]:
    """Where ``peek`` finds an answer, and where ``get`` does."""
    second: str | None = getattr(store, "second_name", None)
    return (store.name, store.name) if second is None else ("memory", second)


def _name(key: Hashable) -> str:
    """The key in log lines: the digest that events carry too."""
    try:
        return digest(key)
    except NoKey:  # made by a function of the user's own, of values without canonical form
        return digest_of_repr(key)


def _patience(soft_timeout: Duration | None, stale_for_s: float) -> float | None:
    if soft_timeout is None:
        return None
    if not stale_for_s:
        raise BadSetup(
            f"Cache(soft_timeout={soft_timeout!r}) has nothing to give when the time is over; "
            "say how long stale answers will do: stale_for="
        )
    return positive_seconds("soft_timeout", soft_timeout)


def _refuse_wrong(tags: Tags, store: object) -> None:
    if isinstance(tags, str):
        raise BadSetup(f"Cache(tags={tags!r}) would be one tag a letter; write tags=({tags!r},)")
    if isinstance(store, type):
        raise BadSetup(f"Cache(store={store.__name__}): give an object, {store.__name__}()")
