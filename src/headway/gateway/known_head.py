"""The head of a client's last request: the next one mostly begins with the same bytes."""

from __future__ import annotations

from typing import Final

LENGTH: Final = frozenset({b"content-length", b"Content-Length"})
_MOST_DIGITS: Final = 10
_MOST_BYTES: Final = 8 * 1024
"""A longer head is not remembered: there is one for each connection."""

Request = tuple[bytes, bytes, tuple[bytes, ...], list[tuple[bytes, bytes]], bytes, bool, bool]
"""Method, URL, names and values of headers by turns, those that differ each time, body, whether
the connection may stay open, whether the client speaks HTTP/1.1."""


class KnownHead:
    """A head that a parser has read and found good, and what it said.

    The same bytes say the same, so what begins with them and is whole is read without a parser.
    """

    __slots__ = ("_after", "_before", "_method", "_name", "_pairs", "_url")

    def __init__(self, before: bytes, after: bytes, name: bytes, request: Request) -> None:
        self._before, self._after, self._name = before, after, name
        self._method, self._url, self._pairs = request[:3]

    @classmethod
    def of(cls, data: bytes, request: Request) -> KnownHead | None:
        """The head of *request*, which was all of *data*; None if it has no length to cut out."""
        extra, body = request[3], request[4]
        if len(extra) != 1 or extra[0][0] not in LENGTH:
            return None
        name, length = extra[0]
        end = data.find(b"\r\n\r\n") + 4
        line = b"\r\n%b: %b\r\n" % (name, length)
        place = data.find(line, 0, end)
        if place < 0 or end > _MOST_BYTES or end + len(body) != len(data):
            return None
        after = place + len(line) - 2
        return cls(data[: after - len(length)], data[after:end], name, request)

    def request_in(self, data: bytes) -> Request | None:
        """The request that is all of *data*; None if a parser has to look at it."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(b"\r", start, start + _MOST_DIGITS + 1)
        length = data[start:end]
        if end < 0 or not length.isdigit() or not data.startswith(self._after, end):
            return None
        body = data[end + len(self._after) :]
        if len(body) != int(length):
            return None
        return self._method, self._url, self._pairs, [(self._name, length)], body, True, True
