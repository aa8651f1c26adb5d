"""The channel on which the server tells of invalidations and of leases given back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from ... import clock
from ..ledger import Change
from ..shared import Ending
from .connections import Connections, cut
from .names import read_message

log = logging.getLogger("headway.stores")

QUIET_S: Final = 2.0
"""After so much silence the server is asked whether it is there; a cut cable says nothing."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


class Bus:
    """Listens, in a task of its own, and connects again whenever the connection breaks.

    *change* takes an invalidation and says whether one before it is missing; *catch_up* asks the
    server for what was missed; *ending* takes the end of a lease. *again* is called when listening
    has begun, as what was told before that was not heard.
    """

    def __init__(
        self,
        connections: Connections,
        channel: str,
        timeout_s: float,
        *,
        change: Callable[[Change], bool],
        catch_up: Callable[[], Awaitable[None]],
        ending: Callable[[str, Ending], None],
        again: Callable[[], None],
    ) -> None:
        self._connections, self._channel, self._timeout_s = connections, channel, timeout_s
        self._change, self._catch_up, self._ending, self._again = change, catch_up, ending, again
        self._task = asyncio.get_running_loop().create_task(self._listen_for_ever())
        self._pause_s = _FIRST_PAUSE_S

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                log.debug("%s: not listening: %s", self._channel, error)
            await clock.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        async with asyncio.timeout(self._timeout_s):
            connection = await self._connections.open()
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.send_command("SUBSCRIBE", self._channel)
                await connection.read_response()
                await self._catch_up()
            self._again()
            self._pause_s = _FIRST_PAUSE_S
            await self._hear(connection)
        finally:
            await cut(connection)

    async def _hear(self, connection: AbstractConnection) -> None:
        is_asked = False
        while True:
            patience_s = self._timeout_s if is_asked else QUIET_S
            told = await connection.read_response(timeout=patience_s)
            if told is not None:
                is_asked = False
                await self._take(told)
            elif is_asked:
                raise TimeoutError(f"nothing heard for {QUIET_S + patience_s:g} s")
            else:
                is_asked = True
                await connection.send_command("PING")

    async def _take(self, told: object) -> None:
        message = read_message(told[2]) if isinstance(told, list) and len(told) == 3 else None
        if isinstance(message, Change):
            if not self._change(message):
                await self._catch_up()
        elif message is not None:
            self._ending(*message)
