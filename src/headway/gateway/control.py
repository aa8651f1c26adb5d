"""What the parent and a worker say to each other, and the channel on which they say it."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Generic, TypeVar

import msgspec

from .plan import Plan
from .reports import Report

HEAD_BYTES: Final = 4
MOST_BYTES: Final = 64 * 1024 * 1024


class Begin(msgspec.Struct, frozen=True, tag=True):
    """To a worker: serve by this plan on the socket that you were given."""

    plan: Plan


class Reload(msgspec.Struct, frozen=True, tag=True):
    """To a worker: new requests by this plan. It answers ``Reloaded``."""

    number: int
    plan: Plan


class Ask(msgspec.Struct, frozen=True, tag=True):
    """To a worker: how do you fare? It answers ``Reported``."""

    number: int


class Drain(msgspec.Struct, frozen=True, tag=True):
    """To a worker: accept no more, finish what is under way, end."""

    within_s: float


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: I serve."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """From a worker: I cannot serve by this plan."""

    why: str


class Reloaded(msgspec.Struct, frozen=True, tag=True):
    """From a worker: I serve by the new plan; or why not, and then by the old one."""

    number: int
    why: str | None = None


class Reported(msgspec.Struct, frozen=True, tag=True):
    """From a worker: so I fare."""

    number: int
    report: Report


class Leaving(msgspec.Struct, frozen=True, tag=True):
    """From a worker: somebody asked me to end; say how long I may take."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """From a worker, its last word: whether all ended by itself, and its last figures."""

    is_clean: bool
    report: Report


ToWorker = Begin | Reload | Ask | Drain
FromWorker = Ready | Failed | Reloaded | Reported | Leaving | Ended

Said = TypeVar("Said", bound=msgspec.Struct)
Heard = TypeVar("Heard", bound=msgspec.Struct)


class Channel(Generic[Said, Heard]):
    """One end: messages as JSON, each with its length in front."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.json.Decoder[Heard],
    ) -> None:
        self._reader, self._writer, self._decoder = reader, writer, decoder

    def say(self, message: Said) -> None:
        """Send *message*; nobody hears it if the other end is gone."""
        if self._writer.is_closing():
            return
        body = msgspec.json.encode(message)
        self._writer.write(len(body).to_bytes(HEAD_BYTES, "big") + body)

    async def hear(self) -> Heard | None:
        """The next message; None if the other end is gone, or says what is no message."""
        try:
            length = int.from_bytes(await self._reader.readexactly(HEAD_BYTES), "big")
            if length > MOST_BYTES:
                return None
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, msgspec.DecodeError):
            return None

    async def flushed(self) -> None:
        """Return when all that was said is on its way."""
        try:
            await self._writer.drain()
        except OSError:
            pass  # the other end is gone

    def abort(self) -> None:
        """Close this end at once: whoever is at the other may never read what was said."""
        self._writer.transport.abort()

    async def aclose(self) -> None:
        """Close this end, once what was said is sent."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass  # the other end was gone before


async def end_of_parent(sock: socket.socket) -> Channel[ToWorker, FromWorker]:
    """The parent's end of the channel over *sock*, which is the channel's from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return Channel(reader, writer, msgspec.json.Decoder(FromWorker))


async def end_of_worker(sock: socket.socket) -> Channel[FromWorker, ToWorker]:
    """The worker's end of the channel over *sock*, which is the channel's from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return Channel(reader, writer, msgspec.json.Decoder(ToWorker))
