"""Fresh answers fetched beside those who are served: one at a time for a question, with pauses."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

from .. import bridge, clock, events
from ..call import Call, Proceed
from ..stores import Entry
from .load import Loads
from .share import Share
from .watch import note

REFRESH_PAUSE_S = 1.0
"""After a refresh that brought nothing to keep, how long until the next try."""

MOST_PAUSES = 1000
"""So many pauses are remembered before those that are over are swept out."""


class Refreshes:
    """Begins refreshes, and counts how they went."""

    def __init__(self, share: Share, loads: Loads) -> None:
        self.done = self.failed = self.early = 0
        self._share, self._loads = share, loads
        self._not_before: dict[Hashable, float] = {}
        loads.when_kept = self._lift

    def soon(self, known: Entry, key: Hashable, call: Call, proceed: Proceed) -> bool:
        """Begin one beside the caller, unless it is too early; whether one is under way now."""
        if self._share.is_running(key):
            return True
        now = clock.now()
        if now < self._not_before.get(key, 0.0):
            return False
        self._pause(key, now)
        self.early += now < known.fresh_until
        again = Call(call.operation, call.args, call.kwargs)
        bridge.background(self._refresh(known, key, again, proceed))
        return True

    def _pause(self, key: Hashable, now: float) -> None:
        if len(self._not_before) >= MOST_PAUSES:
            pauses = self._not_before.items()
            self._not_before = {key: end for key, end in pauses if end > now}
        self._not_before[key] = now + REFRESH_PAUSE_S

    def _lift(self, key: Hashable) -> None:
        if self._not_before:
            self._not_before.pop(key, None)

    async def _refresh(self, known: Entry, key: Hashable, call: Call, proceed: Proceed) -> None:
        began, action, detail = clock.monotonic(), "refreshed", ""
        load = partial(self._loads.run, key, known, proceed, False)
        try:
            await self._share.join(key, call, load, counted=False)
        except Exception as error:
            self.failed += 1
            action, detail = "refresh failed", type(error).__name__
        else:
            self.done += 1
        if events.listeners:
            note(call, action, seconds=clock.monotonic() - began, detail=detail or None)
