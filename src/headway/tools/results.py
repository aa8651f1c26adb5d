"""Results of tools in one store, work under way for them, and what makes them void."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple

from .. import bridge
from ..call import Call, Proceed
from ..policies import Cache
from ..policies.freshness import Ttl
from ..stores import MemoryStore, Store
from ..stores.ledger import Change
from .written import Written

log = logging.getLogger("headway.tools")


class Question(NamedTuple):
    """What the store needs to know of a call beside its key."""

    tags: Callable[[], Collection[str]]
    keeps: Callable[[Any], bool] | None = None


_asked: ContextVar[Question | None] = ContextVar("headway.tools.asked", default=None)


def _tags_of_asked(*args: object, **kwargs: object) -> tuple[str, ...]:
    """The tags of the call being answered; the cache asks in the context of who began it."""
    asked = _asked.get()
    return () if asked is None else tuple(asked.tags())


def keeps_of_asked(answer: object) -> bool:
    """Whether whoever asked wants *answer* kept; the ``keeps`` of a guard's operation."""
    asked = _asked.get()
    return asked is None or asked.keeps is None or asked.keeps(answer)


class Keeping(NamedTuple):
    """How results are kept; tools of the same keeping share one table of work under way."""

    ttl: Ttl
    copy: bool = False


class Results:
    """Results kept in one store.

    A write makes void what bears its tags, and lets nobody join work that began before.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store: Store = MemoryStore() if store is None else store
        self._is_own = store is None
        self._caches: dict[Keeping, Cache] = {}
        self._owed: dict[str, int] = {}
        self.written = Written()
        with _books:
            _living.add(self)

    def cache(self, keeping: Keeping) -> Cache:
        """What answers for all tools that are kept so."""
        cache = self._caches.get(keeping)
        if cache is None:
            made = Cache(keeping.ttl, store=self.store, tags=_tags_of_asked, copy=keeping.copy)
            cache = self._caches.setdefault(keeping, made)
        return cache

    async def read(self, keeping: Keeping, asked: Question, call: Call, proceed: Proceed) -> Any:
        """The result of *call*: kept, of work under way, or new."""
        cache = self._caches.get(keeping) or self.cache(keeping)
        if self._owed and not await self._pay():
            return await proceed(call)
        token = _asked.set(asked)
        try:
            return await cache.around(call, proceed)
        finally:
            with suppress(ValueError):  # thrown away, and closed in a context that never asked
                _asked.reset(token)  # a tool may have been called by one that is being answered

    async def forget(self, keeping: Keeping, call: Call) -> None:
        """Drop the result of *call*, and keep none that is on its way."""
        await self.cache(keeping).forget(call)

    async def void(self, tags: Collection[str]) -> None:
        """Give nothing that bears one of *tags* any more. Never fails.

        What the store cannot be told is owed: nothing is read from it until it has heard.
        """
        if self._is_own and not self._caches:
            return  # nothing has ever been asked for here
        try:
            await self.store.invalidate(tags)
        except Exception as error:
            if not self._owed:
                log.warning("%s cannot be told of a write: %s", self.store.name, error)
            self.owe(tags)
        self.detach(tags)

    def owe(self, tags: Iterable[str]) -> None:
        """Read nothing from the store before it has heard of *tags*."""
        debt = next(_debts)
        self._owed.update(dict.fromkeys(tags, debt))

    def detach(self, tags: Collection[str]) -> None:
        """Let work under way that bears one of *tags* be neither kept nor joined."""
        for cache in tuple(self._caches.values()):
            cache.hear(Change(0, tuple(tags)))

    async def _pay(self) -> bool:
        if not self.store.is_local:
            await bridge.on_a_loop()
        owed = dict(self._owed)
        try:
            await self.store.invalidate(tuple(owed))
        except Exception:
            return False
        self.detach(tuple(owed))
        for tag, debt in owed.items():
            if self._owed.get(tag) == debt:
                del self._owed[tag]
        return True

    async def clear(self) -> None:
        """Give nothing that was kept before."""
        for cache in tuple(self._caches.values()):
            await cache.clear()


def results_in(store: Store) -> Results:
    """The results in *store*: the same object for as long as anybody uses it."""
    with _books:
        found = _by_store.get(id(store))
        if found is None:
            found = _by_store[id(store)] = Results(store)
        return found


def results_beside_sessions(store: Store) -> Results:
    """The same for a tool whose results rest in *store*, in whatever session it is called."""
    found = results_in(store)
    with _books:
        _beside.add(found)
    return found


_debts = count(1)
_books = threading.RLock()  # sets cannot be read while they grow; finalisers may come in between
_living: weakref.WeakSet[Results] = weakref.WeakSet()
_beside: weakref.WeakSet[Results] = weakref.WeakSet()
_by_store: weakref.WeakValueDictionary[int, Results] = weakref.WeakValueDictionary()
_everywhere: list[Results] = []


def everywhere() -> Results:
    """Where results rest that belong to no session, in this process's memory."""
    if not _everywhere:
        _everywhere.append(Results())
    return _everywhere[0]


def living() -> tuple[Results, ...]:
    """All results of this process that somebody may still ask for."""
    with _books:
        return tuple(_living)


def beside_sessions() -> tuple[Results, ...]:
    """All results that rest in a store of some tool's own."""
    with _books:
        return tuple(_beside)


async def void_before(places: Collection[Results], tags: Collection[str]) -> None:
    """Make *tags* void in all *places* before a write begins."""
    if not all(place.store.is_local for place in places):
        await bridge.on_a_loop()
    for place in places:
        await place.void(tags)
    for place in places:  # once more for what began while one of the others was told
        place.detach(tags)


async def void_after(places: Collection[Results], tags: Collection[str]) -> None:
    """Make *tags* void in all *places* after a write, even if the caller is cancelled meanwhile."""
    far = [place for place in places if not place.store.is_local]
    for place in places:
        if place.store.is_local:
            await place.void(tags)
    if far:
        try:
            await asyncio.shield(_begun(_void_all(far, tags)))
        except asyncio.CancelledError:
            for place in far:
                place.owe(tags)
            raise


def void_beside(places: Collection[Results], tags: Collection[str]) -> None:
    """The same for who cannot wait."""
    for place in places:
        place.detach(tags)
        if place.store.is_local:
            bridge.now_or_wait(place.void(tags))
        else:
            place.owe(tags)
            bridge.background(place.void(tags))


async def _void_all(places: Iterable[Results], tags: Collection[str]) -> None:
    for place in places:
        await place.void(tags)


_tasks: set[asyncio.Task[None]] = set()


def _begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)  # the loop itself holds tasks weakly
    task.add_done_callback(_tasks.discard)
    return task
