"""A store that fails: counted, told to listeners, and warned of once."""

from __future__ import annotations

import logging

from .. import clock, events
from ..scope import current
from ..stores import Store

log = logging.getLogger("headway.policies")


class StoreFailures:
    """What went wrong at one store; callers go on without it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.count = 0

    def note(self, doing: str, error: Exception) -> None:
        """Take note that *doing* failed."""
        # One warning: what fails once mostly goes on failing, and every time is an event.
        level = logging.DEBUG if self.count else logging.WARNING
        self.count += 1
        log.log(level, "%s: a %s failed: %r", self._store.name, doing, error)
        if events.listeners:
            events.emit(
                events.StoreFailed(
                    at=clock.now(),
                    run=current.get().run,
                    store=self._store.name,
                    error=type(error).__name__,
                )
            )
