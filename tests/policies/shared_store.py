"""A shared store in one process, to be scripted: a server, and one view of it for each process."""

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

from headway import Entry, StoreStatistics, clock
from headway.stores.ledger import Change, Ledger, State, Verdict, tag_of_key
from headway.stores.shared import Ending, Lease


class Server:
    """What all processes see: entries, invalidations, leases and who waits for them."""

    def __init__(self) -> None:
        self.entries: dict[Hashable, Entry] = {}
        self.changes: list[Change] = []
        self.cleared = 0
        self.holders: dict[Hashable, tuple[str, float]] = {}
        self.waiting: dict[Hashable, list[asyncio.Future[Ending]]] = {}
        self.tokens = 0
        self.views: list[SharedView] = []

    @property
    def state(self) -> State:
        return State(0, len(self.changes), self.cleared)

    def announce(self, tags: tuple[str, ...]) -> None:
        self.changes.append(Change(len(self.changes) + 1, tags))
        self.cleared = self.cleared if tags else len(self.changes)
        for view in self.views:
            if not view.is_deaf:
                view.ledger.learn(self.changes)

    def holder(self, key: Hashable) -> str | None:
        token, until = self.holders.get(key, ("", 0.0))
        return token if clock.monotonic() < until else None

    def wake(self, key: Hashable, ending: Ending) -> None:
        for future in self.waiting.pop(key, []):
            _settle(future, ending)


def _settle(future: asyncio.Future[Ending], ending: Ending) -> None:
    if not future.done():
        future.set_result(ending)


class SharedView:
    """One process's way to a server. *fails* and *hangs* name methods; *asked* counts calls.

    One that is deaf hears of invalidations only when it asks for an entry.
    """

    name = "shared"
    is_local = False
    is_shared = True

    def __init__(self, server: Server) -> None:
        self.server, self.ledger = server, Ledger()
        self.ledger.meet(server.state)
        self.is_deaf = False
        server.views.append(self)
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.released: list[bool] = []
        self.memory: dict[Hashable, Entry] = {}
        self.refused = 0

    async def _do(self, what: str) -> None:
        self.asked[what] += 1
        await asyncio.sleep(0)
        if what in self.hangs:
            await asyncio.Event().wait()
        if what in self.fails:
            raise ConnectionError(f"cannot {what}")

    def peek(self, key: Hashable) -> Entry | None:
        entry = self.memory.get(key)
        return entry if entry is not None and clock.now() < entry.stale_until else None

    async def get(self, key: Hashable) -> Entry | None:
        await self._do("get")
        self.ledger.learn(self.server.changes)
        entry = self.server.entries.get(key)
        if entry is None or clock.now() >= entry.stale_until:
            return None
        return None if self._is_void(key, entry) else entry

    def _is_void(self, key: Hashable, entry: Entry) -> bool:
        tags = (*entry.tags, tag_of_key(key))
        return self.ledger.verdict(entry.mark, tags) is Verdict.VOID

    async def get_many(self, keys: Sequence[Hashable]) -> list[Entry | None]:
        return [await self.get(key) for key in keys]

    async def set(self, key: Hashable, entry: Entry) -> None:
        if entry.is_private:
            self.memory[key] = entry
            return
        await self._do("set")
        self.ledger.learn(self.server.changes)
        if self._is_void(key, entry):
            self.refused += 1
        else:
            self.server.entries[key] = entry

    async def set_many(self, entries: Mapping[Hashable, Entry]) -> None:
        for key, entry in entries.items():
            await self.set(key, entry)

    async def delete(self, key: Hashable) -> None:
        await self.invalidate([tag_of_key(key)])

    async def invalidate(self, tags: Iterable[str]) -> None:
        await self._do("invalidate")
        self.server.announce(tuple(tags))
        self.ledger.learn(self.server.changes)

    async def clear(self) -> None:
        await self.invalidate([])

    async def catch_up(self) -> None:
        self.ledger.learn(self.server.changes)

    async def probe(self) -> None:
        await self._do("probe")

    def mark(self) -> int:
        return self.ledger.count

    async def lease(self, key: Hashable, seconds: float) -> Lease | None:
        await self._do("lease")
        if self.server.holder(key) is not None:
            return None
        self.server.tokens += 1
        token = str(self.server.tokens)
        self.server.holders[key] = token, clock.monotonic() + seconds
        return Lease(key, token, seconds)

    async def renew(self, lease: Lease) -> bool:
        await self._do("renew")
        if self.server.holder(lease.key) != lease.token:
            return False
        self.server.holders[lease.key] = lease.token, clock.monotonic() + lease.seconds
        return True

    async def release(self, lease: Lease, *, kept: bool) -> None:
        await self._do("release")
        self.released.append(kept)
        if self.server.holder(lease.key) == lease.token:
            del self.server.holders[lease.key]
            self.server.wake(lease.key, "kept" if kept else "given up")

    async def wait(self, key: Hashable, at_most_s: float) -> Ending:
        await self._do("wait")
        if self.server.holder(key) is None:
            return "over"
        future: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.server.waiting.setdefault(key, []).append(future)
        rest_s = self.server.holders[key][1] - clock.monotonic()
        timer = clock.call_later(min(rest_s, at_most_s), lambda: _settle(future, "over"))
        try:
            return await future
        finally:
            timer.cancel()

    async def aclose(self) -> None:
        return None

    def statistics(self) -> StoreStatistics:
        return StoreStatistics(
            entries=len(self.server.entries),
            size_bytes=0,
            hits=0,
            misses=0,
            evicted=0,
            expired=0,
            refused=self.refused,
        )
