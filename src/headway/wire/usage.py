"""Tokens used, from what each provider reports; a number that is not there stays unknown."""

from __future__ import annotations

from typing import Annotated

import msgspec

from .facts import UNKNOWN, Usage
from .json_values import as_count, as_object

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # what as_count takes for one
_Never = Annotated[int, msgspec.Meta(ge=1, le=0)]  # a member of another wire: nothing fits in


class _Sent(msgspec.Struct, gc=False):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _Made(msgspec.Struct, gc=False):
    reasoning_tokens: _Count | None = None


class _Thought(msgspec.Struct, gc=False):
    thinking_tokens: _Count | None = None


class ChatUsage(msgspec.Struct, gc=False):
    """The usage of a chat, to be decoded into, as nearly all report it; others do not fit in."""

    prompt_tokens: _Count
    completion_tokens: _Count | None = None
    prompt_tokens_details: _Sent | None = None
    completion_tokens_details: _Made | None = None

    def usage(self) -> Usage:
        """The same as ``openai_usage`` makes of it."""
        return _usage_of(
            self.prompt_tokens,
            self.completion_tokens,
            self.prompt_tokens_details,
            self.completion_tokens_details,
        )


class ResponseUsage(msgspec.Struct, gc=False):
    """The same of a response."""

    input_tokens: _Count
    output_tokens: _Count | None = None
    input_tokens_details: _Sent | None = None
    output_tokens_details: _Made | None = None
    prompt_tokens: _Never = 0
    completion_tokens: _Never = 0

    def usage(self) -> Usage:
        """The same as ``openai_usage`` makes of it."""
        return _usage_of(
            self.input_tokens,
            self.output_tokens,
            self.input_tokens_details,
            self.output_tokens_details,
        )


def _usage_of(sent: int, made: int | None, of_sent: _Sent | None, of_made: _Made | None) -> Usage:
    return Usage(
        sent,
        None if of_sent is None else of_sent.cached_tokens,
        None if of_sent is None else of_sent.cache_write_tokens,
        made,
        None if of_made is None else of_made.reasoning_tokens,
    )


class MessageUsage(msgspec.Struct, gc=False):
    """The same of a message."""

    input_tokens: _Count
    output_tokens: _Count
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    output_tokens_details: _Thought | None = None
    thinking_tokens: None = None

    def usage(self) -> Usage:
        """The same as ``AnthropicUsage`` makes of it."""
        read, written = self.cache_read_input_tokens, self.cache_creation_input_tokens
        thought = self.output_tokens_details
        return Usage(
            self.input_tokens + (read or 0) + (written or 0),
            read,
            written,
            self.output_tokens,
            None if thought is None else thought.thinking_tokens,
        )


def openai_usage(reported: object) -> Usage:
    """The usage of a chat (``prompt_tokens``) or of a response (``input_tokens``)."""
    usage = as_object(reported)
    is_chat = "prompt_tokens" in usage or "completion_tokens" in usage
    sent, made, of_sent, of_made = _OF_A_CHAT if is_chat else _OF_A_RESPONSE
    details_in, details_out = usage.get(of_sent), usage.get(of_made)
    cached = written = reasoning = None
    if isinstance(details_in, dict):
        cached = as_count(details_in.get("cached_tokens"))
        written = as_count(details_in.get("cache_write_tokens"))
    if isinstance(details_out, dict):
        reasoning = as_count(details_out.get("reasoning_tokens"))
    return Usage(as_count(usage.get(sent)), cached, written, as_count(usage.get(made)), reasoning)


_OF_A_CHAT = (
    *("prompt_tokens", "completion_tokens"),
    *("prompt_tokens_details", "completion_tokens_details"),
)
_OF_A_RESPONSE = (
    *("input_tokens", "output_tokens"),
    *("input_tokens_details", "output_tokens_details"),
)


def embedding_usage(reported: object) -> Usage:
    """The usage of an embedding, which has no output and knows no prompt cache."""
    tokens_in = as_count(as_object(reported).get("prompt_tokens"))
    return UNKNOWN if tokens_in is None else Usage(tokens_in, 0, 0, 0, 0)


class AnthropicUsage:
    """Adds up what a message reports: first at its start, then as running totals."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def read(self, reported: object) -> None:
        """Take over the numbers that *reported* has; the others stay as they were."""
        usage = as_object(reported)
        details = as_object(usage.get("output_tokens_details"))
        for name, value in (*usage.items(), ("thinking_tokens", details.get("thinking_tokens"))):
            count = as_count(value)
            if count is not None and name in _ANTHROPIC_COUNTS:
                self._last[name] = count

    def total(self) -> Usage:
        """All input is what was neither read from nor written to the cache, and those two."""
        last = self._last
        read, written = last.get("cache_read_input_tokens"), last.get("cache_creation_input_tokens")
        beside = last.get("input_tokens")
        return Usage(
            tokens_in=None if beside is None else beside + (read or 0) + (written or 0),
            tokens_cached=read,
            tokens_cache_written=written,
            tokens_out=last.get("output_tokens"),
            tokens_reasoning=last.get("thinking_tokens"),
        )


_ANTHROPIC_COUNTS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "thinking_tokens",
    }
)
