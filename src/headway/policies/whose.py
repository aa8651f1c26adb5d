"""Whose answers a cache keeps: read from the scope, or told by a function; never nobody's."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from ..errors import BadSetup, HeadwayError
from ..keys import key_from_function
from ..scope import current

ScopeOf = str | Callable[[], Hashable]

_SCOPES = ("tenant", "session", "agent", "run")


def reader_of(of: ScopeOf | None) -> Callable[[], Hashable] | None:
    """What gives the part of a key that says whose answer it is; None if they are everybody's.

    Raises:
        BadSetup: *of* is no name of the scope.
    """
    if of is None:
        return None
    if callable(of):
        return _told_by(of)
    if of not in _SCOPES:
        raise BadSetup(f"Cache(scope={of!r}); use one of {', '.join(_SCOPES)}, or a function")

    def read() -> Hashable:
        value = getattr(current.get(), of)
        if value is None:
            raise HeadwayError(
                f"Cache(scope={of!r}) and no {of} is set; "
                f"wrap the call in `with headway.scope({of}=...)`"
            )
        return (of, value)

    return read


def _told_by(of: Callable[[], Hashable]) -> Callable[[], Hashable]:
    told_apart = key_from_function(lambda args, kwargs: args[0])

    def read() -> Hashable:
        value = of()
        if value is None or value == "":
            raise HeadwayError(
                f"Cache(scope=...): the function gave {value!r}, which says not whose answers "
                "these are"
            )
        return told_apart((value,), {})

    return read
