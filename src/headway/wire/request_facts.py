"""What is known of a request: read at once what every request needs, the rest when asked for."""

from __future__ import annotations

from functools import cached_property

import msgspec

from .facts import ToolResult, Wire
from .json_values import as_object
from .sent import Sent, read_sent


class RequestFacts(msgspec.Struct, frozen=True, dict=True):
    """What a request asks for, and whether the same bytes may be answered from a cache.

    ``tool_results`` and ``system_digest`` are read from ``body`` when they are first asked for;
    facts without a body know of none.

    Attributes:
        provider: Whose wire it is: ``openai``, ``anthropic`` or ``other``.
        streams: The answer is asked for as a stream of events.
        is_repeatable: Asking again would give the same answer and change nothing on the server.
        why_not: The reason in words if it is not repeatable.
        message_count: Messages, input items, or texts to embed.
        wants_usage_chunk: A chat stream is to end with a chunk of usage.
        body: The parsed body; None if it is not JSON or has an object with duplicate keys.
        canonical: The same bytes for all bodies that ask the same; None if there are no such.
    """

    wire: Wire
    provider: str
    model: str | None
    streams: bool
    is_repeatable: bool
    why_not: str | None
    message_count: int
    wants_usage_chunk: bool
    body: object | None
    canonical: bytes | None

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The results of tools that went back to the model, in their order."""
        return self._sent.tool_results

    @property
    def system_digest(self) -> str | None:
        """SHA-256 of the system prompt, in hex; None if there is none."""
        return self._sent.system_digest

    @cached_property
    def _sent(self) -> Sent:
        return read_sent(self.wire, as_object(self.body))

    def without_body(self) -> RequestFacts:
        """The same facts, small enough to be kept."""
        return msgspec.structs.replace(self, body=None, canonical=None)
