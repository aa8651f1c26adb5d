"""A second tier in this process whose faults are switched on and off: no socket, no file.

A ``Shelf`` stands for the server, each ``ScriptedSecond`` for one process that uses it. They talk
through the clock only, so a fake one moves them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from headway import clock
from headway.keys import digest
from headway.stores import Entry, Key, StoreStatistics
from headway.stores.ledger import Change, Ledger, State, Verdict, tag_of_key
from headway.stores.shared import Ending, Lease

_tokens = count(1)


class Shelf:
    """What the processes share: entries, invalidations, leases; and what is wrong with it now."""

    def __init__(self) -> None:
        self.refuses = self.is_frozen = self.is_full = False
        self.slow_s = 0.0
        self.asked: list[str] = []
        """Every command that arrived or was refused, by name."""
        self.heeding: list[ScriptedSecond] = []
        self._thawed: list[asyncio.Future[None]] = []
        self._losses = 0
        self.begin()

    def begin(self) -> None:
        """Without any data, counting above every number given out before."""
        self._losses += 1
        self.born = self.count = self._losses * 1_000_000
        self.cleared = 0
        self.rows: dict[str, Entry] = {}
        self.log: list[Change] = []
        self.tags: dict[str, int] = {}
        self.leases: dict[str, tuple[str, float]] = {}

    def trim_log(self) -> None:
        """Who did not hear of what is in the log cannot ask for it any more."""
        self.log = []

    def thaw(self) -> None:
        """Answer again, what lies there too."""
        self.is_frozen = False
        for waiting in self._thawed:
            if not waiting.done():
                waiting.get_loop().call_soon_threadsafe(_wake, waiting)
        self._thawed = []

    async def arrive(self, command: str) -> None:
        """Return when the shelf carries out *command*."""
        self.asked.append(command)
        if self.refuses:
            raise ConnectionRefusedError("the shelf is gone")
        if self.slow_s:
            await clock.sleep(self.slow_s)
        while self.is_frozen:
            waiting = asyncio.get_running_loop().create_future()
            self._thawed.append(waiting)
            await waiting
        await asyncio.sleep(0)

    @property
    def state(self) -> State:
        """As it is read with every command."""
        return State(self.born, self.count, self.cleared)

    def invalidate(self, tags: tuple[str, ...]) -> None:
        """Count one more, and tell those who listen."""
        self.count += 1
        change = Change(self.count, tags)
        self.log.append(change)
        if not tags:
            self.cleared = self.count
            self.rows = {}
        for tag in tags:
            self.tags[tag] = self.count
        for second in self.heeding:
            if not second.is_deaf:
                second.ledger.meet(self.state)
                second.ledger.learn([change])

    def is_void(self, name: str, entry: Entry) -> bool:
        """By the shelf's own table, which is complete."""
        tags = (*entry.tags, "=" + name)
        return entry.mark < self.cleared or any(self.tags.get(t, 0) > entry.mark for t in tags)


class ScriptedSecond:
    """One process's view of a shelf; *is_deaf* to what others invalidate, until it asks."""

    name = "scripted"
    is_local = False
    is_shared = True

    def __init__(self, shelf: Shelf) -> None:
        self.shelf, self.ledger, self.is_deaf = shelf, Ledger(), False
        self._counts = dict.fromkeys(("hits", "misses", "expired", "void"), 0)
        shelf.heeding.append(self)

    def peek(self, key: Key) -> Entry | None:
        return None

    async def get(self, key: Key) -> Entry | None:
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        await self.shelf.arrive("get")
        self._listen()
        return [self._found(key) for key in keys]

    def _found(self, key: Key) -> Entry | None:
        name = digest(key)
        entry = self.shelf.rows.get(name)
        why = None if entry is None else self._why_gone(name, entry)
        if entry is None or why is not None:
            self.shelf.rows.pop(name, None)
            self._counts["misses"] += 1
            if why is not None:
                self._counts[why] += 1
            return None
        self._counts["hits"] += 1
        return entry

    def _why_gone(self, name: str, entry: Entry) -> str | None:
        if clock.now() >= entry.stale_until:
            return "expired"
        verdict = self.ledger.verdict(entry.mark, (*entry.tags, "=" + name))
        if verdict is Verdict.UNKNOWN:
            return "void" if self.shelf.is_void(name, entry) else None
        return "void" if verdict is Verdict.VOID else None

    async def set(self, key: Key, entry: Entry) -> None:
        await self.set_many({key: entry})

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        await self.shelf.arrive("set")
        self._listen()
        if self.shelf.is_full:
            raise OSError(28, "No space left on device")
        for key, entry in entries.items():
            name = digest(key)
            if self._why_gone(name, entry) == "void":
                self._counts["void"] += 1
            else:
                self.shelf.rows[name] = entry

    async def delete(self, key: Key) -> None:
        await self.shelf.arrive("delete")
        self.shelf.rows.pop(digest(key), None)

    async def invalidate(self, tags: Iterable[str]) -> None:
        tags = tuple(tags)
        assert tags
        await self.shelf.arrive("invalidate")
        self._listen()
        self.shelf.invalidate(tags)
        self._listen()

    async def clear(self) -> None:
        await self.shelf.arrive("clear")
        self._listen()
        self.shelf.invalidate(())
        self._listen()

    def mark(self) -> int:
        return self.ledger.count

    def statistics(self) -> StoreStatistics:
        rows = [r for r in self.shelf.rows.values() if clock.now() < r.stale_until]
        return StoreStatistics(
            entries=len(rows), size_bytes=0, evicted=0, refused=0, **self._counts
        )

    def _listen(self) -> None:
        """Every answer carries the state; what was not heard is asked for."""
        if self.ledger.meet(self.shelf.state) and not self.ledger.learn(self.shelf.log):
            self.ledger.give_up(self.shelf.state)
        if self.ledger.count < self.shelf.count:
            self.ledger.give_up(self.shelf.state)

    async def catch_up(self) -> None:
        await self.shelf.arrive("catch_up")
        self._listen()

    async def probe(self) -> None:
        await self.shelf.arrive("probe")

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        await self.shelf.arrive("lease")
        held = self.shelf.leases.get(digest(key))
        if held is not None and clock.monotonic() < held[1]:
            return None
        lease = Lease(key, str(next(_tokens)), seconds)
        self.shelf.leases[digest(key)] = lease.token, clock.monotonic() + seconds
        return lease

    async def renew(self, lease: Lease) -> bool:
        await self.shelf.arrive("renew")
        return self.shelf.leases.get(digest(lease.key), ("", 0.0))[0] == lease.token

    async def release(self, lease: Lease, *, kept: bool) -> None:
        await self.shelf.arrive("release")
        if self.shelf.leases.get(digest(lease.key), ("", 0.0))[0] == lease.token:
            del self.shelf.leases[digest(lease.key)]

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        await self.shelf.arrive("wait")
        if digest(key) in self.shelf.leases:
            await clock.sleep(at_most_s)
        return "over"

    async def aclose(self) -> None:
        if self in self.shelf.heeding:
            self.shelf.heeding.remove(self)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


__all__ = ["ScriptedSecond", "Shelf", "tag_of_key"]
