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

    The same bytes say the same, but for the length of what follows: a request that begins with
    them is read without a parser.

    Attributes:
        size: Bytes of the head.
    """

    __slots__ = (
        *("_after", "_before", "_end", "_extra", "_method", "_number", "_pairs", "_start", "_url"),
        "size",
    )

    def __init__(
        self, before: bytes, after: bytes, size: int, number: int, request: Request
    ) -> None:
        self._before, self._after, self.size, self._number = before, after, size, number
        self._start, self._end = len(before), size - len(after)
        self._method, self._url, self._pairs, self._extra = request[:4]

    @classmethod
    def of(cls, data: bytes, request: Request) -> KnownHead | None:
        """The head of *request*, with which *data* begins.

        None if *data* ends before it does, or it has no length that could be another one.
        """
        extra = request[3]
        lengths = [number for number, (name, _) in enumerate(extra) if name in LENGTH]
        end = data.find(b"\r\n\r\n") + 4
        if len(lengths) != 1 or not 4 <= end <= _MOST_BYTES:
            return None
        if data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):
            return None  # where it ends is a matter of taste
        name, length = extra[lengths[0]]
        place = data.find(b"\r\n%b: %b\r\n" % (name, length), 0, end)
        if place < 0 or not length.isdigit():
            return None
        place += len(name) + 4
        return cls(data[:place], data[place + len(length) : end], end, lengths[0], request)

    def body_bytes(self, data: bytes) -> int:
        """The length of the body, if *data* begins with this head and a length; else -1.

        It has as many digits as the length had that is known.
        """
        length = data[self._start : self._end]
        is_known = data.startswith(self._before) and data.startswith(self._after, self._end)
        return int(length) if is_known and length.isdigit() else -1

    def request(self, body: bytes) -> Request:
        """The request with such a head and this *body*."""
        extra = self._extra.copy()
        length = b"%0*d" % (self._end - self._start, len(body))
        extra[self._number] = (extra[self._number][0], length)
        return self._method, self._url, self._pairs, extra, body, True, True
