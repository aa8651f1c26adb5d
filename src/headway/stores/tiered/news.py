"""What a tiered store's memory makes of the news of the shared store behind it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ...errors import NoKey
from ..entry import Key
from ..ledger import Change, Gap, Ledger, News, tag_of_key
from ..memory import MemoryStore
from .journal import Journal
from .marks import Marks
from .memory_contents import held

Hears = Callable[[News], None]

_HEARD: Final = object()


def tag_of(key: Key) -> str | None:
    """The tag of *key*, or None if no other process could mean the same by it."""
    try:
        return tag_of_key(key)
    except NoKey:
        return None


class KeysByTag:
    """Which key that memory holds has a tag; bounded by what memory holds, and as much again.

    Any thread may call.
    """

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self._keys: dict[str, Key] = {}
        self._bound = 2 * memory.max_entries
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock."""
        self._lock = threading.Lock()

    def add(self, tag: str, key: Key) -> None:
        """*key* was kept just now."""
        with self._lock:
            self._keys[tag] = key
            if len(self._keys) > self._bound:
                pairs = self._keys.items()
                self._keys = {t: k for t, k in pairs if held(self._memory, k) is not None}

    def pop(self, tag: str) -> Key | None:
        """The key with *tag*, which is about to be forgotten."""
        with self._lock:
            return self._keys.pop(tag, None)


class Hearing:
    """Makes void in memory what was made void elsewhere, and keeps the two counts together.

    What this process itself announces is void here already: within ``own`` it is heard once without
    effect, so that what was made since is not void as well. News do not say whose they are, so that
    may have been another's: then our own has effect, and if that fails, it takes effect all the
    same. Until then what the journal covers is neither promoted, nor sent, nor, in a strict store,
    served.

    Listeners hear of what is made void, on any thread: here at once, elsewhere when it is heard of.

    *on_loss* is called when the shared store has lost its data, *on_doubt* when invalidations can
    no longer be heard of. News may come on any thread.
    """

    def __init__(
        self,
        memory: MemoryStore,
        ledger: Ledger,
        marks: Marks,
        journal: Journal,
        *,
        on_loss: Callable[[], None],
        on_doubt: Callable[[], None],
    ) -> None:
        self.keys = KeysByTag(memory)
        self._memory, self._ledger, self._marks, self._journal = memory, ledger, marks, journal
        self._on_loss, self._on_doubt = on_loss, on_doubt
        self._own: dict[tuple[frozenset[str], object], None] = {}
        self._listeners: tuple[Hears, ...] = ()
        self.start_anew()
        ledger.listen(_weakly(self))

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock, and nothing is under way."""
        self._lock = threading.Lock()
        self._own.clear()
        self.keys.start_anew()

    def listen(self, hears: Hears) -> None:
        """Call *hears* with whatever is made void from now on; it must be quick."""
        with self._lock:
            self._listeners = (*self._listeners, hears)

    @contextmanager
    def own(self, tags: tuple[str, ...]) -> Iterator[None]:
        """In the block this process announces *tags*, or, without any, everything."""
        announcement = frozenset(tags), object()
        with self._lock:
            self._own[announcement] = None
        try:
            yield
        except BaseException:
            if not self._is_unheard(announcement):
                self.make_void(tags)
            raise
        self._is_unheard(announcement)

    def _is_unheard(self, announcement: tuple[frozenset[str], object]) -> bool:
        """Whether nothing was taken for *announcement*, and from now on nothing will be."""
        with self._lock:
            return self._own.pop(announcement, _HEARD) is None

    def meet(self) -> None:
        """Take note of the shared store's count when it is first known."""
        state = self._ledger.state
        if state is not None and not self._marks.is_met:
            self._memory.make_void(())  # counts one more: older work is told from younger
            self._marks.meet(self._memory.mark(), state.count)

    def hear(self, news: News) -> None:
        """Act on one piece of news; memory first, then the count."""
        self.meet()
        if isinstance(news, Change):
            if not self._is_own(news.tags):
                self.make_void(news.tags, news.number)
            self._marks.heard(news.number)
        elif isinstance(news, Gap):
            self._miss(news.number)
        else:
            self._marks.heard(news.number)
            if news.number > self._ledger.born:  # others invalidated before this process was back
                self._miss(news.number)
            self._on_loss()

    def _miss(self, number: int) -> None:
        self._memory.make_void(())
        self._marks.missed(self._memory.mark(), number)
        self._on_doubt()

    def _is_own(self, tags: tuple[str, ...]) -> bool:
        group = frozenset(tags)
        with self._lock:
            for announcement in self._own:
                if announcement[0] == group:
                    del self._own[announcement]
                    return True
            return False

    def make_void(self, tags: tuple[str, ...], number: int = 0) -> None:
        """What bears one of *tags*, or, without any, everything, is void in this process."""
        if tags:
            self._memory.make_void(tags)
        else:
            self._memory.empty()
        for tag in tags:
            if tag.startswith("=") and (key := self.keys.pop(tag)) is not None:
                self._memory.drop(key)
                self._journal.forget(key)
        for hears in self._listeners:
            hears(Change(number, tags))


def _weakly(hearing: Hearing) -> Callable[[News], None]:
    """The ledger may outlive who listens."""
    reference = weakref.ref(hearing)

    def hear(news: News) -> None:
        listener = reference()
        if listener is not None:
            listener.hear(news)

    return hear
