"""Reads a request: whose wire it is, what it asks for, whether it is repeatable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from .canonical import HAVE_MARKERS, HAVE_PARTS, LONG, MARKER, canonical_form, ignored_on
from .facts import Wire
from .json_values import (
    MOST_BYTES,
    NotJson,
    as_object,
    as_text,
    read_if_plain,
    read_slowly,
    without_members,
)
from .parts import read_by_parts
from .repeatable import why_not_repeatable
from .request_facts import RequestFacts
from .sent import count_messages

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


_LONGEST_KNOWN_PATH: Final = 200


def read_request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> RequestFacts:
    """What a request asks for; never raises, whatever the bytes are.

    Args:
        path: The path of the URL; a query behind it is passed over.
        headers: By name in lower case.
    """
    wire = wire_of(method, path)
    parsed, canonical, why_unread = _read(wire, body)
    asked = as_object(parsed)
    why_not = why_unread or why_not_repeatable(wire, asked)
    streams = asked.get("stream") is True and wire in _STREAMING
    return RequestFacts(
        wire,
        _provider_of(wire, headers),
        as_text(asked.get("model")) or _deployment(wire, path),
        streams,
        why_not is None,
        why_not,
        count_messages(wire, asked),
        wire == "openai.chat" and _asks_for_usage(asked),
        parsed,
        canonical,
    )


def wire_of(method: str, path: str) -> Wire:
    """Which wire a request is of, by its method and the path of its URL."""
    if len(path) > _LONGEST_KNOWN_PATH:
        return _read_wire(method, path)
    return _known_wire(method, path)


def _read_wire(method: str, path: str) -> Wire:
    method, path = method.upper(), path.partition("?")[0].rstrip("/")
    if method == "POST":
        return next((wire for ending, wire in _POSTED if path.endswith(ending)), "other")
    return "models" if method == "GET" and _MODELS.search(path) else "other"


_known_wire = lru_cache(maxsize=1024)(_read_wire)


def _read(wire: Wire, body: bytes) -> tuple[object | None, bytes | None, str | None]:
    """The value of the body, its canonical form, and why it cannot be relied on."""
    if wire == "models":
        return None, None if body else b"", None
    try:
        parsed, canonical = _read_body(wire, body)
    except NotJson as error:
        return None, None if body else b"", None if wire == "other" else str(error)
    if parsed is None:
        canonical = None
    if wire != "other" and not isinstance(parsed, dict):
        return parsed, canonical, "the body is no JSON object"
    return parsed, canonical, None


def _read_body(wire: Wire, body: bytes) -> tuple[object, bytes | None]:
    if LONG <= len(body) <= MOST_BYTES and wire in HAVE_PARTS:
        read = read_by_parts(wire, body.strip())
        if read is not None:
            return read
    ignored = ignored_on(wire)
    plain = read_if_plain(body, ignored)
    if plain is not None and _is_final(wire, plain[1]):
        return plain
    value = read_slowly(body) if plain is None else plain[0]
    return value, canonical_form(wire, without_members(value, ignored))


def _is_final(wire: Wire, written: bytes) -> bool:
    """Whether sorted JSON is the canonical form: short, and without anything that looks marked."""
    if len(written) >= LONG and wire in HAVE_PARTS:
        return False
    return wire not in HAVE_MARKERS or MARKER not in written


def _asks_for_usage(asked: dict[str, object]) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _provider_of(wire: Wire, headers: Mapping[str, str]) -> str:
    if wire == "models" and "anthropic-version" in headers:
        return "anthropic"
    return _PROVIDERS[wire]


_PROVIDERS: Final[dict[Wire, str]] = {
    "openai.chat": "openai",
    "openai.responses": "openai",
    "openai.embeddings": "openai",
    "anthropic.messages": "anthropic",
    "anthropic.count_tokens": "anthropic",
    "models": "openai",
    "other": "other",
}


def _deployment(wire: Wire, path: str) -> str | None:
    found = _DEPLOYMENT.search(path.partition("?")[0]) if wire != "other" else None
    return found.group(1) if found else None
