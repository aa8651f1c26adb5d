"""Connections to the server: commands there, replies back, in one go or not at all."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import TypeAlias

from redis import exceptions
from redis.asyncio.connection import AbstractConnection

Command: TypeAlias = tuple[str | bytes | int, ...]
Reply: TypeAlias = object
"""Bytes, whole numbers, lists of them, None; or a ``ResponseError``, the server's refusal."""


class Connections:
    """Open connections of one event loop, kept for the next exchange.

    A connection is used again only if every reply of its last exchange was read. Whatever ends an
    exchange early, a cancellation too, closes it, so that no reply is ever taken for another's.
    """

    def __init__(self, make: Callable[[], AbstractConnection]) -> None:
        self._make = make
        self._idle: list[AbstractConnection] = []
        self._is_closed = False

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """The replies to *commands*, sent in one write; the caller bounds the time it takes.

        Raises:
            RedisError, OSError: the server cannot be reached, or hung up.
        """
        connection = await self._take()
        writer = connection._writer  # the library lets go of it when sending fails
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            replies = [await _reply(connection) for _ in commands]
        except BaseException:
            if writer is not None:
                writer.transport.abort()  # a plain close waits for a frozen server to read the rest
            await cut(connection)
            raise
        if self._is_closed:
            await cut(connection)
        else:
            self._idle.append(connection)
        return replies

    async def open(self) -> AbstractConnection:
        """A new connection, which the caller cuts in the end."""
        connection = self._make()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await cut(connection)
            raise
        return connection

    async def close(self) -> None:
        """Close what is idle now, and what is still in use as soon as it is not."""
        self._is_closed = True
        while self._idle:
            await cut(self._idle.pop())

    async def _take(self) -> AbstractConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_connected and not await connection.can_read():
                return connection
            await cut(connection)  # the server hung up, or said something unasked
        return await self.open()


async def _reply(connection: AbstractConnection) -> Reply:
    try:
        reply: Reply = await connection.read_response()
    except exceptions.ResponseError as refusal:
        return refusal
    return reply


async def cut(connection: AbstractConnection) -> None:
    """Close *connection* without waiting for anything."""
    await connection.disconnect(nowait=True)


def explained(error: Exception, where: str) -> Exception:
    """*error* as an ``OSError`` that names the server, if it is about the server."""
    match error:
        case exceptions.AuthenticationError() | exceptions.NoPermissionError():
            told: OSError = PermissionError(
                errno.EACCES, f"{where} refused user or password ({error}); give both in the URL"
            )
        case exceptions.OutOfMemoryError():
            told = OSError(errno.ENOSPC, f"{where} has no memory left: {error}")
        case exceptions.TimeoutError():
            told = TimeoutError(f"{where} did not answer in time: {error}")
        case exceptions.ResponseError():
            told = OSError(errno.EIO, f"{where} refused: {error}")
        case exceptions.RedisError() | ConnectionError():
            told = ConnectionError(f"{where} cannot be reached: {error}")
        case TimeoutError():
            told = TimeoutError(f"{where} did not answer in time")
        case _:
            return error
    told.__cause__ = error
    return told
