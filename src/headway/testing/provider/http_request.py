"""HTTP/1.1 requests out of the bytes of a connection, without I/O."""

from __future__ import annotations

import msgspec

HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 64 * 1024 * 1024


class BadRequest(Exception):  # never leaves the provider: it becomes an answer with this status
    """What arrived is no request that can be answered; *status* says how it is refused."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Request(msgspec.Struct, frozen=True):
    """One request: header names in lower case, the body whole and unchunked."""

    method: str
    path: str
    query: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to go on using the connection."""
        wishes = (self.header("connection") or "").lower()
        return "keep-alive" in wishes if self.version == "1.0" else "close" not in wishes


class RequestReader:
    """Feed it bytes in any pieces; ``next_request`` gives each request once it is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length: int | None = None  # None: chunked
        self._chunks = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next whole request, or None until more bytes come.

        Raises:
            BadRequest: the bytes are no request; the connection cannot go on.
        """
        if self._head is None and not self._read_head():
            return None
        body = self._read_body()
        if body is None:
            return None
        head, self._head = self._head, None
        assert head is not None
        return msgspec.structs.replace(head, body=body)

    @property
    def waits_for_continue(self) -> bool:
        """The client has sent a head, and holds its body back until told to go on."""
        if self._head is None or self._buffer or self._chunks:
            return False
        return (self._head.header("expect") or "").lower() == "100-continue"

    def _read_head(self) -> bool:
        while self._buffer.startswith(b"\r\n"):  # some clients leave one behind a body
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end > HEAD_LIMIT_BYTES or (end < 0 and len(self._buffer) > HEAD_LIMIT_BYTES):
            raise BadRequest(431, f"the head is longer than {HEAD_LIMIT_BYTES} bytes")
        if end < 0:
            return False
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._head, self._length, self._chunks = head, body_length(head), bytearray()
        return True

    def _read_body(self) -> bytes | None:
        if self._length is None:
            return self._read_chunks()
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return body

    def _read_chunks(self) -> bytes | None:
        while True:
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                return None
            size = chunk_size(bytes(self._buffer[:line_end]))
            if size == 0:
                return self._finish_chunks(line_end)
            if len(self._chunks) + size > BODY_LIMIT_BYTES:
                raise BadRequest(413, f"the body is longer than {BODY_LIMIT_BYTES} bytes")
            start, end = line_end + 2, line_end + 2 + size
            if len(self._buffer) < end + 2:
                return None
            if self._buffer[end : end + 2] != b"\r\n":
                raise BadRequest(400, "a chunk is longer than it says")
            self._chunks += self._buffer[start:end]
            del self._buffer[: end + 2]

    def _finish_chunks(self, line_end: int) -> bytes | None:
        """Skip the trailers, which end with an empty line."""
        end = self._buffer.find(b"\r\n\r\n", line_end)
        if end < 0:
            return None
        del self._buffer[: end + 4]
        return bytes(self._chunks)


def parse_head(head: bytes) -> Request:
    """A request without its body."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise BadRequest(400, f"{first[:80]!r} is no HTTP/1.1 request line")
    path, _, query = words[1].partition("?")
    headers = tuple(_header(line) for line in lines)
    return Request(words[0], path, query, words[2][5:], headers, b"")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip() or "\n" in line:
        raise BadRequest(400, f"{line[:80]!r} is no header")
    return name.lower(), value.strip(" \t")


def body_length(head: Request) -> int | None:
    """How many bytes follow the head; None when they come in chunks."""
    coding, length = head.header("transfer-encoding"), head.header("content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "content-length and transfer-encoding in one request")
        if coding.lower() != "chunked":
            raise BadRequest(501, f"transfer-encoding {coding!r} is not understood")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, f"content-length {length[:40]!r} is no number")
    if int(length) > BODY_LIMIT_BYTES:
        raise BadRequest(413, f"the body is longer than {BODY_LIMIT_BYTES} bytes")
    return int(length)


def chunk_size(line: bytes) -> int:
    """The size a chunk announces; extensions are ignored."""
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        raise BadRequest(400, f"{line[:40]!r} is no size of a chunk")
    return int(digits, 16)
