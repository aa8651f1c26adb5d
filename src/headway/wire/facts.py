"""What is known of one exchange with a model endpoint: frozen records, filled by the readers."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Wire = Literal[
    "openai.chat",
    "openai.responses",
    "openai.embeddings",
    "anthropic.messages",
    "anthropic.count_tokens",
    "models",
    "other",
]


class ToolResult(msgspec.Struct, frozen=True):
    """A tool's result that went back to the model; its content is a digest, never the text.

    Attributes:
        id: The id of the tool call that it answers.
        name: The tool, where the request also carries the call that asked for it.
        digest: SHA-256 of the content, in hex; of the plain text if it consists of text alone.
        size: Bytes of the content in UTF-8.
    """

    id: str | None
    name: str | None
    digest: str
    size: int


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens as the provider counted them; None is unknown, never zero.

    Attributes:
        tokens_in: All input, what was read from or written to the prompt cache included.
        tokens_cached: Of these, read from the provider's prompt cache.
        tokens_cache_written: Of these, written to the provider's prompt cache.
        tokens_out: All output, reasoning included.
        tokens_reasoning: Of these, spent on reasoning.
    """

    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_cache_written: int | None = None
    tokens_out: int | None = None
    tokens_reasoning: int | None = None


UNKNOWN: Final = Usage()


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A tool call that the model asks for; ``arguments`` is the text it wrote, normally JSON."""

    id: str | None
    name: str
    arguments: str


class AnswerFacts(msgspec.Struct, frozen=True, gc=False):
    """What an answer turned out to be, as far as it has been read.

    Attributes:
        is_complete: It ended as its protocol says; False while it is still being read.
        is_error: The provider reports a failure, by status, in the body or in the stream.
        may_keep: Complete, free of errors and not cut short: a cache may keep it.
        why_not: The reason in words if it may not be kept.
        finish_reason: Why the model stopped, in the provider's words.
        text_size: Characters of answer text.
        first_content_at: Where the first event with content begins, in bytes from the start of
            the body; 0 for an answer that is no stream.
    """

    is_complete: bool
    is_error: bool
    may_keep: bool
    why_not: str | None
    model: str | None
    usage: Usage
    finish_reason: str | None
    tool_calls: tuple[ToolCall, ...]
    text_size: int
    first_content_at: int | None


_Said = tuple[str | None, str | None]
_MOST_SAID: Final = 256
_LONGEST_SAID: Final = 128
_said: dict[_Said, _Said] = {}


def shared(model: str | None, finish_reason: str | None) -> tuple[str | None, str | None]:
    """Both texts, as the same objects for all answers that say the same: they are kept by many."""
    said = (model, finish_reason)
    known = _said.get(said)
    if known is not None:
        return known
    if len(model or "") + len(finish_reason or "") <= _LONGEST_SAID:
        if len(_said) >= _MOST_SAID:
            _said.clear()
        _said[said] = said
    return said
