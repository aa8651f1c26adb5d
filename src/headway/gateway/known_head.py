"""The head of a client's last request: the next one mostly begins with the same bytes."""

from __future__ import annotations

from typing import Final

LENGTH: Final = frozenset({b"content-length", b"Content-Length"})
_MOST_BYTES: Final = 8 * 1024
"""A longer head is not remembered: there is one for each connection."""

Request = tuple[bytes, bytes, tuple[bytes, ...], list[tuple[bytes, bytes]], bytes, bool, bool]
"""Method, URL, names and values of headers by turns, those that differ each time, body, whether
the connection may stay open, whether the client speaks HTTP/1.1."""


class KnownHead:
    """A head that a parser has read and found good, and what it said.

    The same bytes say the same, so what begins with them and is whole is read without a parser.
    """

    __slots__ = ("_after", "_before", "_method", "_name", "_pairs", "_size", "_url")

    def __init__(self, before: bytes, after: bytes, size: int, request: Request) -> None:
        self._before, self._after, self._size = before, after, size
        self._method, self._url, self._pairs, ((self._name, _),) = request[:4]

    @classmethod
    def of(cls, data: bytes, request: Request) -> KnownHead | None:
        """The head of *request*, which was all of *data*; None if it has no length to cut out."""
        extra, body = request[3], request[4]
        if len(extra) != 1 or extra[0][0] not in LENGTH:
            return None
        name, length = b"\r\n%b: " % extra[0][0], b"%d" % len(body)
        end = data.find(b"\r\n\r\n") + 4
        place = data.find(b"%b%b\r\n" % (name, length), 0, end) + len(name)
        if place < len(name) or end > _MOST_BYTES or end + len(body) != len(data):
            return None
        return cls(data[:place], data[place + len(length) : end], end, request)

    def request_in(self, data: bytes) -> Request | None:
        """The request that is all of *data*; None if a parser has to look at it.

        It has a length of as many digits as the one before.
        """
        size = len(data) - self._size
        head = b"%b%d%b" % (self._before, size, self._after)
        if len(head) != self._size or not data.startswith(head):
            return None
        extra = [(self._name, b"%d" % size)]
        return self._method, self._url, self._pairs, extra, data[self._size :], True, True
