"""A recorded stream in pieces, each with one event, that add up to the very same bytes."""

from __future__ import annotations

from .sse import EventReader


def cut_into_events(stream: bytes) -> list[bytes]:
    """The bytes of *stream* in pieces that end where its events end; joined, they are *stream*.

    A comment before an event belongs to the piece of that event; what follows the last event, or
    the whole of a stream without events, is a piece of its own.
    """
    ends = [end for _, end in _spans(stream)]
    starts = [0, *ends]
    pieces = [stream[start:end] for start, end in zip(starts, [*ends, len(stream)], strict=True)]
    return pieces if pieces[-1] else pieces[:-1]


def without_comments(stream: bytes) -> bytes:
    """The stream without the comments that stand between its events: they only kept it alive.

    The events keep their very bytes, and so does all else that is no comment.
    """
    kept: list[bytes] = []
    at = 0
    for start, end in [*_spans(stream), (len(stream), len(stream))]:
        kept += _lines_to_keep(stream[at:start])
        kept.append(stream[start:end])
        at = end
    return b"".join(kept)


def _spans(stream: bytes) -> list[tuple[int, int]]:
    reader = EventReader(max_event_bytes=len(stream))
    events = [*reader.feed(stream), *reader.finish()]
    return [(event.start, event.end) for event in events]


def _lines_to_keep(between: bytes) -> list[bytes]:
    """Blocks of comments alone go, with the blank line that ends them."""
    kept: list[bytes] = []
    among_comments = among_fields = False
    for line in between.splitlines(keepends=True):
        is_blank, is_comment = line in _BLANK, line.startswith(b":")
        if among_fields or not (is_comment or (is_blank and among_comments)):
            kept.append(line)
        among_fields = not is_blank and (among_fields or not is_comment)
        among_comments = is_comment
    return kept


_BLANK = (b"\n", b"\r", b"\r\n")
