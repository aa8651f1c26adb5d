"""Which agent a request comes from: as it says itself, by its key, or by its system prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..adapters.http.plumbing import plain_name
from ..wire.exchange import RequestFacts
from .spoken import Spoken
from .transcript import spoken_of

HEADER: Final = "x-headway-agent"


def agent_of(
    headers: Mapping[str, str], key_name: str | None, facts: RequestFacts | Spoken
) -> str | None:
    """The name of the agent that asks; None if nothing tells agents apart.

    What the header ``x-headway-agent`` says, else the name of the client's key, else a fingerprint
    of the system prompt.

    Args:
        headers: By name in lower case.
        facts: With the body; or what was read from it before.
    """
    said = headers.get(HEADER, "").strip()
    if said:
        return plain_name(said)
    if key_name:
        return key_name
    return (facts if isinstance(facts, Spoken) else spoken_of(facts)).speaker
