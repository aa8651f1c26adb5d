"""Reads a request: whose wire it is, what it asks for, whether it is repeatable."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .facts import RequestFacts, Wire
from .json_values import NotJson, as_object, as_text, read_strictly
from .repeatable import why_not_repeatable
from .sent import Sent, read_sent

_POSTED: tuple[tuple[str, Wire], ...] = (
    ("/chat/completions", "openai.chat"),
    ("/responses", "openai.responses"),
    ("/embeddings", "openai.embeddings"),
    ("/v1/messages", "anthropic.messages"),
    ("/v1/messages/count_tokens", "anthropic.count_tokens"),
)
_MODELS = re.compile(r"/(?:v\d\w*|openai)/models(?:/|$)")
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
_STREAMING: frozenset[Wire] = frozenset({"openai.chat", "openai.responses", "anthropic.messages"})


def read_request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> RequestFacts:
    """What a request asks for; never raises, whatever the bytes are.

    Args:
        path: The path of the URL; a query behind it is passed over.
        headers: By name in lower case.
    """
    path = path.partition("?")[0]
    wire = _wire_of(method.upper(), path)
    parsed, why_unread = _parse(wire, body)
    asked = as_object(parsed)
    why_not = why_unread or why_not_repeatable(wire, asked)
    sent = read_sent(wire, asked) if asked else Sent()
    options = as_object(asked.get("stream_options"))
    return RequestFacts(
        wire=wire,
        provider=_provider_of(wire, headers),
        model=as_text(asked.get("model")) or _deployment(wire, path),
        streams=wire in _STREAMING and asked.get("stream") is True,
        is_repeatable=why_not is None,
        why_not=why_not,
        tool_results=sent.tool_results,
        system_digest=sent.system_digest,
        message_count=sent.message_count,
        wants_usage_chunk=wire == "openai.chat" and options.get("include_usage") is True,
        body=parsed,
    )


def _wire_of(method: str, path: str) -> Wire:
    path = path.rstrip("/")
    if method == "POST":
        return next((wire for ending, wire in _POSTED if path.endswith(ending)), "other")
    return "models" if method == "GET" and _MODELS.search(path) else "other"


def _parse(wire: Wire, body: bytes) -> tuple[object | None, str | None]:
    """The value of the body, and why it cannot be relied on."""
    if wire == "models":
        return None, None
    try:
        parsed = read_strictly(body)
    except NotJson as error:
        return None, None if wire == "other" else str(error)
    if wire != "other" and not isinstance(parsed, dict):
        return parsed, "the body is no JSON object"
    return parsed, None


def _provider_of(wire: Wire, headers: Mapping[str, str]) -> str:
    if wire == "models":
        return "anthropic" if "anthropic-version" in headers else "openai"
    return wire.partition(".")[0]


def _deployment(wire: Wire, path: str) -> str | None:
    found = _DEPLOYMENT.search(path) if wire != "other" else None
    return found.group(1) if found else None
