"""What comes over a client's connection: parsed, bounded, and put together to whole requests."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from .known_head import MOST_BYTES, KnownHead
from .refusal import Refusal
from .request import LENGTH, OF_ONE_REQUEST, Request

MOST_HEAD_BYTES: Final = 64 * 1024
HEAD_S: Final = 30.0
"""A head that has begun must be whole after this time."""
BODY_S: Final = 60.0
"""So long may a body pause between two reads."""
MOST_PIECES: Final = 256
"""A body that comes in more of them is put together on the way."""


class Incoming(asyncio.Protocol):
    """Bytes in, whole requests out; what cannot be read on from is turned away.

    A ``ClientConnection`` is this and what goes out: it is told of whole requests
    (``_request_came``), faults and refusals.
    """

    # _first_read: that with which the request began, while its head may become known.
    # _body_missing: so many bytes are to come of a body whose head was known.

    __slots__ = (
        *("_body", "_body_missing", "_came", "_extra", "_first_read", "_framed", "_has_begun"),
        *("_has_head", "_is_new", "_known", "_long_body", "_method", "_pairs", "_parser", "_size"),
        *("_stops_reading", "_url"),
    )

    def __init__(self) -> None:
        self._parser: Any = HttpRequestParser(self)
        self._stops_reading = self._has_head = self._has_begun = False
        self._is_new = True
        self._size = self._came = self._framed = self._body_missing = 0
        self._url = self._method = b""
        self._known: KnownHead | None = None
        self._first_read = b""
        self._pairs: list[bytes] = []
        self._extra: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._long_body = bytearray()

    # --- for whoever derives from this -----------------------------------------------------

    def _most_body_bytes(self) -> int:
        """A longer body is turned away."""
        raise NotImplementedError

    def _request_came(self, request: Request, size: int) -> None:
        """A whole *request*, whose body has *size* bytes."""
        raise NotImplementedError

    def _rest_is_due_in(self, seconds: float) -> None:
        """More of a request has to come by then."""
        raise NotImplementedError

    def _continue(self) -> None:
        """The client waits to be told that it may send the body."""
        raise NotImplementedError

    def _turn_away(self, refusal: Refusal) -> None:
        """No request can be read after this."""
        raise NotImplementedError

    def _fault(self, error: BaseException) -> None:
        """A fault of ours."""
        raise NotImplementedError

    # --- what comes ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stops_reading:
            return
        if self._body_missing:
            self._take_body(data)
            return
        if not (self._has_head or self._size):
            if self._known is not None and self._take_known(self._known, data):
                return
            self._first_read = data
        self._came = len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._turn_away(Refusal(501, "no_upgrade", "connections are not upgraded here"))
            return
        except HttpParserError as wrong:
            if not self._stops_reading:
                context = wrong.__context__
                if context is not None and not isinstance(context, HttpParserError):
                    self._fault(context)
                    return
                self._turn_away(Refusal(400, "bad_request", f"that is no HTTP/1.1: {wrong}"))
            return
        if self._has_head or self._size:
            self._first_read = self._first_read[:MOST_BYTES]
            self._bound(len(data))

    def _take_known(self, known: KnownHead, data: bytes) -> bool:
        """Begin the request that *data* begins, if its head is *known*, and no further one."""
        size = known.body_size(data)
        missing = size - (len(data) - known.size)
        if size < 0 or missing < 0 or size > self._most_body_bytes():
            return False
        body = data[known.size :]
        if missing:
            self._has_head, self._body_missing = True, missing
            self._body = [body] if body else []
            self._rest_is_due_in(BODY_S)
        else:
            self._hand_in(known, body)
        return True

    def _take_body(self, data: bytes) -> None:
        """*data* belongs to the body of a request with a known head."""
        missing, known = self._body_missing, self._known
        assert known is not None
        self._gather(data[:missing])
        self._body_missing = max(0, missing - len(data))
        if self._body_missing:
            self._rest_is_due_in(BODY_S)
            return
        self._has_head = False
        self._hand_in(known, self._gathered())
        if len(data) > missing:
            self.data_received(data[missing:])

    def _hand_in(self, known: KnownHead, body: bytes) -> None:
        try:
            self._request_came(known.request(body), len(body))
        except Exception as error:
            self._fault(error)

    def _bound(self, came: int) -> None:
        """Count what has come of a request that is not whole."""
        if self._stops_reading:
            return
        if self._has_begun:  # in this very read, which brought the end of another one, too
            self._has_begun = False
            return
        if self._has_head:
            self._framed += came
            # Each byte of a body may have its own chunk; more than that is no body any more.
            if self._framed > MOST_HEAD_BYTES + 9 * self._size:
                message = f"what surrounds the body is longer than {MOST_HEAD_BYTES} bytes"
                self._turn_away(Refusal(400, "bad_request", message))
            else:
                self._rest_is_due_in(BODY_S)
        else:
            self._size += came
            if self._size > MOST_HEAD_BYTES:
                self._head_too_large()

    def _stop_reading(self) -> None:
        """Nothing that comes from now on is looked at, and what has come is forgotten."""
        self._stops_reading = True
        self._body.clear()
        self._long_body, self._first_read = bytearray(), b""

    # --- called by the parser --------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._stops_reading:
            return  # one that was turned away came before it, in the same read
        self._pairs = []
        self._url = b""
        self._size, self._has_head, self._has_begun = 1, False, True
        if self._extra:
            self._extra = []
        if self._body:
            self._body = []
        self._rest_is_due_in(HEAD_S)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # a trailer: it ends here
        if name in OF_ONE_REQUEST:
            self._extra.append((name, value))
        else:
            self._pairs += (name, value)

    def on_headers_complete(self) -> None:
        self._has_head = True
        parser = self._parser
        if self._stops_reading:
            return  # one that was turned away came before it, in the same read
        if parser.should_upgrade():
            return  # feed_data raises, after this
        if self._size + self._came > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._head_too_large()
            return
        self._method = parser.get_method()
        size = 0
        for name, value in self._extra:
            if name in LENGTH:
                size = int(value)
        if size > self._most_body_bytes():
            self._too_large()
        elif self._method == b"CONNECT" or not self._url:
            message = f"{self._method.decode()} is not served here"
            self._turn_away(Refusal(501, "no_tunnel", message))
        elif not self._is_version_served(parser.get_http_version()):
            message = "speak HTTP/1.1, or HTTP/1.0 without transfer-encoding"
            self._turn_away(Refusal(400, "bad_request", message))
        else:
            self._size = self._framed = 0
            self._look_at_framing()

    def _look_at_framing(self) -> None:
        for place, name in enumerate(self._pairs[::2]):
            if len(name) == 6 and name.lower() == b"expect":
                self._first_read = b""  # such a head is not to be known again
                self._continue()
            elif len(name) == 17 and name.lower() == b"transfer-encoding":
                self._first_read = b""  # such a head is not to be known again
                self._refuse_codings(self._pairs[2 * place + 1])

    def _refuse_codings(self, value: bytes) -> None:
        if value.strip().lower() != b"chunked":
            message = "of transfer-encodings only chunked is understood"
            self._turn_away(Refusal(501, "unknown_coding", message))

    def _is_version_served(self, version: str) -> bool:
        self._is_new = version == "1.1"
        if self._is_new:
            return True
        chunked = any(name.lower() == b"transfer-encoding" for name in self._pairs[::2])
        return version == "1.0" and not chunked

    def on_body(self, data: bytes) -> None:
        if not self._stops_reading:
            self._size += len(data)
            if self._size > self._most_body_bytes():
                self._too_large()
            else:
                self._gather(data)

    def _gather(self, data: bytes) -> None:
        self._body.append(data)
        if len(self._body) >= MOST_PIECES:
            self._long_body += b"".join(self._body)
            self._body.clear()

    def _gathered(self) -> bytes:
        """The whole body, which is forgotten here."""
        pieces, self._body = self._body, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._long_body:
            body, self._long_body = bytes(self._long_body) + body, bytearray()
        return body

    def on_message_complete(self) -> None:
        if self._stops_reading or self._parser.should_upgrade():
            return
        body = self._gathered()
        # Version 1.0 ends an answer with its connection: it is not worth keeping.
        keeps_alive = self._is_new and self._parser.should_keep_alive()
        pairs = tuple(self._pairs)
        request = (self._method, self._url, pairs, self._extra, body, keeps_alive, self._is_new)
        self._url, self._pairs, self._extra, self._size = b"", [], [], 0
        self._has_head = False
        self._known = KnownHead.of(self._first_read, request) if keeps_alive else None
        self._first_read = b""
        self._request_came(request, len(body))

    # --- what is wrong with a request ------------------------------------------------------

    def _head_bytes(self) -> int:
        extra = sum(len(name) + len(value) + 4 for name, value in self._extra)
        return len(self._url) + sum(map(len, self._pairs)) + 2 * len(self._pairs) + extra

    def _head_too_large(self) -> None:
        message = f"the head is longer than {MOST_HEAD_BYTES} bytes"
        self._turn_away(Refusal(431, "head_too_large", message))

    def _too_large(self) -> None:
        most = self._most_body_bytes()
        self._turn_away(Refusal(413, "body_too_large", f"the body is longer than {most} bytes"))
