"""RedisStore: entries that all processes share, in Redis or Valkey."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from logging import DEBUG

from ... import clock
from ...errors import BadSetup
from ...keys import digest
from ...settings.where import without_password
from ..codec import Codec
from ..entry import NO_MARK, Entry, Key, StoreStatistics
from ..memory import digest_of_repr
from ..shared import Ending, Lease
from .address import connections_to
from .client import Client, Server
from .clients import Clients
from .connections import Command, Reply
from .hearing import Record
from .names import Names
from .tally import Tally
from .verdicts import TagNumbers
from .writing import Writing

log = logging.getLogger("headway.stores")


class RedisStore:
    """Entries, invalidations and leases in a Redis (7 or later) or Valkey server.

    Look-ups of one turn of the event loop go to the server as one command, writes as one pipeline.
    Every look-up also hears of all invalidations acknowledged before it, so no entry is served
    that was void by then. Each command has its answer, or raises, within *timeout_s*; nothing is
    tried again. A lost, emptied or set back server is noticed with the first word from it.

    One client for each event loop, made by the first use there, closed by ``aclose`` or as the loop
    ends. An entry stays until its stale time is over, for 30 days at most. Where the server may
    evict, its policy should be ``volatile-ttl``: under others it can lose what it knows of tags.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``; user, password and database in it.
        namespace: what the names of all its keys begin with.
        timeout_s: for a command; *connect_timeout_s* for a new connection, within it.
        codec: how entries are written down; with a secret, what others wrote is not read.
        name_key: how a key appears in the log lines of ``headway.stores`` at DEBUG.

    Raises:
        BadSetup: the URL is none, or a bound makes no sense. Whether the server answers shows only
            later: then methods raise ConnectionError, TimeoutError, PermissionError or OSError.
    """

    name = "redis"
    is_local = False
    is_shared = True
    takes_private = False

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        namespace: str = "headway",
        timeout_s: float = 1.0,
        connect_timeout_s: float = 0.5,
        codec: Codec | None = None,
        name_key: Callable[[Key], str] = digest_of_repr,
    ) -> None:
        _refuse_unless_seconds("timeout_s", timeout_s)
        _refuse_unless_seconds("connect_timeout_s", connect_timeout_s)
        if not namespace:
            raise BadSetup("RedisStore(namespace=''): use a text, such as 'headway'")
        connect = connections_to(url, connect_timeout_s)
        self.url = without_password(url)
        self.namespace = namespace
        self.name_key = name_key
        self._codec = Codec() if codec is None else codec
        self._names = Names(namespace)
        self._record = Record()
        self.ledger = self._record.ledger
        self._tags = TagNumbers(self.ledger)
        self._tally = Tally()
        self.ledger.listen(self._tally.hear)
        self._writing = Writing(self._codec, self._names, self._record, self._tally)
        server = Server(self.url, connect, timeout_s, self._names)
        self._clients = Clients(server, self._record)

    def __repr__(self) -> str:
        return f"RedisStore({self.url!r}, namespace={self.namespace!r})"

    def peek(self, key: Key) -> Entry | None:
        """None: the server can only be asked by awaiting."""
        return None

    async def get(self, key: Key) -> Entry | None:
        """The entry under *key*, fresh or stale, or None."""
        name = digest(key)
        place = self._names.entries + name
        with self._tally:
            client = self._clients.here()
            written = (await client.read((place,)))[place]
            entry = None if written is None else self._codec.decode(name, written)
            is_void = entry is not None and name in await self._void(client, {name: entry})
        return self._judged(key, name, entry, is_void, written)

    async def get_many(self, keys: Sequence[Key]) -> list[Entry | None]:
        """The entries under *keys*, in their order."""
        client = self._clients.here()
        names = [digest(key) for key in keys]
        wanted = [self._names.entries + name for name in names]
        with self._tally:
            values = await client.read(wanted)
            found = {
                name: self._codec.decode(name, written)
                for name, place in zip(names, wanted, strict=True)
                if (written := values[place]) is not None
            }
            void = await self._void(client, {n: e for n, e in found.items() if e is not None})
        return [
            self._judged(key, name, found.get(name), name in void, values[place])
            for key, name, place in zip(keys, names, wanted, strict=True)
        ]

    async def _void(self, client: Client, found: Mapping[str, Entry]) -> Collection[str]:
        """Those of *found* that must not be served; asks where the ledger is in doubt."""
        void, doubtful = self._tags.judge(found)
        if doubtful:
            asked = self._tags.unknown(found, doubtful)
            count = self.ledger.count
            values = await client.read([self._names.tags + tag for tag in asked])
            self._tags.note(count, {tag: values[self._names.tags + tag] for tag in asked})
            # Still in doubt: the ledger lost its thread just now. A miss does no harm.
            more, doubtful = self._tags.judge({name: found[name] for name in doubtful})
            void = [*void, *more, *doubtful]
        return void

    def _judged(
        self, key: Key, name: str, entry: Entry | None, is_void: bool, written: bytes | None
    ) -> Entry | None:
        """*entry*, if it may be served; counts what it was."""
        tally, now = self._tally, clock.now()
        if entry is not None and not is_void and now < entry.stale_until:
            tally.hits += 1
            tally.keep(name, len(written or b""))
            self._note("hit" if now < entry.fresh_until else "stale", key)
            return entry
        tally.misses += 1
        tally.forget(name)
        if is_void:
            tally.void += 1
        elif entry is not None:
            tally.expired += 1
        self._note("miss", key)
        return None

    async def set(self, key: Key, entry: Entry) -> None:
        """Keep *entry* under *key*, unless it became void since ``entry.mark``."""
        await self.set_many({key: entry})

    async def set_many(self, entries: Mapping[Key, Entry]) -> None:
        """Keep each entry under its key, as ``set`` does; one pipeline."""
        client = self._clients.here()
        with self._tally:
            await self._meet(client)
            writes = []
            for key, entry in entries.items():
                name = digest(key)
                command, outcome = self._writing.command(name, entry)
                self._note(outcome, key)
                if command is not None:
                    writes.append(self._write(client, name, command))
            await _all(writes)

    async def _write(self, client: Client, name: str, command: Command) -> None:
        await client.write(command)
        if command[0] == "SET":
            self._tally.keep(name, len(command[2]) if isinstance(command[2], bytes) else 0)
        else:
            self._tally.forget(name)

    async def delete(self, key: Key) -> None:
        """Forget *key*; harmless if it is not there."""
        name = digest(key)
        with self._tally:
            await self._write(self._clients.here(), name, ("DEL", self._names.entries + name))

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every entry void that carries one of *tags*, in every process.

        A tag made by ``tag_of_key`` is borne by the entry under that key alone.
        """
        if isinstance(tags, str):
            raise BadSetup(f"invalidate({tags!r}): tags come in a collection, as [{tags!r}]")
        if tags := tuple(dict.fromkeys(tags)):  # none would mean everything
            with self._tally:
                await self._clients.here().invalidate(tags)

    async def clear(self) -> None:
        """Make every entry void, in every process; the server drops them as their time ends."""
        with self._tally:
            await self._clients.here().invalidate(())

    def mark(self) -> int:
        """The count of invalidations heard of; taken before work begins, given to its entry.

        ``NO_MARK`` before the server has first answered.
        """
        return NO_MARK if self.ledger.state is None else self.ledger.count

    def statistics(self) -> StoreStatistics:
        """What happened here; entries and bytes are those this process read or wrote last."""
        return self._tally.statistics()

    async def catch_up(self) -> None:
        """Hear of every invalidation that was acknowledged before this call, or raise."""
        with self._tally:
            await self._clients.here().catch_up()

    async def probe(self) -> None:
        """Return if the server answers."""
        await self._clients.here().order(("PING",))

    async def lease(self, key: Key, seconds: float) -> Lease | None:
        """The right to do the work on *key*, or None while somebody else has it."""
        with self._tally:
            token = await self._clients.here().leases.lease(digest(key), seconds)
        return None if token is None else Lease(key, token, seconds)

    async def renew(self, lease: Lease) -> bool:
        """Hold *lease* for its seconds from now; False if it ran out and is another's, or free."""
        leases = self._clients.here().leases
        with self._tally:
            return await leases.renew(digest(lease.key), lease.token, lease.seconds)

    async def release(self, lease: Lease, *, kept: bool) -> None:
        """Give *lease* back and wake who waits, told whether an answer was kept."""
        leases = self._clients.here().leases
        with self._tally:
            await leases.release(digest(lease.key), lease.token, kept=kept)

    async def wait(self, key: Key, at_most_s: float) -> Ending:
        """Return when the lease on *key* is given back or has run out ("over" at once if free)."""
        with self._tally:
            return await self._clients.here().leases.wait(digest(key), at_most_s)

    async def aclose(self) -> None:
        """Close this event loop's connections; the next use opens others. Entries stay."""
        await self._clients.aclose_here()

    async def scan(self) -> AsyncIterator[tuple[str, bytes]]:
        """Every entry as written, by name; for showing and exporting, as it asks for all keys."""
        client, prefix = self._clients.here(), self._names.entries
        cursor: Reply = b"0"
        while True:
            found = await client.order(
                ("SCAN", _text(cursor), "MATCH", self._names.every_entry(), "COUNT", 500)
            )
            cursor, places = found if isinstance(found, list) else (b"0", [])
            values = await client.read([place.decode() for place in places])
            for place, written in values.items():
                if written is not None:
                    yield place.removeprefix(prefix), written
            if cursor == b"0":
                return

    async def load(self, pairs: Iterable[tuple[str, bytes]]) -> int:
        """Keep entries that ``scan`` gave, as good from now on; how many could be read and kept."""
        client = self._clients.here()
        with self._tally:
            await self._meet(client)
            writes = []
            for name, written in pairs:
                entry = self._codec.decode(name, written)
                if entry is not None and clock.now() < entry.stale_until:
                    command, _ = self._writing.command(name, entry.with_mark(self.ledger.count))
                    if command is not None:
                        writes.append(self._write(client, name, command))
            await _all(writes)
        return len(writes)

    async def _meet(self, client: Client) -> None:
        """Marks mean something only once the server's count is known."""
        if self.ledger.state is None:
            await client.catch_up()

    def _note(self, outcome: str, key: Key) -> None:
        if log.isEnabledFor(DEBUG):
            try:
                name = self.name_key(key)
            except Exception:  # a log line must not make a look-up fail
                name = "(unnamed)"
            log.debug("%s %s %s", name, self.name, outcome)


async def _all(writes: Sequence[Awaitable[None]]) -> None:
    """Wait for all of *writes*, begun together; raise the first error."""
    if len(writes) == 1:
        await writes[0]
    elif writes:
        await asyncio.gather(*writes)


def _text(reply: Reply) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def _refuse_unless_seconds(name: str, value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < float(str(value)) < math.inf:
        raise BadSetup(f"RedisStore({name}={value!r}): use a number of seconds above 0")
