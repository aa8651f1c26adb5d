"""HTTP/1.1 heads as bytes: what goes to a client, and what goes to a server."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from ..wire.headers import HOP_BY_HOP, MARK, MARKS, OF_ONE_ANSWER, OF_ONE_ANSWER_PREFIXES

RawHeaders = Iterable[tuple[bytes, bytes]]

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
LAST_CHUNK: Final = b"0\r\n\r\n"

_NOT_ON: Final = frozenset(name.encode() for name in HOP_BY_HOP) | {b"content-length"}
_NOT_KEPT: Final = frozenset(name.encode() for name in OF_ONE_ANSWER)
_NOT_KEPT_PREFIXES: Final = tuple(prefix.encode() for prefix in OF_ONE_ANSWER_PREFIXES)
_OWN: Final = (b"proxy-", b"x-headway-")
_OF_THE_BYTES: Final = frozenset({b"content-encoding"})
"""Kept nevertheless: the bytes are kept as they came."""


def status_line(status: int, reason: bytes = b"") -> bytes:
    """The first line of an answer."""
    line = _STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d %b\r\n" % (status, reason)


def travelling(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that go on to the client; names in lower case.

    Left out are those of one connection, the length (each hop frames the body itself), and
    Headway's own.
    """
    dropped: frozenset[bytes] | set[bytes] = _NOT_ON
    pairs = []
    for name, value in headers:
        if name == b"connection":
            dropped = dropped | {one.strip().lower() for one in value.split(b",")}
        elif name not in dropped and not name.startswith(_OWN):
            pairs.append((name, value))
    if dropped is not _NOT_ON:
        pairs = [pair for pair in pairs if pair[0] not in dropped]
    return pairs


def lasting(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Of the headers that travel, those that another client may see, now or later."""
    return [
        (name, value)
        for name, value in headers
        if (name not in _NOT_KEPT and not name.startswith(_NOT_KEPT_PREFIXES))
        or name in _OF_THE_BYTES
    ]


def header_lines(headers: RawHeaders) -> bytes:
    """The headers, each with its line end."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def chunk(data: bytes) -> bytes:
    """*data* as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def mark(source: str) -> bytes:
    """The header that says where an answer came from."""
    return _MARKS[source]


_MARKS: Final = {source: b"%b: %b\r\n" % (MARK.encode(), source.encode()) for source in MARKS}
