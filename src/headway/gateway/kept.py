"""What is kept of an answer: its head without what belongs to one client, its body as it came."""

from __future__ import annotations

from typing import Any

from ..stores.codec.classes import register
from ..wire.exchange import AnswerFacts
from ..wire.recording import without_comments
from .framing import header_lines, lasting, mark, status_line

ENTRY_BYTES = 1_000
"""What an entry costs beside its bytes."""


class Kept:
    """An answer at rest: ``head`` ends with its length, and lacks only what each hit adds."""

    __slots__ = ("body", "facts", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes, facts: AnswerFacts) -> None:
        self.status, self.head, self.body, self.facts = status, head, body, facts

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
        lines = header_lines(lasting(headers))
        head = b"%b%bcontent-length: %d\r\n" % (status_line(status), lines, len(body))
        return cls(status, head, body, facts)

    def written(self, age_s: float, *, keeps_alive: bool, has_body: bool) -> bytes:
        """The answer to one client, as old as it is."""
        end = b"\r\n" if keeps_alive else b"connection: close\r\n\r\n"
        body = self.body if has_body else b""
        return b"".join((self.head, b"age: %d\r\n" % age_s, _HIT, end, body))

    @property
    def size_bytes(self) -> int:
        """What it takes to hold it."""
        return len(self.head) + len(self.body) + ENTRY_BYTES


_HIT = mark("hit")


def register_kept() -> None:
    """Let stores that outlive the process, or are shared, keep what the gateway keeps."""
    register(Kept, "headway.gateway.Kept/1", _written, _read)


def _written(kept: Kept) -> tuple[object, ...]:
    return kept.status, kept.head, kept.body, kept.facts


def _read(written: Any) -> Kept:
    status, head, body, facts = written
    if (type(status), type(head), type(body), type(facts)) != (int, bytes, bytes, AnswerFacts):
        raise TypeError("this was not written by a gateway")
    return Kept(status, head, body, facts)
