"""Through a company's proxy: which one is set, and how a connection to a server passes it."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

_VARIABLES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_MOST_BYTES: Final = 16 * 1024


class ProxyFailed(OSError):
    """A proxy could not be reached, or would not let the connection pass."""


class Proxy(NamedTuple):
    """A proxy that speaks HTTP, and the environment variable that named it."""

    variable: str
    host: str
    port: int
    authorization: str | None

    def __str__(self) -> str:
        return f"{self.variable}, {self.host}:{self.port}"


def proxy_to(host: str, port: int) -> Proxy | None:
    """The proxy by which the environment says to reach a TLS server; None if it says to go direct.

    Raises:
        ProxyFailed: it is set to something other than ``http://host:port``.
    """
    variable = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if variable is None or _is_excepted(host, port):
        return None
    proxy = _read(variable, os.environ[variable])
    if proxy is None:
        raise ProxyFailed(f"{variable} is not http://host:port; NO_PROXY={host} goes past it")
    return proxy


def _read(variable: str, said: str) -> Proxy | None:
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme != "http":
        return None
    return Proxy(variable, host, port or 80, _basic(parts.username, parts.password))


def _is_excepted(host: str, port: int) -> bool:
    from urllib.request import proxy_bypass  # heavy, and only for those behind a proxy

    return any(map(proxy_bypass, (host, f"{host}:{port}")))


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


async def pass_through(
    proxy: Proxy, authority: str, connection: asyncio.Protocol, context: ssl.SSLContext, host: str
) -> None:
    """Connect *connection* to the TLS server *host*, which *authority* names with its port.

    Raises:
        ProxyFailed: the proxy cannot be reached, or refuses.
        OSError: the server behind it does not answer as it should.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, greeting = await loop.create_connection(_Greeting, proxy.host, proxy.port)
    except OSError as wrong:
        raise ProxyFailed(f"by {proxy}: {wrong}") from wrong
    try:
        transport.write(_connect(authority, proxy.authorization))
        refusal = await greeting.refusal
        if refusal is not None:
            raise ProxyFailed(f"by {proxy}: {refusal}")
        tls = await loop.start_tls(transport, connection, context, server_hostname=host)
    except BaseException:
        transport.abort()
        raise
    if tls is None:
        raise ProxyFailed(f"by {proxy}: it closed the connection")
    connection.connection_made(tls)


def _connect(authority: str, authorization: str | None) -> bytes:
    lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
    if authorization is not None:
        lines.append(f"proxy-authorization: {authorization}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class _Greeting(asyncio.Protocol):
    """What a proxy answers to CONNECT: ``refusal`` is None if the way is free."""

    def __init__(self) -> None:
        self.refusal: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._came = bytearray()

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, end, rest = self._came.partition(b"\r\n\r\n")
        if end:
            line = head.split(b"\r\n")[0].decode("latin-1")
            is_free = line.startswith("HTTP/1.") and line[8:10] == " 2" and not rest
            self._end(None if is_free else f"it answered {line[:200]!r}")
        elif len(self._came) > _MOST_BYTES:
            self._end("its answer has no end")

    def connection_lost(self, error: Any) -> None:
        self._end("it closed the connection")

    def _end(self, refusal: str | None) -> None:
        if not self.refusal.done():
            self.refusal.set_result(refusal)
