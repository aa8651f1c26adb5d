"""Sends one reply: in its time, in its encoding, and as broken as its fault wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from ... import clock
from .connection import Connection
from .damage import damaged, spoils
from .encoding import encoded, encoder_for, negotiated
from .fault import NO_FAULT, Encoding, Fault
from .http_request import Request
from .log import Ended
from .pace import Metronome, Pace
from .refusal import REASONS
from .reply import Piece, Reply

LAST_CHUNK = b"0\r\n\r\n"
T = TypeVar("T")


class Noting(Protocol):
    """Writes members of the exchange's record in the log."""

    def __call__(self, **changes: object) -> None:
        """Replace these members."""


class CutShort(Exception):  # never leaves this file
    """The fault has ended the connection."""


class Delivery:
    """The way of one reply to its client; the log is written before the bytes it speaks of go."""

    def __init__(
        self,
        request: Request,
        connection: Connection,
        reply: Reply,
        fault: Fault,
        pace: Pace,
        note: Noting,
    ) -> None:
        self._request, self._connection, self._reply = request, connection, reply
        self._fault, self._pace, self._note = fault, pace, note
        self._metronome = Metronome(pace)
        self._has_begun = False
        self._sent = 0  # bytes of the body, as encoded

    async def run(self, wire: str, offered: Sequence[Encoding]) -> None:
        """Send it all, or as much as the fault and the client let through."""
        self._note(status=self._reply.status, usage=self._reply.usage)
        if self._fault != NO_FAULT:
            self._note(fault=self._fault)
        try:
            await self._hold_back()
            encoding = self._encoding(offered)
            if self._reply.pieces is None:
                await self._send_plain(encoding)
            else:
                await self._send_stream(damaged(self._reply.pieces, self._fault, wire), encoding)
        except CutShort:
            pass
        except asyncio.CancelledError:
            self._end("cancelled" if self._connection.is_gone else "stopped", is_early=True)
            raise

    async def _hold_back(self) -> None:
        """What a fault does before there are any headers."""
        fault = self._fault
        if fault.wait_s:
            await clock.sleep(fault.wait_s * self._pace.scale)
        if fault.never_answers:
            await self._connection.wait_until_gone()
        if fault.how_it_ends is not None and fault.cut_after is None:
            self._note(status=None)
            self._end("fault", is_early=True)
            await self._cut()

    def _encoding(self, offered: Sequence[Encoding]) -> Encoding:
        if self._fault.encoding is not None:
            return self._fault.encoding
        return negotiated(self._request.header("accept-encoding") or "", offered)

    async def _send_plain(self, encoding: Encoding) -> None:
        reply, fault = self._reply, self._fault
        if reply.status < 400:
            made = reply.usage.tokens_out if reply.usage is not None else 0
            await self._metronome.wait_until(self._pace.plain(made))
            self._begin()
        body = encoded(encoding, reply.body)
        is_cut = fault.cut_after is not None and fault.cut_after <= len(body)
        sent = body[: fault.cut_after] if is_cut else body
        length = len(sent) if fault.ending == "end" else len(body) + fault.length_error
        if fault.length_error:
            self._connection.is_finished = True
        if reply.reports_usage and not is_cut:
            self._note(was_told=True)
        self._sent = len(sent)
        self._end("fault" if is_cut or fault.length_error else "complete")
        head = self._head(encoding, [("content-length", str(length))])
        await self._connection.send(head if self._request.method == "HEAD" else head + sent)
        if is_cut and fault.ending != "end":
            await self._cut()

    async def _send_stream(self, pieces: Iterable[Piece], encoding: Encoding) -> None:
        is_chunked = self._request.version == "1.1"
        self._connection.is_finished |= not is_chunked
        framing = [("transfer-encoding", "chunked")] if is_chunked else []
        await self._connection.send(self._head(encoding, framing))
        encoder, is_last = encoder_for(encoding), False
        for piece, is_last in marked_last(pieces):
            await self._metronome.wait_for(piece)
            if piece.tokens:
                self._begin()
            data = encoder.encode(piece.data) + (encoder.finish() if is_last else b"")
            await self._cut_within(data, is_chunked)
            if piece.reports_usage:
                self._note(was_told=True)
            self._sent += len(data)
            if is_last:
                self._begin()
                self._end("fault" if spoils(self._fault) else "complete")
            await self._connection.send(framed(data, is_chunked, is_last=is_last))
        if not is_last:  # the fault left no event at all
            self._end("fault")
            await self._connection.send(framed(b"", is_chunked, is_last=True))

    async def _cut_within(self, data: bytes, is_chunked: bool) -> None:
        """End the connection here, if the fault's place for it lies in *data*."""
        cut_after = self._fault.cut_after
        if cut_after is None or self._sent + len(data) < cut_after:
            return
        kept = data[: cut_after - self._sent]
        self._sent += len(kept)
        self._end("fault", is_early=True)
        is_last = self._fault.ending == "end"
        await self._connection.send(framed(kept, is_chunked, is_last=is_last))
        if is_last:
            raise CutShort
        await self._cut()

    async def _cut(self) -> None:
        if self._fault.how_it_ends == "reset":
            await self._connection.reset()
        else:
            await self._connection.close()
        raise CutShort

    def _head(self, encoding: Encoding, framing: list[tuple[str, str]]) -> bytes:
        reply = self._reply
        headers = [*reply.headers, *framing]
        if encoding != "identity":
            headers.append(("content-encoding", encoding))
        if self._connection.is_finished:
            headers.append(("connection", "close"))
        reason = REASONS.get(reply.status, "Status")
        lines = [
            f"HTTP/1.1 {reply.status} {reason}",
            *(f"{name}: {text}" for name, text in headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _begin(self) -> None:
        """The model's first word is there: from now on its prompt can be read from the cache."""
        if not self._has_begun and self._reply.status < 400:
            self._has_begun = True
            self._note(first_at=clock.now())
            self._reply.begun()

    def _end(self, ending: Ended, is_early: bool = False) -> None:
        usage = self._reply.usage
        if is_early and usage is not None:
            made = min(usage.tokens_out, self._metronome.made)
            usage = msgspec.structs.replace(usage, tokens_out=made)
        self._note(ending=ending, usage=usage, ended_at=clock.now(), sent_bytes=self._sent)


def framed(data: bytes, is_chunked: bool, *, is_last: bool) -> bytes:
    """The bytes as one chunk, with the end of the body behind the last."""
    if not is_chunked:
        return data
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + LAST_CHUNK if is_last else chunk


def marked_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each item, and whether it is the last."""
    iterator = iter(items)
    held = next(iterator, None)
    while held is not None:
        following = next(iterator, None)
        yield held, following is None
        held = following
