"""A request that is understood: the question it asks, and the way it takes."""

from __future__ import annotations

import msgspec

from ..wire.exchange import RequestFacts
from .spoken import Spoken
from .way import Way


class Question(msgspec.Struct, frozen=True):
    """A whole request, understood.

    Attributes:
        key: Equal for equal questions of one tenant; None if its answer is neither kept nor shared.
        digest: Stands for the question on receipts; None if it is no question to a model.
        why_bypassed: The reason for that in words; None where the route keeps and shares nothing.
        agent: Who asks, as far as that can be told; None also if nobody listened.
        spoken: What it tells of its conversation, if somebody listened.
        operation: Its name on receipts.
        may_repeat: It can be sent once more without harm, even without an idempotency key.
    """

    facts: RequestFacts
    key: bytes | None
    digest: str | None
    why_bypassed: str | None
    way: Way
    agent: str | None
    spoken: Spoken | None
    operation: str
    may_repeat: bool
