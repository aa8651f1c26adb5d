"""Errors that are answers for a while: kept in memory by choice, raised anew for each caller."""

from __future__ import annotations

import copy as copying
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias

from .. import clock
from ..clock import Duration
from ..errors import BadSetup
from ..stores import Entry, MemoryStore
from .freshness import positive_seconds

Errors: TypeAlias = Mapping[type[Exception], Duration]
"""For which errors, and for how long; of several that fit, the nearest class counts."""


class KeptErrors:
    """What was raised, by question; this process alone knows of it.

    Raises:
        BadSetup: a key that is no class of exceptions, or a time that keeps nothing.
    """

    def __init__(self, errors: Errors) -> None:
        kinds: list[object] = list(errors)
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise BadSetup(
                    f"Cache(errors={{{kind!r}: ...}}); keys are classes of exceptions that are "
                    'errors, as in {LookupError: "30s"}'
                )
        self._seconds = {kind: positive_seconds("errors", told) for kind, told in errors.items()}
        self._store = MemoryStore(max_entries=10_000, max_bytes="8MB")

    def mark(self) -> int:
        """To be taken before the work begins, given to ``keep``."""
        return self._store.mark()

    def keep(self, key: Hashable, error: Exception, tags: tuple[str, ...], mark: int) -> None:
        """Keep *error*, if it is one of the chosen."""
        seconds = seconds_for(error, self._seconds)
        if seconds is not None:
            now = clock.now()
            entry = Entry(
                anew(error),
                made_at=now,
                fresh_until=now + seconds,
                tags=tags,
                mark=mark,
                is_private=True,
            )
            self._store.keep(key, entry)

    def peek(self, key: Hashable) -> Entry | None:
        """The entry with the error under *key*; raise ``anew(entry.value)``, never the value."""
        return self._store.peek(key)

    def drop(self, key: Hashable) -> None:
        """Forget the error under *key*."""
        self._store.drop(key)

    def invalidate(self, tags: Iterable[str]) -> None:
        """Forget errors with one of *tags*."""
        self._store.make_void(tags)

    def clear(self) -> None:
        """Forget all."""
        self._store.empty()


def seconds_for(error: Exception, seconds: Mapping[type[Exception], float]) -> float | None:
    """How long *error* is kept by its nearest class in *seconds*; None if by none."""
    fitting = (seconds[kind] for kind in type(error).__mro__ if kind in seconds)
    return next(fitting, None)


def anew(error: Exception) -> Exception:
    """An equal error without traceback, cause or context: raising it changes nobody else's."""
    kind = type(error)
    try:
        again = copying.copy(error)
    except Exception:  # its arguments are not those of its class
        again = _by_hand(kind, error)
    if type(again) is not kind or again is error:
        again = _by_hand(kind, error)
    if notes := getattr(error, "__notes__", None):
        again.__notes__ = list(notes)
    return again.with_traceback(None)


def _by_hand(kind: type[Exception], error: Exception) -> Exception:
    again = kind.__new__(kind, *error.args)
    again.args = error.args
    again.__dict__.update(error.__dict__)
    return again
