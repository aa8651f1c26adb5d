"""One request on its way through the policies, and what is known of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from copy import copy
from typing import Any

import msgspec

from ...wire.exchange import RequestFacts
from .answer import Head
from .plumbing import AsyncResponse

Send = Callable[[Any], Awaitable[AsyncResponse]]


class CutShort(msgspec.Struct, frozen=True):
    """A whole answer that broke off: what had come of it, and the error that ended it."""

    head: Head
    chunks: list[bytes]
    error: Exception


class Exchange:
    """A request and the way to its server; the argument of every operation of the door."""

    __slots__ = (
        "cut_short",
        "facts",
        "is_alone",
        "key",
        "max_bytes",
        "name",
        "request",
        "send",
        "went_elsewhere",
    )

    def __init__(
        self,
        request: Any,
        send: Send,
        *,
        facts: RequestFacts,
        key: Hashable,
        name: str,
        is_alone: bool,
        max_bytes: int,
    ) -> None:
        self.request, self.send, self.facts = request, send, facts
        self.key, self.name = key, name
        self.is_alone, self.max_bytes = is_alone, max_bytes
        self.cut_short: CutShort | None = None
        self.went_elsewhere = False

    def to_another_server(self, request: Any) -> Exchange:
        """The same exchange with another request; its answer is not one to keep."""
        there = copy(self)
        there.request, there.went_elsewhere, there.cut_short = request, True, None
        return there


class NotKept(Exception):
    """Nothing was kept, and nobody was to be asked."""
