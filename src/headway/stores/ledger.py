"""A shared store's invalidations, as far as this process has heard of them."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from .. import clock
from ..keys import digest
from .entry import Key

MAX_TAGS: Final = 10_000


class State(msgspec.Struct, frozen=True):
    """What a shared store says of its invalidations; all three numbers come in one read.

    ``born`` is where its counting began. A store that has lost its data begins anew, above every
    number that it ever gave out.
    """

    born: int
    count: int
    cleared: int


class Change(NamedTuple):
    """Invalidation *number*: of these tags, or, without any, of everything."""

    number: int
    tags: tuple[str, ...]


class Gap(NamedTuple):
    """Invalidations up to *number* were missed, and can no longer be asked for."""

    number: int


class Rebirth(NamedTuple):
    """The store has lost its data; its counting goes on from *number*."""

    number: int


News = Change | Gap | Rebirth
Hearing = Callable[[News], None]


class Verdict(Enum):
    """Whether an entry may be served, as far as the ledger can tell."""

    GOOD, VOID, UNKNOWN = range(3)


def tag_of_key(key: Key) -> str:
    """The tag that every entry under *key* bears unsaid, so that it can be invalidated alone."""
    return "=" + digest(key)


class Ledger:
    """Numbers in order: the latest, and the latest of each tag; bounded in tags.

    An entry is void if one of its tags, or everything, was invalidated after its ``mark``. Of what
    happened before ``complete_from`` the ledger does not know all: the store must be asked.
    Listeners hear of every number once, in order. Any thread may call.
    """

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self.count = self.born = self.cleared = self.complete_from = 0
        self._is_met = False
        self._max_tags = max_tags
        self._latest: dict[str, int] = {}  # no tag leaves for a moment: readers hold no lock
        self._recent: deque[tuple[float, tuple[str, ...]]] = deque(maxlen=max_tags)
        self._lock = threading.RLock()  # a listener may ask back
        self._listeners: tuple[Hearing, ...] = ()
        _ledgers.add(self)

    @property
    def state(self) -> State | None:
        """What the store last said, or None before it has said anything."""
        return State(self.born, self.count, self.cleared) if self._is_met else None

    def listen(self, hearing: Hearing) -> None:
        """Call *hearing* with every piece of news from now on; it must be quick."""
        with self._lock:
            self._listeners = (*self._listeners, hearing)

    def meet(self, state: State) -> bool:
        """Take note of what the store says; True if it knows of changes that were not heard."""
        with self._lock:
            if not self._is_met:
                self._is_met = True
                self._begin(state)
            elif state.born > self.born:
                self._begin(state)
                self._tell(Rebirth(state.count))
            return state.count > self.count

    def learn(self, changes: Iterable[Change]) -> bool:
        """Take note of *changes* in order; False if a number is missing before one of them.

        Those heard before are passed over; at the first hole the rest is left unheard.
        """
        with self._lock:
            for change in changes:
                if change.number <= self.count:
                    continue
                if change.number > self.count + 1:
                    return False
                self._note(change)
            return True

    def give_up(self, state: State) -> None:
        """What lies between is lost: go on from *state*, and know nothing from before it."""
        with self._lock:
            if state.count > self.count:
                self.count, self.cleared = state.count, max(self.cleared, state.cleared)
                self.complete_from = state.count
                self._tell(Gap(state.count))

    def verdict(self, mark: int, tags: Iterable[str]) -> Verdict:
        """Whether an entry with *mark* and *tags* (that of its key among them) may be served."""
        if mark < self.cleared or mark < self.born:
            return Verdict.VOID
        if mark >= self.count:
            return Verdict.GOOD
        latest = self._latest
        complete_from = self.complete_from  # before the look-ups: folding raises it first
        if any(latest.get(tag, 0) > mark for tag in tags):
            return Verdict.VOID
        return Verdict.GOOD if mark >= complete_from else Verdict.UNKNOWN

    def recent(self, within_s: float) -> tuple[str, ...]:
        """Tags heard of in the last *within_s* seconds, for a store that has lost its data."""
        since = clock.monotonic() - within_s
        with self._lock:
            return tuple(dict.fromkeys(t for at, tags in self._recent if at >= since for t in tags))

    def _begin(self, state: State) -> None:
        self.born, self.count, self.cleared = state.born, state.count, state.cleared
        self.complete_from = state.count
        self._latest = {}

    def _note(self, change: Change) -> None:
        if change.tags:
            for tag in change.tags:
                self._latest[tag] = change.number
            self._recent.append((clock.monotonic(), change.tags))
        else:
            self.cleared = change.number
        self.count = change.number
        self._tell(change)
        if len(self._latest) > self._max_tags:
            self._fold()

    def _fold(self) -> None:
        """Forget all but the newest half of the bound."""
        by_number = sorted(self._latest.items(), key=itemgetter(1))
        kept = by_number[-(self._max_tags // 2) :]
        self.complete_from = max(self.complete_from, kept[0][1])
        self._latest = dict(kept)

    def _tell(self, news: News) -> None:
        for hearing in self._listeners:
            hearing(news)


_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _repair_after_fork() -> None:
    for ledger in list(_ledgers):  # another thread of the parent may have held its lock
        ledger._lock = threading.RLock()


os.register_at_fork(after_in_child=_repair_after_fork)
