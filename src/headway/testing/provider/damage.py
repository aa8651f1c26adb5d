"""What a fault does to the events of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .fault import Fault
from .refusal import error_event
from .reply import Piece


def damaged(pieces: Iterable[Piece], fault: Fault, wire: str) -> Iterator[Piece]:
    """The pieces with garbage or an error event put in, or without the terminal one."""
    held: Piece | None = None
    for at, piece in enumerate(pieces):
        if held is not None:
            yield held
        if at == fault.at_event:
            if fault.garbage is not None:
                yield Piece(fault.garbage)
            if fault.error_event is not None:
                yield Piece(error_event(wire, fault.error_event, fault.message, at))
                return
        held = piece
    if held is not None and not fault.without_terminal:
        yield held


def spoils(fault: Fault) -> bool:
    """Whether the client is kept from a whole and well-formed answer (an error status is one)."""
    in_the_stream = fault.garbage is not None or fault.error_event is not None
    in_the_bytes = fault.how_it_ends is not None or fault.length_error != 0
    return in_the_stream or in_the_bytes or fault.without_terminal or fault.never_answers
