"""What is kept of an answer: its head without what belongs to one client, its body as it came."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..stores.codec.classes import register
from ..wire.exchange import AnswerFacts
from ..wire.recording import without_comments
from .framing import header_lines, lasting, mark, status_line

ENTRY_BYTES = 1_000
"""What an entry costs beside its bytes."""


class Kept(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An answer at rest: ``head`` lacks only its length and what each hit adds."""

    status: int
    head: bytes
    body: bytes
    facts: AnswerFacts

    @classmethod
    def of(
        cls,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        facts: AnswerFacts,
        *,
        is_stream: bool,
    ) -> Kept:
        """An answer of *status* with the *headers* that travelled."""
        is_stream = is_stream and all(name != b"content-encoding" for name, _ in headers)
        if is_stream and (b"\n:" in body or b"\r:" in body or body.startswith(b":")):
            body = without_comments(body)
        head = status_line(status) + header_lines(lasting(headers))
        return cls(status, _shared(head), body, facts)

    def written(self, age_s: float, *, keeps_alive: bool, has_body: bool) -> bytes:
        """The answer to one client, as old as it is."""
        end = b"\r\n" if keeps_alive else b"connection: close\r\n\r\n"
        body = self.body if has_body else b""
        own = b"content-length: %d\r\nage: %d\r\n" % (len(self.body), age_s)
        return b"".join((self.head, own, _HIT, end, body))

    @property
    def size_bytes(self) -> int:
        """What it takes to hold it."""
        return len(self.head) + len(self.body) + ENTRY_BYTES


_HIT = mark("hit")
_MOST_HEADS: Final = 256
_heads: dict[bytes, bytes] = {}


def _shared(head: bytes) -> bytes:
    """*head* as one object for all that are like it, which most answers of a server are."""
    if len(_heads) >= _MOST_HEADS:
        _heads.clear()
    return _heads.setdefault(head, head)


def register_kept() -> None:
    """Let stores that outlive the process, or are shared, keep what the gateway keeps."""
    register(Kept, "headway.gateway.Kept/1", _written, _read)


def _written(kept: Kept) -> tuple[object, ...]:
    return kept.status, kept.head + _length_of(kept.body), kept.body, kept.facts


def _read(written: Any) -> Kept:
    status, head, body, facts = written
    if (type(status), type(head), type(body), type(facts)) != (int, bytes, bytes, AnswerFacts):
        raise TypeError("this was not written by a gateway")
    if not head.endswith(b"\r\n" + _length_of(body)):  # else it would go out with two lengths
        raise TypeError("this head is of another body")
    return Kept(status, _shared(head.removesuffix(_length_of(body))), body, facts)


def _length_of(body: bytes) -> bytes:
    return b"content-length: %d\r\n" % len(body)
