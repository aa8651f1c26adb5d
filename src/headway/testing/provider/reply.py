"""What stands between an answer in words and its bytes: the draft, and the pieces of a reply."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import msgspec

from .answer import Answer, Reported
from .question import Question


class Draft(msgspec.Struct, frozen=True):
    """All that a wire needs to put an answer in its shape.

    Ids come from *seed*, which comes from the request: the same requests get the same bytes.
    """

    question: Question
    answer: Answer
    usage: Reported
    seed: str
    created: int

    def id(self, prefix: str, what: object = "", length: int = 24) -> str:
        """An id such as ``call_...`` for *what*."""
        return named_id(self.seed, prefix, what, length)


def named_id(seed: str, prefix: str, what: object = "", length: int = 24) -> str:
    """An id that looks like the provider's and is the same for the same seed."""
    digest = hashlib.sha256(f"{seed}/{prefix}/{what}".encode()).hexdigest()
    return prefix + digest[:length]


class Piece(msgspec.Struct, frozen=True):
    """One event of a stream; *tokens* is what the model had to make for it."""

    data: bytes
    tokens: int = 0
    reports_usage: bool = False


class Reply(msgspec.Struct):
    """One answer on its way: a plain body, or the pieces of a stream.

    ``begun`` is called when the model's first word is there; ``status`` 200 means all went well.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    pieces: Iterable[Piece] | None = None
    usage: Reported | None = None
    reports_usage: bool = False
    begun: Callable[[], None] = lambda: None


def json_reply(status: int, body: object) -> Reply:
    """A plain reply."""
    headers = [("content-type", "application/json")]
    return Reply(status, headers, body=msgspec.json.encode(body))


def stream_reply(pieces: Iterable[Piece]) -> Reply:
    """A stream of events."""
    headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
    return Reply(200, headers, pieces=pieces)


def raw_reply(answer: Answer, streams: bool) -> Reply:
    """The bytes of a recording; with *offsets*, in the pieces that end there."""
    kind = "text/event-stream; charset=utf-8" if streams else "application/json"
    headers = list({"content-type": kind, **answer.headers}.items())
    raw = answer.raw or b""
    reply = Reply(answer.status, headers, body=raw, usage=answer.usage)
    reply.reports_usage = answer.usage is not None
    if streams or answer.offsets:
        ends = sorted({*answer.offsets, len(raw)} - {0})
        reply.pieces = (Piece(raw[start:end], 1) for start, end in zip([0, *ends], ends))
    return reply
