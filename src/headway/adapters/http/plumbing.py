"""What the door needs of httpx2, or of httpx: the shape of a module that is passed in."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

RawHeaders = list[tuple[bytes, bytes]]

MOST_NAME: Final = 120

AsyncClientT = TypeVar("AsyncClientT", covariant=True)
ClientT = TypeVar("ClientT", covariant=True)


class HttpModule(Protocol[AsyncClientT, ClientT]):
    """The module ``httpx2`` or ``httpx``, or another with the same names."""

    @property
    def AsyncClient(self) -> Callable[..., AsyncClientT]: ...  # noqa: N802

    @property
    def Client(self) -> Callable[..., ClientT]: ...  # noqa: N802


class Headers(Protocol):
    """Headers as they stand on the wire."""

    @property
    def raw(self) -> RawHeaders: ...


class Url(Protocol):
    """An address in its parts."""

    @property
    def raw_scheme(self) -> bytes: ...
    @property
    def raw_host(self) -> bytes: ...
    @property
    def port(self) -> int | None: ...
    @property
    def raw_path(self) -> bytes: ...


class Request(Protocol):
    """A request of the module's client, as its transport gets it."""

    method: str
    extensions: MutableMapping[str, Any]

    @property
    def url(self) -> Url: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def stream(self) -> object: ...


class AsyncBody(AsyncIterable[bytes], Protocol):
    """The body of an answer that is read on a loop."""

    async def aclose(self) -> None: ...


class Body(Iterable[bytes], Protocol):
    """The body of an answer that is read on a thread."""

    def close(self) -> None: ...


class Response(Protocol):
    """An answer of the module's transport, its body unread."""

    status_code: int
    extensions: Mapping[str, Any]

    @property
    def headers(self) -> Headers: ...


class AsyncResponse(Response, Protocol):
    """An answer whose body is read on a loop."""

    @property
    def stream(self) -> AsyncBody: ...


class SyncResponse(Response, Protocol):
    """An answer whose body is read on a thread."""

    @property
    def stream(self) -> Body: ...


class AsyncTransport(Protocol):
    """What carries a request to its server and brings the answer, on a loop."""

    async def handle_async_request(self, request: Any) -> Any: ...
    async def aclose(self) -> None: ...


class SyncTransport(Protocol):
    """What carries a request to its server and brings the answer, on the calling thread."""

    def handle_request(self, request: Any) -> Any: ...
    def close(self) -> None: ...


def plain_name(model: str) -> str:
    """A model's name as it may stand in records: printable, and no longer than names are."""
    if len(model) > MOST_NAME:
        return f"{_printable(model[:MOST_NAME])}..."
    return _printable(model)


@lru_cache(maxsize=1024)
def _printable(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else "?" for letter in name)
