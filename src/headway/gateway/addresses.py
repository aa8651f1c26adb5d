"""Where the gateway listens: addresses as text, and the sockets that hold them."""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

from ..errors import BadSetup
from ..settings import gateway_values

BACKLOG: Final = 1024
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class HostPort(NamedTuple):
    """A host and a port of TCP; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        return self.host in LOOPBACK or self.host.startswith("127.")


def address_of(sock: socket.socket) -> HostPort:
    """Where *sock* listens."""
    host, port = sock.getsockname()[:2]
    return HostPort(host, port)


def host_and_port(text: str, said_by: str) -> HostPort:
    """The address that *text* names, such as ``127.0.0.1:8080`` or ``[::1]:8080``.

    Raises:
        BadSetup: it names none; *said_by* says where it stands.
    """
    try:
        return HostPort(*gateway_values.host_and_port(text))
    except ValueError:
        raise BadSetup(
            f"{said_by} {text!r}: write host and port, such as 127.0.0.1:8080 (0.0.0.0:8080 for "
            "every network, [::1]:8080 for IPv6, port 0 for any that is free)"
        ) from None


def listening(address: HostPort, said_by: str) -> socket.socket:
    """A socket that listens there, and shares the address with nobody.

    Raises:
        BadSetup: the address is taken, not allowed, or none of this machine.
    """
    return _listening(address, said_by, is_shared=False)


def listening_together(address: HostPort, count: int, said_by: str) -> list[socket.socket]:
    """*count* sockets that listen at one address; the kernel spreads connections over them.

    Raises:
        BadSetup: as ``listening``; also if other processes share the address already.
    """
    # A port that others share with SO_REUSEPORT is joined without a word, so look without it first.
    with _bound(address, said_by, is_shared=False) as looked:
        address = HostPort(address.host, looked.getsockname()[1])
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            sockets.append(listening_beside(address, said_by))
    except BadSetup:
        for each in sockets:
            each.close()
        raise
    return sockets


def listening_beside(address: HostPort, said_by: str) -> socket.socket:
    """One more of the sockets that ``listening_together`` gave.

    Raises:
        BadSetup: as ``listening``.
    """
    return _listening(address, said_by, is_shared=True)


def _listening(address: HostPort, said_by: str, *, is_shared: bool) -> socket.socket:
    bound = _bound(address, said_by, is_shared=is_shared)
    try:
        bound.listen(BACKLOG)
    except OSError as wrong:
        bound.close()
        raise _refusal(address, said_by, wrong) from None
    return bound


def _bound(address: HostPort, said_by: str, *, is_shared: bool) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as wrong:
        raise _refusal(address, said_by, wrong) from None
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(where)
    except OSError as wrong:
        bound.close()
        raise _refusal(address, said_by, wrong) from None
    return bound


def _refusal(address: HostPort, said_by: str, wrong: Exception) -> BadSetup:
    why = getattr(wrong, "strerror", None) or wrong
    return BadSetup(f"{said_by} {address}: cannot listen there: {why}")
