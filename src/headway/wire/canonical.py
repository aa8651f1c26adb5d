"""The one form that all bodies share which ask the same, and what is left out of it.

Key order and white space go, and so do Anthropic's cache markers, and the members of ``IGNORED``
on the wires where the answer does not repeat them. Short bodies are written out. In long ones a
digest stands for each object of a list, so that what a conversation repeats with every turn need
not be written and digested again (``parts.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, TypeGuard

from .facts import Wire
from .json_values import as_object, canonical_json

IGNORED: Final = frozenset(
    {"stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"}
)
"""Members of a body that do not change the answer; the form of a stream joins the key apart."""

REPEATED_IN_A_RESPONSE: Final = frozenset(
    {"user", "metadata", "safety_identifier", "prompt_cache_key"}
)
"""Ignored members that the responses API writes into its answer: there they are part of the key."""

LONG: Final = 16 * 1024
"""Bytes from which on a body is written with digests of its parts."""

HAVE_PARTS: Final[frozenset[Wire]] = frozenset(
    {"openai.chat", "openai.responses", "anthropic.messages", "anthropic.count_tokens"}
)
HAVE_MARKERS: Final[frozenset[Wire]] = frozenset({"anthropic.messages", "anthropic.count_tokens"})
MARKER: Final = b'"cache_control":'

CARRIES_DATA: Final = frozenset({"input", "input_schema", "schema"})
"""Members whose content is the caller's own: what looks like a marker in there is none."""


def ignored_on(wire: Wire) -> frozenset[str]:
    """The members of a body that do not count there."""
    return _IGNORED_ON.get(wire, IGNORED)


_IGNORED_ON: Final[dict[Wire, frozenset[str]]] = {
    "openai.responses": IGNORED - REPEATED_IN_A_RESPONSE,
    "other": frozenset(),
}


def canonical_form(wire: Wire, kept: object) -> bytes | None:
    """The form of a body whose members all count; None if it nests too deep."""
    if wire in HAVE_MARKERS:
        kept = without_markers(kept)
    written = canonical_json(kept)
    if written is None or len(written) < LONG or wire not in HAVE_PARTS:
        return written
    return long_form((name, _written(inside)) for name, inside in as_object(kept).items())


def _written(inside: object) -> bytes | list[bytes]:
    if is_in_parts(inside):
        return [sha256(canonical_json(one) or b"").digest() for one in inside]
    return canonical_json(inside) or b""


def is_in_parts(inside: object) -> TypeGuard[list[object]]:
    """Whether a digest stands for each element: a list of nothing but objects."""
    return isinstance(inside, list) and bool(inside) and all(type(one) is dict for one in inside)


def long_form(members: Iterable[tuple[str, bytes | list[bytes]]]) -> bytes:
    """The form of a long body, whose members are written as JSON or are lists of digests."""
    pieces = [b"\0"]
    for name, written in sorted(members):
        pieces += [canonical_json(name) or b"", b":"]
        if isinstance(written, list):
            pieces.append(b"*%d:" % len(written))
            pieces += written
        else:
            pieces.append(written)
        pieces.append(b"\n")
    return b"".join(pieces)


def without_markers(value: object) -> object:
    """*value* without Anthropic's ``cache_control``, which says what to cache and nothing else."""
    if isinstance(value, list):
        return [without_markers(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: inside if name in CARRIES_DATA else without_markers(inside)
        for name, inside in as_object(value).items()
        if not is_marker(name, inside)
    }


def is_marker(name: str, inside: object) -> bool:
    """Whether a member is a cache marker of Anthropic's."""
    if name != "cache_control":
        return False
    return inside is None or as_object(inside).get("type") == "ephemeral"
