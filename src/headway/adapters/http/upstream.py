"""The way to the server: the module's own transports, one set for each live loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from ... import bridge
from .plumbing import AsyncResponse, AsyncTransport, SyncResponse, SyncTransport, Url

_MOST_QUEUED: Final = 16
"""Chunks that a thread reads ahead of the loop."""


class Upstream(Protocol):
    """Carries requests to their servers."""

    async def send(self, request: Any) -> AsyncResponse:
        """The answer, its body unread; the transport's own errors pass unchanged."""

    async def aclose(self) -> None:
        """Close the connections."""


class OnLoops:
    """Connections belong to loops: a client of its own, for its transports, on each of them."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClient]
        self._clients = WeakKeyDictionary()
        self._lock = threading.Lock()

    async def send(self, request: Any) -> AsyncResponse:
        """The answer, over a connection of the running loop."""
        loop = asyncio.get_running_loop()
        held = self._clients.get(loop)
        if held is None:
            held = _LoopClient(self._make_client())
            with self._lock:
                self._clients[loop] = held
            await held.begin()
        transport = _transport_of(held.client, request.url)
        response: AsyncResponse = await transport.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs."""
        here = asyncio.get_running_loop()
        with self._lock:
            clients = list(self._clients.items())
            self._clients.clear()
        for loop, held in clients:
            if loop is here:
                await held.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(held.aclose(), loop)
                await asyncio.wrap_future(closing)


class _LoopClient:
    """A client that is closed when its loop ends, if nobody has closed it before."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._ending = self._until_the_end()

    async def begin(self) -> None:
        """Let the running loop know: at its end it closes the async generators it has seen."""
        await anext(self._ending)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._ending.aclose()


class OneTransport:
    """A transport of the user's, for every loop."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def send(self, request: Any) -> AsyncResponse:
        """The answer of the transport."""
        response: AsyncResponse = await self._transport.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


class ClientTransports:
    """The transports of a client that exists: proxies and mounts are chosen as it would."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def handle_async_request(self, request: Any) -> Any:
        return await _transport_of(self._client, request.url).handle_async_request(request)

    def handle_request(self, request: Any) -> Any:
        return _transport_of(self._client, request.url).handle_request(request)

    async def aclose(self) -> None:
        await self._client.aclose()

    def close(self) -> None:
        self._client.close()


def _transport_of(client: Any, url: Url) -> Any:
    # The one private name used of the module: it alone knows the proxies of the environment.
    return client._transport_for_url(url)


class OnThreads:
    """A blocking transport, each of its requests on a thread of its own.

    An asynchronous one on Headway's own loop would cost a tenth less; but a user's proxies,
    certificates and transports for a blocking client are blocking ones.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    async def send(self, request: Any) -> AsyncResponse:
        """The answer; if nobody waits for it any more, the thread closes it when it comes."""
        asked = _Asked(self._transport, request)
        try:
            response = await bridge.in_thread(asked.ask)
        except BaseException:
            asked.give_up()
            raise
        return _OnThreadResponse(response)

    async def aclose(self) -> None:
        """Close the transport."""
        await bridge.in_thread(self._transport.close)


class _Asked:
    """A request on a thread, which cannot be stopped, only told that its answer is unwanted."""

    def __init__(self, transport: SyncTransport, request: Any) -> None:
        self._transport, self._request = transport, request
        self._response: SyncResponse | None = None
        self._is_unwanted = False

    def ask(self) -> SyncResponse:
        response: SyncResponse = self._transport.handle_request(self._request)
        self._response = response
        if self._is_unwanted:
            response.stream.close()
        return response

    def give_up(self) -> None:
        self._is_unwanted = True
        if self._response is not None:
            self._response.stream.close()


class _OnThreadResponse:
    """A blocking response with a body that can be read on the running loop."""

    def __init__(self, response: SyncResponse) -> None:
        self.status_code, self.headers = response.status_code, response.headers
        self.extensions: Mapping[str, Any] = response.extensions
        self.stream = _ThreadBody(response)


class _ThreadBody:
    """The chunks of a blocking body, read by one thread, a few ahead."""

    def __init__(self, response: SyncResponse) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MOST_QUEUED)
        self._is_stopped = self._is_read = False
        self._reading: asyncio.Future[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._reading = asyncio.ensure_future(bridge.in_thread(self._read))
        while (chunk := await self._queue.get()) is not None:
            if isinstance(chunk, BaseException):
                self._is_read = True
                raise chunk
            self._room.release()
            yield chunk
        self._is_read = True

    def _read(self) -> None:
        ending: BaseException | None = None
        try:
            for chunk in self._response.stream:
                self._room.acquire()
                if self._is_stopped:
                    break
                self._put(chunk)
        except Exception as error:
            ending = error
        finally:
            self._response.stream.close()
        self._put(ending)

    def _put(self, chunk: bytes | BaseException | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, chunk)

    async def aclose(self) -> None:
        """Stop the thread, at once even if it waits for bytes, and close the connection."""
        self._is_stopped = True
        self._room.release()
        if self._reading is None:
            await bridge.in_thread(self._response.stream.close)
            return
        if not self._is_read:  # a thread at the end of a body gives its connection back
            _wake(self._response)
        await asyncio.wait({self._reading})


def _wake(response: SyncResponse) -> None:
    """End a read that blocks, by shutting its socket; a connection that others use is left."""
    network = response.extensions.get("network_stream")
    if network is None or response.extensions.get("http_version") == b"HTTP/2":
        return
    connected = network.get_extra_info("socket")
    if isinstance(connected, socket.socket):
        try:
            connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already
