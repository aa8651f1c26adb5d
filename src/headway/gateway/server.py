"""An upstream at work: its address, its idle connections, how it fares."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

from .. import clock, events
from .addresses import HostPort
from .health import Health
from .outbox import Outbox
from .plan import Upstream
from .tunnel import Proxy, ProxyFailed, pass_through, proxy_to
from .upstream import Receiver, UpstreamConnection
from .wheel import TimerWheel

log = logging.getLogger("headway.gateway")

MOST_IDLE: Final = 512
IDLE_S: Final = 60.0
PROBE_S: Final = 5.0


class Connector(Protocol):
    """Who waits for a new connection; exactly one of the two is called, unless it gave up."""

    def on_connection(self, connection: UpstreamConnection) -> None:
        """It stands."""

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        """It does not."""


class Address:
    """Where an upstream listens, and what its paths begin with."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_tls = parts.scheme == "https"
        self.host = _ascii_host(parts.hostname or "")
        self.port = parts.port or (443 if self.is_tls else 80)
        is_usual = self.port == (443 if self.is_tls else 80)
        self.at = HostPort(self.host, self.port)
        shown = str(self.at)
        self.authority = shown.removesuffix(f":{self.port}") if is_usual else shown
        self.base = quote(parts.path.rstrip("/"), safe=_IN_PATHS)
        self.query = quote(parts.query, safe=_IN_PATHS + "?")
        self.origin = f"{parts.scheme}://{self.authority}"

    def target(self, path: str) -> str:
        """The path to ask there for *path*; a ``/v1`` that both have stands once."""
        base = self.base
        if base.endswith("/v1") and (path == "/v1" or path.startswith(("/v1/", "/v1?"))):
            base = base[: -len("/v1")]
        whole = f"{base}{path}" or "/"
        return f"{whole}{'&' if '?' in whole else '?'}{self.query}" if self.query else whole


class Server:
    """One upstream: gives connections, takes them back, and remembers failures."""

    def __init__(self, spec: Upstream, wheel: TimerWheel, outbox: Outbox) -> None:
        self.spec, self.name = spec, spec.name
        self.address, self.health = Address(spec.url), Health()
        # Under another key the same server may answer otherwise; the key itself is shown nowhere.
        self.whose = "" if spec.key is None else sha256(spec.key.encode()).hexdigest()
        self.open = 0
        self._wheel, self._outbox = wheel, outbox
        self._idle: deque[UpstreamConnection] = deque()
        self._all: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._probe: asyncio.TimerHandle | clock.Timer | None = None
        self._is_closed = False

    def take(self) -> UpstreamConnection | None:
        """An idle connection, the one last used; None if there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.is_over:
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep *connection* for the next request."""
        if self._is_closed or len(self._idle) >= MOST_IDLE:
            connection.abort()
            return
        self._wheel.watch(connection, clock.monotonic() + IDLE_S)
        self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """*connection* is closed."""
        self._all.discard(connection)
        if connection.receiver is None and connection.was_used:
            try:
                self._idle.remove(connection)
            except ValueError:
                pass  # it was not idle

    @property
    def connections(self) -> int:
        """How many stand."""
        return len(self._all)

    def connect(self, who: Connector, within_s: float | None) -> Callable[[], object]:
        """Make a connection for *who*; what it gives back, called, gives up."""
        task = asyncio.get_running_loop().create_task(self._connect(who, within_s))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task.cancel

    async def _connect(self, who: Connector, limit_s: float | None) -> None:
        by, is_late = "", False

        def too_late() -> None:
            nonlocal is_late
            is_late = True
            connecting.cancel()

        try:
            proxy = self._proxy()
        except ProxyFailed as wrong:
            who.on_no_connection(f"no connection: {wrong}", is_late=False)
            return
        if proxy is not None:
            by = f" (by {proxy})"
        connecting = asyncio.ensure_future(self._connected(proxy))
        timer = None if limit_s is None else clock.call_later(limit_s, too_late)
        try:
            connection = await connecting
        except asyncio.CancelledError:
            connecting.cancel()
            connecting.add_done_callback(_drop)  # it may stand in this very moment
            if not is_late:
                raise
            who.on_no_connection(f"no connection within {limit_s:g} s{by}", is_late=True)
            return
        except (OSError, ssl.SSLError, ValueError) as wrong:
            who.on_no_connection(f"no connection: {_why(wrong)}{by}", is_late=False)
            return
        finally:
            if timer is not None:
                timer.cancel()
        if connection.is_over:  # since it stood: nobody else would be told
            who.on_no_connection(f"no connection: {_UNASKED}{by}", is_late=False)
        else:
            who.on_connection(connection)

    def _proxy(self) -> Proxy | None:
        return proxy_to(self.address.at) if self.address.is_tls else None

    async def _connected(self, proxy: Proxy | None) -> UpstreamConnection:
        connection = self._new()
        try:
            await self._reach(connection, proxy)
        except BaseException:
            connection.connection_lost(None)  # which loops say only of what has once stood
            raise
        return connection

    async def _reach(self, connection: UpstreamConnection, proxy: Proxy | None) -> None:
        address = self.address
        if proxy is not None:
            await pass_through(proxy, address.at, connection, _tls())
            return
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            address.host,
            address.port,
            ssl=_tls() if address.is_tls else None,
            server_hostname=address.host if address.is_tls else None,
        )

    def _new(self) -> UpstreamConnection:
        connection = UpstreamConnection(self._wheel, self._outbox, self)
        self._all.add(connection)
        return connection

    # --- how it fares ----------------------------------------------------------------------

    def answered(self) -> None:
        """It answered well."""
        health = self.health
        if (health.failures or not health.is_up) and health.answered():
            log.warning("upstream %s answers again", self.name)
            self._tell("up", None)

    def failed(self, why: str) -> None:
        """It failed; after some failures in a row it is passed over, and probed by and by."""
        if self.health.failed(why):
            log.warning("upstream %s is passed over: %s", self.name, why)
            self._tell("down", why)
            self._plan_probe()

    def _tell(self, state: str, why: str | None) -> None:
        if events.listeners:
            events.emit(
                events.StoreStateChanged(
                    at=clock.now(), run=None, store=f"upstream {self.name}", state=state, detail=why
                )
            )

    def _plan_probe(self) -> None:
        if not self._is_closed:
            self._probe = clock.call_later(self.health.wait_s(), self._begin_probe)

    def _begin_probe(self) -> None:
        if self.health.is_up:  # what was under way came back well
            return
        if not self.spec.probe:
            self.health.try_again()
            self._tell("up", "it is tried again")
            return
        _Probe(self, self._wheel, self._probed).begin()

    def _probed(self, is_well: bool) -> None:
        if is_well:
            self.answered()
        elif not self.health.is_up:
            self.health.put_off()
            self._plan_probe()

    def close(self) -> None:
        """Let go of all connections; those in use end with what they carry."""
        self._is_closed = True
        if self._probe is not None:
            self._probe.cancel()
        for connection in list(self._idle):
            connection.abort()
        self._idle.clear()

    def abort(self) -> None:
        """Drop all connections at once."""
        self.close()
        for task in list(self._connecting):
            task.cancel()
        for connection in list(self._all):
            connection.abort()


def _drop(connecting: asyncio.Task[UpstreamConnection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().abort()


class _Probe(Receiver, Connector):
    """One cheap question to an upstream that is passed over; any answer below 500 will do."""

    def __init__(self, server: Server, wheel: TimerWheel, done: Callable[[bool], object]) -> None:
        self._server, self._done = server, done

    def begin(self) -> None:
        self._give_up: Callable[[], object] = self._server.connect(self, PROBE_S)
        self._timer = clock.call_later(2 * PROBE_S, self._ran_out)

    def _ran_out(self) -> None:
        self._give_up()
        self._end(False)

    def _end(self, is_well: bool) -> None:
        self._timer.cancel()
        self._done(is_well)

    def on_connection(self, connection: UpstreamConnection) -> None:
        self._give_up = connection.abort
        address = self._server.address
        asked = f"{address.base}{self._server.spec.probe}" or "/"
        request = f"GET {asked} HTTP/1.1\r\nhost: {address.authority}\r\nconnection: close\r\n\r\n"
        connection.ask(
            self,
            request.encode("latin-1"),
            is_head=False,
            due=clock.monotonic() + PROBE_S,
            between_s=PROBE_S,
        )

    def on_no_connection(self, why: str, *, is_late: bool) -> None:
        self._end(False)

    def on_answer(self, connection: UpstreamConnection) -> None:
        if connection.has_head:
            is_well = connection.status < 500
            connection.abort()
            self._end(is_well)

    def on_lost(self, connection: UpstreamConnection, why: str) -> None:
        self._end(False)


_IN_PATHS: Final = "/%:@!$&'()*+,;=~-._"


def _ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _why(wrong: Exception) -> str:
    if isinstance(wrong, ssl.SSLCertVerificationError) and wrong.verify_code in _NOT_TRUSTED:
        return f"{wrong}; SSL_CERT_FILE names the file of those that are trusted"
    if isinstance(wrong, ssl.SSLError) and wrong.reason in _NO_TLS:
        return f"{wrong}; does it speak TLS? Else its url begins with http://"
    return str(wrong) or _UNASKED


_UNASKED: Final = "it closed the connection before it was asked"
_NOT_TRUSTED: Final = frozenset({7, 18, 19, 20, 21})
"""OpenSSL's numbers: signed by itself or by who is unknown."""
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
