"""What can go wrong with an answer, said in one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

import msgspec

Ending = Literal["reset", "close", "end"]


Encoding = Literal["gzip", "deflate", "br", "identity"]


class FaultFields(TypedDict, total=False):
    """The fields of a ``Fault`` by name."""

    status: int | None
    message: str | None
    html: bool
    retry_after: float | str | None
    retry_after_ms: int | None
    headers: Mapping[str, str]
    cut_after: int | None
    ending: Ending | None
    without_terminal: bool
    at_event: int
    garbage: bytes | None
    error_event: str | None
    wait_s: float
    never_answers: bool
    length_error: int
    encoding: Encoding | None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with one answer; the fields combine.

    ``status``: an error in the provider's own shape, or with ``html`` a proxy's error page;
    ``retry_after`` is sent as it stands (``2``, or an HTTP date), ``retry_after_ms`` beside it.

    ``ending``: how the connection ends too early: by ``"reset"`` (RST), by ``"close"`` (the body
    is left unfinished), by ``"end"`` (the body ends in order, only too soon). It happens after
    ``cut_after`` bytes of the body, or before the headers when that is left out.

    ``at_event``: where in a stream ``garbage`` bytes or an ``error_event`` (an error type such as
    ``"overloaded_error"``) are put; an error event is the last one.
    """

    status: int | None = None
    message: str | None = None
    html: bool = False
    retry_after: float | str | None = None
    retry_after_ms: int | None = None
    headers: Mapping[str, str] = {}

    cut_after: int | None = None
    ending: Ending | None = None
    without_terminal: bool = False
    """The stream ends in order but without its last event."""

    at_event: int = 2
    garbage: bytes | None = None
    error_event: str | None = None

    wait_s: float = 0.0
    """Seconds before the headers, on top of the pace."""
    never_answers: bool = False
    length_error: int = 0
    """How many bytes more (or fewer) than there are the content-length of a plain answer says."""
    encoding: Encoding | None = None
    """The encoding of the body, whatever the client accepts."""

    def __post_init__(self) -> None:
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError(f"Fault(status={self.status}): an error has a status of 400 to 599")
        if self.cut_after is not None and self.cut_after < 0:
            raise ValueError(
                f"Fault(cut_after={self.cut_after}): give a number of bytes, 0 or more"
            )
        if self.ending == "end" and self.cut_after is None:
            raise ValueError("Fault(ending='end') needs cut_after=: the bytes the body ends after")

    @property
    def how_it_ends(self) -> Ending | None:
        """The early end of the connection; a cut without a word on how is a reset."""
        return self.ending or ("reset" if self.cut_after is not None else None)


NO_FAULT = Fault()
