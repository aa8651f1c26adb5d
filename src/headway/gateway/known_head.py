"""The head of a client's last request: the next one mostly begins with the same bytes."""

from __future__ import annotations

from typing import Final

from .request import ATTEMPTS, LENGTH, Request

MOST_BYTES: Final = 8 * 1024
"""A longer head is not remembered: there is one for each connection."""


class KnownHead:
    """A head that a parser has read and found good, and what it said.

    The same bytes say the same, but for the length of what follows: a request that begins with
    them is read without a parser. It is of HTTP/1.1, its connection stays open, and its body is
    framed by that length alone.

    Attributes:
        size: Bytes of the head.
    """

    __slots__ = (
        *("_after", "_before", "_extra", "_length_at", "_length_end", "_length_start"),
        *("_method", "_pairs", "_url", "size"),
    )

    def __init__(
        self, before: bytes, after: bytes, size: int, length_at: int, request: Request
    ) -> None:
        self._before, self._after, self.size = before, after, size
        self._length_start, self._length_end = len(before), size - len(after)
        self._length_at = length_at  # in extra
        self._method, self._url, self._pairs, self._extra = request[:4]

    @classmethod
    def of(cls, data: bytes, request: Request) -> KnownHead | None:
        """The head of *request*, with which *data* begins.

        None if *data* ends before it does, if it has no length that could be another one, or what
        is never the same twice.
        """
        extra, length_at = request[3], -1
        for place, (name, _) in enumerate(extra):
            if name in LENGTH and length_at < 0:
                length_at = place
            elif name not in ATTEMPTS:
                return None
        end = data.find(b"\r\n\r\n") + 4
        if length_at < 0 or not 4 <= end <= MOST_BYTES:
            return None
        if data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):
            return None  # bare line feeds: a parser may see another end of the head
        name, length = extra[length_at]
        start = data.find(b"\r\n%b: %b\r\n" % (name, length), 0, end)
        if start < 0 or not length.isdigit():
            return None
        start += len(name) + 4
        return cls(data[:start], data[start + len(length) : end], end, length_at, request)

    def body_size(self, data: bytes) -> int:
        """The length of the body, if *data* begins with this head and a length; else -1.

        It has as many digits as the length had that is known.
        """
        length = data[self._length_start : self._length_end]
        is_known = data.startswith(self._before) and data.startswith(self._after, self._length_end)
        return int(length) if is_known and length.isdigit() else -1

    def request(self, body: bytes) -> Request:
        """The request with such a head and this *body*."""
        extra = self._extra.copy()
        length = b"%0*d" % (self._length_end - self._length_start, len(body))
        extra[self._length_at] = (extra[self._length_at][0], length)
        return self._method, self._url, self._pairs, extra, body, True, True
