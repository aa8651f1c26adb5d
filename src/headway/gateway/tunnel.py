"""Through a company's proxy: which one is set, and how a connection to a server passes it."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .addresses import HostPort

_MOST_BYTES: Final = 16 * 1024


class ProxyFailed(OSError):
    """A proxy is set that cannot be used, could not be reached, or lets nothing pass."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that speaks HTTP, and the environment variable that named it."""

    variable: str
    at: HostPort
    authorization: str | None = field(repr=False)

    def __str__(self) -> str:
        return f"{self.variable}, {self.at}"


def proxy_to(server: HostPort) -> Proxy | None:
    """The proxy by which the environment says to reach a TLS *server*; None: directly.

    Raises:
        ProxyFailed: it is set to something other than ``http://host:port``.
    """
    variable = proxy_variable()
    if variable is None or _is_excepted(server):
        return None
    proxy = _read(variable, os.environ[variable].strip())
    if proxy is None:
        raise ProxyFailed(
            f"{variable} is not http://host:port; NO_PROXY={server.host} goes past it"
        )
    return proxy


def proxy_variable() -> str | None:
    """The environment variable that names a proxy for TLS servers, if one does."""
    for name in ("https_proxy", "all_proxy"):
        # As everywhere, the lower case wins, also if it is empty.
        variable = name if name in os.environ else name.upper()
        if os.environ.get(variable, "").strip():
            return variable
    return None


def _read(variable: str, said: str) -> Proxy | None:
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")
        host, port = parts.hostname, 80 if parts.port is None else parts.port
        authorization = _basic(parts.username, parts.password)
    except ValueError:  # UnicodeError is one
        return None
    if parts.scheme != "http" or not host or not port or any(map(str.isspace, host)):
        return None
    return Proxy(variable, HostPort(host, port), authorization)


def _is_excepted(server: HostPort) -> bool:
    from urllib.request import getproxies, proxy_bypass  # heavy, and only for those behind a proxy

    if "*" in map(str.strip, getproxies().get("no", "").split(",")):
        return True
    shown = str(server)
    return any(map(proxy_bypass, (server.host, shown.removesuffix(f":{server.port}"), shown)))


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


async def pass_through(
    proxy: Proxy, server: HostPort, connection: asyncio.Protocol, context: ssl.SSLContext
) -> None:
    """Connect *connection* to a TLS *server* by way of *proxy*.

    Raises:
        ProxyFailed: the proxy cannot be reached, or refuses.
        OSError: the server behind it does not answer as it should.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, greeting = await loop.create_connection(_Greeting, *proxy.at)
    except (OSError, UnicodeError) as wrong:
        raise ProxyFailed(f"the proxy is not there: {wrong}") from wrong
    try:
        transport.write(_connect(server, proxy.authorization))
        if (refusal := await greeting.refusal) is not None:
            raise ProxyFailed(f"the proxy lets nothing pass: {refusal}")
        tls = await loop.start_tls(transport, connection, context, server_hostname=server.host)
        if tls is None:
            raise ConnectionResetError("it closed the connection")
        connection.connection_made(tls)
    except BaseException:
        transport.abort()
        raise


def _connect(server: HostPort, authorization: str | None) -> bytes:
    lines = [f"CONNECT {server} HTTP/1.1", f"host: {server}"]
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
            if not (line.startswith("HTTP/1.") and line[8:10] == " 2"):
                self._end(f"it answered {line[:200]!r}")
            elif rest:
                self._end("it said more than its answer to CONNECT")
            else:
                self._end(None)
        elif len(self._came) > _MOST_BYTES:
            self._end("its answer has no end")

    def connection_lost(self, error: Any) -> None:
        self._end("it closed the connection")

    def _end(self, refusal: str | None) -> None:
        if not self.refusal.done():
            self.refusal.set_result(refusal)
