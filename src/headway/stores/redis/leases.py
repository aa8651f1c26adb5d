"""Who does the work on a key, among all processes; the others wait for a message."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from ... import clock
from ..shared import Ending
from . import scripts
from .connections import Command, Reply
from .names import Names, read_ending

ENDING_LASTS_S: Final = 5
"""So long it can be asked how a lease ended, for those who missed the message."""
_MOST_REFUSED = 10_000


class Leases:
    """Leases of one event loop. *send* gives the reply to a command, also if its caller goes."""

    def __init__(self, names: Names, send: Callable[[Command], asyncio.Future[Reply]]) -> None:
        self._names, self._send = names, send
        self._waiting: dict[str, set[asyncio.Future[Ending | None]]] = {}
        self._refused: dict[str, None] = {}

    async def lease(self, name: str, seconds: float) -> str | None:
        """The token of the lease on *name*, or None while somebody else has it."""
        token = secrets.token_hex(16)
        answer = self._send(self._script(scripts.LEASE, name, token, _ms(seconds)))
        try:
            is_ours = await asyncio.shield(answer) == 1
        except asyncio.CancelledError:
            answer.add_done_callback(lambda late: self._give_back(name, token, late))
            raise
        self._refused.pop(name, None)
        if is_ours:
            return token
        if len(self._refused) >= _MOST_REFUSED:
            self._refused.pop(next(iter(self._refused)))
        self._refused[name] = None
        return None

    def _give_back(self, name: str, token: str, late: asyncio.Future[Reply]) -> None:
        """A lease that came after its caller had gone."""
        if not late.cancelled() and late.exception() is None and late.result() == 1:
            answer = self._send(self._release(name, token, "given up"))
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def renew(self, name: str, token: str, seconds: float) -> bool:
        """True if the lease was still held, and is now for *seconds*."""
        return await self._send(self._script(scripts.RENEW, name, token, _ms(seconds))) == 1

    async def release(self, name: str, token: str, *, kept: bool) -> None:
        """Give the lease back, if it still is ours, and tell who waits."""
        await self._send(self._release(name, token, "kept" if kept else "given up"))

    def _release(self, name: str, token: str, ending: Ending) -> Command:
        keys = (self._names.leases + name, self._names.bus)
        return ("EVAL", scripts.RELEASE, 2, *keys, token, ENDING_LASTS_S * 1_000, ending, name)

    def _script(self, script: str, name: str, token: str, ms: int) -> Command:
        return ("EVAL", script, 1, self._names.leases + name, token, ms)

    async def wait(self, name: str, at_most_s: float) -> Ending:
        """How the lease on *name* ended; "over" if nobody has it, or after *at_most_s*."""
        deadline = clock.monotonic() + at_most_s
        while True:
            heard = self._listen(name)
            try:
                ending, rest_s = await self._look(name)
                if ending is None:
                    ending = await _within(heard, min(rest_s, deadline - clock.monotonic()))
            finally:
                self._stop_listening(name, heard)
            if ending is not None:
                return ending
            if clock.monotonic() >= deadline:
                return "over"

    async def _look(self, name: str) -> tuple[Ending | None, float]:
        """How the lease ended, or else None and the seconds that are left of it."""
        key = self._names.leases + name
        asked = self._send(("GET", key)), self._send(("PTTL", key))
        written, rest_ms = await _both(*asked)
        if isinstance(written, bytes) and written.startswith(b"@") and isinstance(rest_ms, int):
            return ("over", 0.0) if rest_ms < 0 else (None, rest_ms / 1_000 + 0.001)
        # An ending is news only to those who were refused before.
        return (name in self._refused and read_ending(written)) or "over", 0.0

    def _listen(self, name: str) -> asyncio.Future[Ending | None]:
        heard: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(heard)
        return heard

    def _stop_listening(self, name: str, heard: asyncio.Future[Ending | None]) -> None:
        waiting = self._waiting.get(name, set())
        waiting.discard(heard)
        if not waiting:
            self._waiting.pop(name, None)

    def hear(self, name: str, ending: Ending) -> None:
        """Wake who waits for *name*."""
        for heard in self._waiting.get(name, ()):
            _wake(heard, ending)

    def ask_again(self) -> None:
        """Let all who wait look for themselves: messages may have been lost."""
        for waiting in self._waiting.values():
            for heard in waiting:
                _wake(heard, None)


def _wake(heard: asyncio.Future[Ending | None], ending: Ending | None) -> None:
    if not heard.done():
        heard.set_result(ending)


async def _within(heard: asyncio.Future[Ending | None], seconds: float) -> Ending | None:
    timer = clock.call_later(max(0.0, seconds), lambda: _wake(heard, None))
    try:
        return await heard
    finally:
        timer.cancel()


async def _both(first: Awaitable[Reply], second: Awaitable[Reply]) -> tuple[Reply, Reply]:
    one, other = await asyncio.gather(first, second)
    return one, other


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1_000))
