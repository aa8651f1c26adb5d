"""Inside an operation: the answer that is about to be replaced, and the version of the new one."""

from __future__ import annotations

import copy as copying
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from .. import clock
from ..errors import BadSetup
from ..stores import Entry
from ..stream import Stream


class LastAnswer(msgspec.Struct, frozen=True):
    """An answer about to be replaced, its age, and its version, "" if none was noted."""

    value: Any
    version: str
    age_s: float


class Making:
    """One answer that is being made: what it will replace, and what its maker says of it."""

    __slots__ = ("_copies", "_given", "_known", "version")

    def __init__(self, known: Entry | None, *, copies: bool) -> None:
        self._known, self._copies = known, copies
        self._given: LastAnswer | None = None
        self.version = ""

    def last(self) -> LastAnswer | None:
        """What ``last_answer`` tells."""
        known = self._known
        if known is None:
            return None
        if self._given is None:
            age_s = max(0.0, clock.now() - known.made_at)
            self._given = LastAnswer(own(known.value, self._copies), known.version, age_s)
        return self._given

    def unchanged(self, answer: object) -> Entry | None:
        """The entry whose very value *answer* is, as the maker had it from ``last_answer``."""
        is_same = self._given is not None and answer is self._given.value
        return self._known if is_same else None


making: Final[ContextVar[Making | None]] = ContextVar("headway.making", default=None)


def last_answer() -> LastAnswer | None:
    """The kept answer that the operation around is about to replace; None if there is none.

    There is one while an answer is refreshed: stale (``stale_for``), or early (``refresh_at``).
    Return its ``value`` itself to say that nothing has changed: its times begin anew.
    """
    now_making = making.get()
    return None if now_making is None else now_making.last()


def answer_version(version: str) -> None:
    """Note the *version* of the answer being made, such as an ETag, for the next ``last_answer``.

    Outside an operation with a ``Cache`` it does nothing.
    """
    if not isinstance(version, str):
        raise BadSetup(f"answer_version({version!r}): a version is a text, such as an ETag")
    now_making = making.get()
    if now_making is not None:
        now_making.version = version


def own(value: Any, copies: bool) -> Any:
    """*value* as one caller may have it: a stream of its own, a copy if *copies*."""
    if isinstance(value, Stream):
        return value.again()
    return copying.deepcopy(value) if copies else value
