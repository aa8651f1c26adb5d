"""Leases are rows; their times are the stopwatch's, which all processes of a machine share."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ... import clock
from ..shared import Ending

_LATE_S = 0.001  # a timer may fire a moment early


class Holder(NamedTuple):
    """Who has a lease, and for how many seconds yet."""

    token: str
    left_s: float


def holder(connection: sqlite3.Connection, name: str, now: float) -> Holder | None:
    """Who has the lease on *name*, or None if it is free or has run out."""
    row = connection.execute(
        "SELECT token, until, seconds FROM leases WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    token, until, seconds = row
    # More left than it was given: from before the machine was started anew.
    return Holder(token, until - now) if now < until <= now + seconds + _LATE_S else None


def take(connection: sqlite3.Connection, name: str, token: str, seconds: float, now: float) -> bool:
    """Take the lease on *name* unless somebody has it."""
    if holder(connection, name, now) is not None:
        return False
    connection.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (name, token, now + seconds, seconds)
    )
    # In passing: what killed processes have left, and never came back for.
    connection.execute(
        "DELETE FROM leases WHERE until + 3600 < ? OR until > ? + seconds + 1", (now, now)
    )
    return True


def prolong(
    connection: sqlite3.Connection, name: str, token: str, seconds: float, now: float
) -> bool:
    """Hold the lease for *seconds* from now, if it is still *token*'s."""
    held = holder(connection, name, now)
    if held is None or held.token != token:
        return False
    connection.execute(
        "UPDATE leases SET until = ?, seconds = ? WHERE name = ?", (now + seconds, seconds, name)
    )
    return True


def give_back(connection: sqlite3.Connection, name: str, token: str) -> bool:
    """Free the lease if it is still *token*'s, run out or not."""
    gone = connection.execute("DELETE FROM leases WHERE name = ? AND token = ?", (name, token))
    return gone.rowcount > 0


class Waiters:
    """Who waits for which lease, on any loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[Waiter]] = defaultdict(list)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, name: str) -> Waiter:
        """Begin to listen for the lease on *name* to be given back."""
        waiter = Waiter()
        with self._lock:
            self._waiting[name].append(waiter)
        return waiter

    def remove(self, name: str, waiter: Waiter) -> None:
        """Listen no more."""
        with self._lock:
            self._waiting[name].remove(waiter)
            if not self._waiting[name]:
                del self._waiting[name]

    def tell(self, name: str, token: str, kept: bool) -> None:
        """The lease *token* on *name* was given back."""
        with self._lock:
            waiting = list(self._waiting.get(name, ()))
        for waiter in waiting:
            waiter.hear(token, kept)

    def look_again(self) -> None:
        """Messages may have been lost: let everybody look at the table."""
        with self._lock:
            waiting = [waiter for some in self._waiting.values() for waiter in some]
        for waiter in waiting:
            waiter.wake()


class Waiter:
    """One task that waits for a lease to end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] | None = None
        self._heard: dict[str, bool] = {}

    def hear(self, token: str, kept: bool) -> None:
        """Note that *token* was given back; from any thread."""
        self._heard[token] = kept
        self.wake()

    def wake(self) -> None:
        """Look again; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._wake_here)
        except RuntimeError:  # its loop is closed, and it with it
            pass

    def _wake_here(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def ending(
        self, look: Callable[[], Awaitable[Holder | None]], at_most_s: float
    ) -> Ending:
        """How the lease ended that *look* shows, told by a message or by its time."""
        until = clock.monotonic() + at_most_s
        tokens: set[str] = set()
        while True:
            self._woken = self._loop.create_future()
            held = await look()
            if held is not None:
                tokens.add(held.token)
            for token in tokens & self._heard.keys():
                return "kept" if self._heard[token] else "given up"
            left_s = until - clock.monotonic()
            if held is None or left_s <= 0:
                return "over"
            timer = clock.call_later(min(held.left_s + _LATE_S, left_s), self._wake_here)
            try:
                await self._woken
            finally:
                timer.cancel()
