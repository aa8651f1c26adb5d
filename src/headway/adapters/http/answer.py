"""What an exchange gives: a whole answer, or a stream that begins with its head."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from ...stream import Stream
from ...wire.exchange import AnswerFacts
from ...wire.headers import by_name, to_keep
from .flow import Flow
from .plumbing import RawHeaders

_OF_THE_BYTES: Final = (b"content-encoding", b"content-length")
"""They describe the bytes, which are kept as they came."""


class Head:
    """Status and headers of an answer; what was learnt of it is noted here when it has ended.

    Attributes:
        extensions: The protocol version and the reason phrase, as the client's module names them.
        facts: What the answer turned out to be; None if it could not be read along.
        size_bytes: Bytes of the body so far, as they came.
        may_keep: Complete, good, and not too large: a cache may keep it.
        is_alone: Nobody but one client reads it.
        flow: How far its readers are; None if it was read whole.
    """

    def __init__(
        self, status: int, raw_headers: RawHeaders, extensions: Mapping[str, object]
    ) -> None:
        self.status, self.raw_headers, self.extensions = status, raw_headers, extensions
        self.facts: AnswerFacts | None = None
        self.size_bytes = 0
        self.may_keep = False
        self.is_alone = False
        self.flow: Flow | None = None

    @cached_property
    def headers(self) -> dict[str, str]:
        """By name in lower case; what was sent twice is joined."""
        return by_name(self.raw_headers)

    @cached_property
    def is_encoded(self) -> bool:
        """Whether the bytes have to be decoded to be read."""
        return self.headers.get("content-encoding", "identity") != "identity"

    @cached_property
    def kept_headers(self) -> RawHeaders:
        """Those that another client may see: none of one connection or one request."""
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self.raw_headers]
        kept = {(n, v) for n, v in to_keep(pairs)}
        return [
            raw
            for raw, pair in zip(self.raw_headers, pairs, strict=True)
            if pair in kept or raw[0].lower() in _OF_THE_BYTES
        ]


class Whole:
    """An answer that has been read to its end."""

    def __init__(self, head: Head, body: bytes) -> None:
        self.head, self.body = head, body

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in lower case."""
        return self.head.headers


Piece = Head | bytes
"""A stream of an answer is its head, then its bytes as they came."""

HttpAnswer = Whole | Stream[Piece]


def head_of(answer: HttpAnswer) -> Head:
    """The head of a whole answer, or of one that is still coming."""
    if isinstance(answer, Whole):
        return answer.head
    head = answer.recording.chunks[0]
    assert isinstance(head, Head)
    return head


def may_keep(answer: HttpAnswer) -> bool:
    """Whether a cache may keep *answer*: complete, good, and not too large."""
    return head_of(answer).may_keep
