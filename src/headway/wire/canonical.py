"""The one form that all bodies share which ask the same, and what is left out of it.

Key order and white space go, and so do the members of ``IGNORED`` on the wires where the answer
does not repeat them. Anthropic's cache markers stay in until a key is made: see
``without_markers``.
"""

from __future__ import annotations

from typing import Final

from .facts import Wire
from .json_values import as_object, canonical_json, read_and_write

IGNORED: Final = frozenset(
    {"stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"}
)
"""Members of a body that do not change the answer; the form of a stream joins the key apart."""

REPEATED_IN_A_RESPONSE: Final = frozenset(
    {"user", "metadata", "safety_identifier", "prompt_cache_key"}
)
"""Ignored members that the responses API writes into its answer: there they are part of the key."""

_IGNORED_ON: Final[dict[Wire, frozenset[str]]] = {
    "openai.responses": IGNORED - REPEATED_IN_A_RESPONSE,
    "other": frozenset(),
}


def read_body(wire: Wire, body: bytes) -> tuple[object, bytes | None]:
    """The value of *body*, and its canonical form, which is None if it nests too deep to write.

    Raises:
        NotJson: it is no JSON, has duplicate keys, or is too long or too deep.
    """
    return read_and_write(body, _IGNORED_ON.get(wire, IGNORED))


def canonical_without_markers(wire: Wire, body: object) -> bytes | None:
    """The canonical form of a parsed body, with Anthropic's cache markers left out as well."""
    ignored = _IGNORED_ON.get(wire, IGNORED)
    asked = {name: inside for name, inside in as_object(body).items() if name not in ignored}
    return canonical_json(_without_markers(asked))


_CARRIES_DATA: Final = frozenset({"input", "input_schema", "schema"})
"""Members whose content is the caller's own: what looks like a marker in there is none."""


def _without_markers(value: object) -> object:
    """*value* without Anthropic's ``cache_control``, which says what to cache and nothing else."""
    if isinstance(value, list):
        return [_without_markers(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: inside if name in _CARRIES_DATA else _without_markers(inside)
        for name, inside in as_object(value).items()
        if not (name == "cache_control" and _is_marker(inside))
    }


def _is_marker(value: object) -> bool:
    return value is None or as_object(value).get("type") == "ephemeral"
