"""What a request told of the conversation behind it, as ``transcript`` reads it."""

from __future__ import annotations

import msgspec


class Brought(msgspec.Struct, frozen=True):
    """A tool's result that a request brings; what it was asked, if the request says that too."""

    id: str | None
    name: str | None = None
    key: str | None = None


class Spoken(msgspec.Struct, frozen=True):
    """What is kept of a conversation: small, and the same for the same request.

    Attributes:
        speaker: A fingerprint of the system prompt, such as ``agent 3f2a91``, the same also if
            days, times, long numbers and UUIDs in it change; None if there is no prompt.
        task: What the user said first, which all requests of one conversation repeat, or the
            beginning of that; "" if unknown.
        results: The results of tools behind the model's last words, in order: those that are new.
    """

    speaker: str | None = None
    task: str = ""
    results: tuple[Brought, ...] = ()
