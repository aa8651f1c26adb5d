"""The door as a transport of the module's clients, on a loop and on a thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ... import bridge
from ...errors import CallTimedOut, StreamBroken
from ...stream import Recording, Stream
from .answer import Head
from .door import Door, Outcome
from .exchange import CutShort
from .plumbing import SyncTransport


class AsyncFace:
    """The transport of an asynchronous client."""

    def __init__(self, module: Any, door: Door) -> None:
        self._module, self._door = module, door

    async def handle_async_request(self, request: Any) -> Any:
        """The answer to *request*, through the policies; a connection to keep is no exchange."""
        if "upgrade" in request.headers:
            return await self._door.upstream.send(request)
        try:
            outcome = await self._door.ask(request, _body_of(self._module, request))
        except CallTimedOut as late:
            raise self._module.ReadTimeout(str(late), request=request) from late
        return _response(self._module, outcome)

    async def aclose(self) -> None:
        """Close the connections to servers."""
        await self._door.aclose()

    async def __aenter__(self) -> AsyncFace:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()


class SyncFace:
    """The transport of a client that blocks; what is kept enters no loop."""

    def __init__(self, module: Any, door: Door, transport: SyncTransport) -> None:
        self._module, self._door, self._transport = module, door, transport

    def handle_request(self, request: Any) -> Any:
        """The answer to *request*, through the policies; a connection to keep is no exchange."""
        if "upgrade" in request.headers:
            return self._transport.handle_request(request)
        try:
            asking = self._door.ask(request, _body_of(self._module, request))
            outcome = bridge.now_or_wait(asking)
        except CallTimedOut as late:
            raise self._module.ReadTimeout(str(late), request=request) from late
        return _response(self._module, outcome)

    def close(self) -> None:
        """Close the connections to servers."""
        bridge.now_or_wait(_on_a_loop(self._door))

    def __enter__(self) -> SyncFace:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


async def _on_a_loop(closing: Any) -> None:
    await bridge.on_a_loop()
    await closing.aclose()


def _body_of(module: Any, request: Any) -> bytes | None:
    """The body, if it can be had without taking it from the server."""
    try:
        body: bytes = request.content
    except module.RequestNotRead:
        return None
    return body


def _response(module: Any, outcome: Outcome) -> Any:
    body, is_whole = outcome.body, type(outcome.body) is bytes and not outcome.is_encoded
    response = (_whole_response(module) if is_whole else module.Response)(
        outcome.status,
        headers=outcome.headers,
        stream=_stream(module, body),
        extensions=outcome.extensions,
    )
    if is_whole:
        response.whole = body
    return response


@functools.cache
def _whole_response(module: Any) -> Any:
    """The module's response, made to read a body that is at hand in one step, not in five.

    The steps are a tenth of all that a client does for a request. Where the module has other names
    for what they leave behind, its own response will do.
    """
    own = module.Response
    if not {"_content", "_num_bytes_downloaded"} <= vars(own(200, content=b"")).keys():
        return own
    return type("WholeResponse", (_ReadInOneStep, own), {})


class _ReadInOneStep:
    """``read`` and ``aread`` of a response whose body, not encoded, is one piece: ``whole``."""

    whole: bytes

    def read(self: Any) -> bytes:
        if not self._take():
            return super().read()  # type: ignore[misc,no-any-return]
        self.close()
        return self.whole  # type: ignore[no-any-return]

    async def aread(self: Any) -> bytes:
        if not self._take():
            return await super().aread()  # type: ignore[misc,no-any-return]
        await self.aclose()
        return self.whole  # type: ignore[no-any-return]

    def _take(self: Any) -> bool:
        if self.is_stream_consumed or self.is_closed:
            return False
        self.is_stream_consumed = True
        self._content, self._num_bytes_downloaded = self.whole, len(self.whole)
        return True


def _stream(module: Any, body: bytes | Stream[Any] | CutShort) -> Any:
    if isinstance(body, bytes):
        return module.ByteStream(body)
    if isinstance(body, CutShort):
        return _kind(module, _CutBody)(body)
    return _kind(module, _StreamBody)(module, body)


@functools.cache
def _kind(module: Any, face: type[Any]) -> type[Any]:
    """*face* as a body that the module's clients accept."""
    return type(face.__name__, (face, module.AsyncByteStream, module.SyncByteStream), {})


class _CutBody:
    """What came of a whole answer, and then the error that ended it."""

    def __init__(self, cut: CutShort) -> None:
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        yield from self._cut.chunks
        raise self._cut.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._cut.chunks:
            yield chunk
        raise self._cut.error

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class _StreamBody:
    """One client's reading of a stream, whose first piece is its head."""

    def __init__(self, module: Any, stream: Stream[Any]) -> None:
        self._module, self._stream = module, stream
        head: Head = stream.recording.chunks[0]
        self._head = head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        recording, at, position = self._stream.recording, 1, 0
        while True:
            while at >= len(recording.chunks):
                if recording.ended:
                    self._raise_ending(recording)
                    return
                await recording.more()
            chunk = self._chunk(recording, at)
            at, position = at + 1, position + len(chunk)
            yield chunk
            self._has_read(position)

    def __iter__(self) -> Iterator[bytes]:
        recording, at, position = self._stream.recording, 1, 0
        arrivals = None if recording.ended else _Arrivals(recording, self._head)
        while True:
            while at >= len(recording.chunks):
                if recording.ended:
                    self._raise_ending(recording)
                    return
                assert arrivals is not None
                arrivals.wait()
            chunk = self._chunk(recording, at)
            at, position = at + 1, position + len(chunk)
            yield chunk
            self._has_read(position)

    def _chunk(self, recording: Recording[Any], at: int) -> bytes:
        chunk: bytes = recording.chunks[at]
        if self._head.is_alone:
            recording.chunks[at] = b""  # nobody else will read it
        return chunk

    def _has_read(self, position: int) -> None:
        if self._head.flow is not None:
            self._head.flow.read(position)

    def _raise_ending(self, recording: Recording[Any]) -> None:
        error = recording.error
        if error is None:
            return
        if isinstance(error, CallTimedOut):
            raise self._module.ReadTimeout(str(error)) from error
        if isinstance(error, StreamBroken):
            raise self._module.ReadError(str(error)) from error
        raise error

    async def aclose(self) -> None:
        await self._stream.aclose()

    def close(self) -> None:
        bridge.now_or_wait(_on_a_loop(self._stream) if self._is_live else self._stream.aclose())

    @property
    def _is_live(self) -> bool:
        return self._stream.recording.is_live


class _Arrivals:
    """Lets a thread wait for the chunks of a recording that a loop makes."""

    def __init__(self, recording: Recording[Any], head: Head) -> None:
        self._recording, self._arrived = recording, threading.Event()
        assert head.flow is not None
        # On the loop that records, so that no chunk slips in between.
        head.flow.loop.call_soon_threadsafe(self._listen)

    def _listen(self) -> None:
        self._recording.on_chunk(self._arrived.set)
        self._recording.when_done(lambda error: self._arrived.set())
        self._arrived.set()

    def wait(self) -> None:
        """Return when something has come since the last time."""
        self._arrived.wait()
        self._arrived.clear()
