"""All that one event loop has of the server: its connections, lanes, and ear on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, NamedTuple

from redis.asyncio.connection import AbstractConnection

from .bus import Bus
from .connections import Command, Connections, Reply
from .hearing import Hearing, Record
from .lanes import Answer, Asked, Carry, Lane
from .leases import Leases
from .names import Names

MOST_KEYS: Final = 500
"""In one MGET, for the server does nothing else meanwhile."""
MOST_BYTES: Final = 4_000_000
"""In one pipeline of writes; a larger value goes alone."""
COMMAND_BYTES: Final = 500
"""What a command weighs beside its value."""

Values = dict[str, bytes | None]
Life = AsyncGenerator[None, None]


class Server(NamedTuple):
    """Where it is (*where* is for messages), how to reach it, and what stands where in it."""

    where: str
    connect: Callable[[], AbstractConnection]
    timeout_s: float
    names: Names


class Client:
    """Made in a running event loop and used only there; closes by itself when the loop ends."""

    def __init__(self, server: Server, record: Record, when_closed: Callable[[], None]) -> None:
        self._server, self._record = server, record
        self._connections = Connections(server.connect)
        exchange = self._connections.exchange
        self._hearing = Hearing(record, server.names, exchange)
        self._reads: Lane[Sequence[str], Values] = self._lane(self._read, 4, MOST_KEYS)
        # One after the other, so that what was asked for first is done first.
        self._writes: Lane[Command, Reply] = self._lane(self._send, 1, MOST_BYTES)
        self._orders: Lane[Command, Reply] = self._lane(self._send, 2, MOST_BYTES)
        self._invalidations: Lane[tuple[str, ...], None] = self._lane(self._invalidate, 1, 1_000)
        self.leases = Leases(server.names, self.order)
        self._bus = Bus(
            self._connections,
            server.names.bus,
            server.timeout_s,
            change=lambda change: record.ledger.learn([change]),
            catch_up=self.catch_up,
            ending=self.leases.hear,
            again=self.leases.ask_again,
        )
        self._life = self._until_the_loop_ends(when_closed)
        _first_step(self._life)

    def _lane(self, carry: Carry[Asked, Answer], at_once: int, most: int) -> Lane[Asked, Answer]:
        timeout_s, where = self._server.timeout_s, self._server.where
        return Lane(carry, at_once=at_once, most=most, timeout_s=timeout_s, where=where)

    async def read(self, keys: Sequence[str]) -> Values:
        """What the server has under *keys*, read in one moment for each ``MOST_KEYS`` of them.

        All that had been invalidated by then has been heard of when this returns.
        """
        if len(keys) <= MOST_KEYS:
            return await self._reads.ask(keys, len(keys))
        parts = [keys[at : at + MOST_KEYS] for at in range(0, len(keys), MOST_KEYS)]
        read = await asyncio.gather(*[self._reads.ask(part, len(part)) for part in parts])
        return {key: value for values in read for key, value in values.items()}

    async def catch_up(self) -> None:
        """Hear of every invalidation that was acknowledged before this call."""
        await self._reads.ask((), 0)

    def write(self, command: Command) -> asyncio.Future[Reply]:
        """The reply to *command*, which is done after every write asked for before."""
        size = sum(len(part) for part in command if isinstance(part, bytes))
        return self._writes.ask(command, COMMAND_BYTES + size)

    def order(self, command: Command) -> asyncio.Future[Reply]:
        """The reply to *command*, which does not wait for writes."""
        return self._orders.ask(command, COMMAND_BYTES)

    async def invalidate(self, tags: tuple[str, ...]) -> None:
        """Make void what bears one of *tags*, or everything if there are none."""
        if self._hearing.known is None:
            await self.catch_up()  # or its first word would be no news to those who listen
        await self._invalidations.ask(tags)

    async def aclose(self) -> None:
        """Let go of everything."""
        await self._life.aclose()

    async def _read(self, asked: list[Sequence[str]]) -> list[Values | Exception]:
        known = self._hearing.known
        keys = list(dict.fromkeys(key for keys in asked for key in keys))
        command = ("MGET", self._server.names.state, *keys)
        (reply,) = await self._connections.exchange([command])
        if not isinstance(reply, list):
            raise reply if isinstance(reply, Exception) else ConnectionError(f"MGET gave {reply!r}")
        await self._hearing.take(reply[0], known)
        values: Values = dict(zip(keys, reply[1:], strict=True))
        return [values] * len(asked)

    async def _send(self, commands: list[Command]) -> list[Reply]:
        return await self._connections.exchange(commands)

    async def _invalidate(self, asked: list[tuple[str, ...]]) -> list[Exception | None]:
        return await self._hearing.invalidate(asked)

    async def _until_the_loop_ends(self, when_closed: Callable[[], None]) -> Life:
        """An event loop closes the generators begun in it before it ends: this one lets go."""
        try:
            yield
        finally:
            when_closed()
            await self._bus.close()
            for lane in (self._reads, self._writes, self._orders, self._invalidations):
                await lane.close()
            await self._connections.close()


def _first_step(life: Life) -> None:
    """Begin *life* without awaiting: there is nothing to wait for before its ``yield``."""
    try:
        life.__anext__().__await__().__next__()
    except StopIteration:
        pass
