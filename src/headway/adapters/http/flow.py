"""How far ahead of its readers an answer may be received, before the server has to wait."""

from __future__ import annotations

import asyncio


class Flow:
    """Counts bytes received and bytes read by the fastest reader; made on the receiving loop."""

    __slots__ = ("_limit", "_read", "_received", "_room", "loop")

    def __init__(self, limit: int) -> None:
        self._limit, self._received, self._read = limit, 0, 0
        self.loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None

    def received(self, size: int) -> None:
        """Note that *size* more bytes are here."""
        self._received += size

    async def has_room(self) -> None:
        """Return when there is room for more."""
        while self._received - self._read > self._limit:
            self._room = self.loop.create_future()
            # Looked at again: a reader on another thread may have read on meanwhile.
            if self._received - self._read > self._limit:
                await self._room

    def read(self, position: int) -> None:
        """Note, from any thread, that a reader has got as far as *position*."""
        if position > self._read:
            self._read = position
            room = self._room
            if room is not None and self._received - position <= self._limit:
                self._room = None
                if not self.loop.is_closed():
                    self.loop.call_soon_threadsafe(_settle, room)


def _settle(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)
