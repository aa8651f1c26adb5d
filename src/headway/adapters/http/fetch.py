"""One request put to a server: its answer read whole, or handed on while it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from ...errors import UpstreamFailed
from ...policies.retry import may_pass, retry_after_s
from ...stream import Stream
from ...wire.exchange import AnswerReader, RequestFacts
from .answer import Head, HttpAnswer, Piece, Whole
from .decoding import Undecodable, decoder_of
from .exchange import CutShort, Exchange
from .flow import Flow
from .plumbing import AsyncResponse

MOST_AHEAD_BYTES: Final = 1024 * 1024
"""How much of an answer that one client alone reads is received before that client reads it."""


async def fetch(exchange: Exchange) -> HttpAnswer:
    """The answer of the server to *exchange*.

    Raises:
        UpstreamFailed: the server answered with a status that may pass.
    """
    response = await exchange.send(exchange.request)
    head = Head(response.status_code, response.headers.raw, _worth_keeping(response))
    incoming = _Incoming(exchange, head, response)
    try:
        if not _comes_in_pieces(exchange.facts, head, exchange.max_bytes):
            await incoming.read_whole()
            if incoming.ended:
                return _judged(exchange, Whole(head, b"".join(incoming.chunks)))
        return await Stream.start(incoming)
    finally:
        # A stream goes on in a task that closes it; here it has ended, or never begun.
        if not incoming.is_handed_on:
            await incoming.aclose()


def _comes_in_pieces(asked: RequestFacts, head: Head, max_bytes: int) -> bool:
    if head.status >= 400:
        return False
    kind = head.headers.get("content-type", "")
    if kind.startswith("text/event-stream") or asked.wire == "other":
        return True
    if asked.streams and "json" not in kind:
        return True
    length = head.headers.get("content-length", "")
    return length.isascii() and length.isdigit() and int(length) > max_bytes


def _worth_keeping(response: AsyncResponse) -> dict[str, object]:
    names = ("http_version", "reason_phrase")
    return {name: response.extensions[name] for name in names if name in response.extensions}


def _judged(exchange: Exchange, answer: Whole) -> Whole:
    """The answer, unless it says that asking again may help."""
    said = answer.headers.get("x-should-retry")
    if not may_pass(answer.status, said):
        return answer
    failure = UpstreamFailed(exchange.name, answer)
    if said == "false":
        failure.retry_after_s = float("inf")
    else:
        failure.retry_after_s = retry_after_s(failure)
    raise failure


class _Incoming(AsyncIterator[Piece]):
    """An answer on its way: read along as it passes, noted on its head when it ends."""

    def __init__(self, exchange: Exchange, head: Head, response: AsyncResponse) -> None:
        self.head, self.chunks = head, list[bytes]()
        self.ended = self.is_handed_on = False
        self._exchange, self._response = exchange, response
        self._bytes = aiter(response.stream)
        self._reading = _ReadingAlong(exchange.facts, head)
        self._is_head_given = False
        self._flow = Flow(MOST_AHEAD_BYTES if exchange.is_alone else exchange.max_bytes)

    async def read_whole(self) -> None:
        """Read to the end, or until there is too much to keep."""
        while not self.ended and self.head.size_bytes <= self._exchange.max_bytes:
            await self._receive()

    async def _receive(self) -> None:
        try:
            chunk = await anext(self._bytes)
        except StopAsyncIteration:
            self._end(clean=True)
            await self._response.stream.aclose()  # gives the connection back
        except Exception as error:
            if not self._is_head_given:
                self._exchange.cut_short = CutShort(self.head, self.chunks, error)
            raise
        else:
            self.head.size_bytes += len(chunk)
            self._reading.feed(chunk)
            self.chunks.append(chunk)

    def _end(self, *, clean: bool) -> None:
        if not self.ended:
            self.ended, head = True, self.head
            self._reading.finish(clean=clean and _is_as_long_as_said(head))
            fits = head.size_bytes <= self._exchange.max_bytes
            head.may_keep = fits and head.facts is not None and head.facts.may_keep
            head.may_keep = head.may_keep and not self._exchange.went_elsewhere

    async def __anext__(self) -> Piece:
        try:
            return await self._next()
        except asyncio.CancelledError:
            # Clients stop reading at the last event, not at the end of the bytes.
            self._end(clean=True)
            if self.head.facts is None or not self.head.facts.is_complete:
                raise
        await _to_its_end(self.aclose())
        raise StopAsyncIteration

    async def _next(self) -> Piece:
        if self._is_head_given:
            await self._flow.has_room()
        else:
            self.is_handed_on = True
            self.head.flow, self.head.is_alone = self._flow, self._exchange.is_alone
        if not self.chunks and not self.ended:
            await self._receive()
        if not self._is_head_given:
            # Only now that there is something to read: until here all could be tried again.
            self._is_head_given = True
            return self.head
        if not self.chunks:
            raise StopAsyncIteration
        chunk = self.chunks.pop(0)
        self._flow.received(len(chunk))
        return chunk

    async def aclose(self) -> None:
        """Let go of the connection; what was not read to its end counts as broken off."""
        self._end(clean=False)
        close = getattr(self._bytes, "aclose", None)
        if close is not None:
            await close()
        await self._response.stream.aclose()


def _is_as_long_as_said(head: Head) -> bool:
    said = head.headers.get("content-length", "")
    return not (said.isascii() and said.isdigit()) or int(said) == head.size_bytes


async def _to_its_end(closing: Coroutine[Any, Any, None]) -> None:
    """Do *closing*, however often this task is cancelled meanwhile."""
    task = asyncio.ensure_future(closing)
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    task.result()


class _ReadingAlong:
    """Learns the facts of an answer from a decoded copy of its bytes."""

    def __init__(self, asked: RequestFacts, head: Head) -> None:
        self._head = head
        self._reader: AnswerReader | None = None
        if asked.wire != "other":
            headers = head.headers
            try:
                self._decode = decoder_of(headers.get("content-encoding"))
            except Undecodable:
                return
            if "content-encoding" in headers:  # its length is that of other bytes
                headers = {n: v for n, v in headers.items() if n != "content-length"}
            self._reader = AnswerReader(asked, head.status, headers)

    def feed(self, chunk: bytes) -> None:
        if self._reader is not None:
            try:
                self._reader.feed(self._decode(chunk))
            except Undecodable:
                self._reader = None

    def finish(self, *, clean: bool) -> None:
        if self._reader is not None:
            self._head.facts = self._reader.finish(clean=clean)
