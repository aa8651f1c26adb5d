"""Long bodies, read part by part: of a conversation that grows with every turn, only what is new.

Agents send the same tools and messages again and again, with a few more at the end. Each object of
a list is known by its very bytes, together with what reading it gave. This only saves work: what
comes out is what ``canonical_form`` and ``read_strictly`` give, and where it is not certain to be
so, nothing comes out.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from .canonical import (
    CARRIES_DATA,
    HAVE_MARKERS,
    LONG,
    MARKER,
    canonical_form,
    ignored_on,
    is_marker,
    long_form,
    without_markers,
)
from .facts import Wire
from .json_values import canonical_json, read_if_plain, without_members

MOST_KNOWN_BYTES: Final = 4 * 1024 * 1024
"""How much of what was sent is known by its bytes; what was read from it takes as much again."""

_COST_OF_A_PART: Final = 512
_Inside = list[Raw] | dict[str, object] | str | int | float | bool | None
_split = msgspec.json.Decoder(dict[str, _Inside]).decode


class Part(msgspec.Struct, frozen=True):
    """An object of a list, read: shared between all bodies that hold it, and never changed.

    Attributes:
        size: Bytes of its canonical form.
        digest: SHA-256 of its canonical form.
    """

    value: object
    size: int
    digest: bytes


class KnownParts:
    """Remembers parts by their bytes; the older half of them goes when there are too many.

    Attributes:
        has_markers: Anthropic's cache markers are left out of the canonical forms.
    """

    def __init__(self, *, has_markers: bool, most_bytes: int = MOST_KNOWN_BYTES) -> None:
        self.has_markers = has_markers
        self._most_bytes = most_bytes // 2
        self._newer: dict[bytes, Part] = {}
        self._older: dict[bytes, Part] = {}
        self._size = 0

    def all_of(self, written: list[bytes]) -> list[Part] | None:
        """What each of *written* is; None if one of them is no plain JSON.

        Raises:
            NotJson: one of them nests too deep.
        """
        found = list(map(self._newer.get, written))
        if all(found):
            return [part for part in found if part is not None]
        parts: list[Part] = []
        for bytes_of_it, known in zip(written, found, strict=True):
            part = known or self._remembered(bytes_of_it)
            if part is None:
                return None
            parts.append(part)
        return parts

    def _remembered(self, written: bytes) -> Part | None:
        part = self._older.get(written) or self._read(written)
        size = len(written) + _COST_OF_A_PART
        if part is None or size > self._most_bytes:
            return part
        if self._size + size > self._most_bytes:
            self._older, self._newer, self._size = self._newer, {}, 0
        self._newer[written] = part
        self._size += size
        return part

    def _read(self, written: bytes) -> Part | None:
        plain = read_if_plain(written)
        if plain is None:
            return None
        value, canonical = plain
        if self.has_markers and MARKER in canonical:
            canonical = canonical_json(without_markers(value)) or b""
        return Part(value, len(canonical), sha256(canonical).digest())


_PLAIN: Final = KnownParts(has_markers=False)
_MARKED: Final = KnownParts(has_markers=True)


def read_by_parts(
    wire: Wire, body: bytes, known: KnownParts | None = None
) -> tuple[object, bytes | None] | None:
    """The value of a long body and its canonical form, or None if this way does not lead there.

    It does for objects written as most programs write them: with no space between the signs, or
    with one after each comma and colon.

    Raises:
        NotJson: it nests too deep.
    """
    try:
        members = _split(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    ignored, has_markers = ignored_on(wire), wire in HAVE_MARKERS
    known = known or (_MARKED if has_markers else _PLAIN)
    comma, colon = (b", ", b": ") if _is_spaced(body) else (b",", b":")
    value: dict[str, object] = {}
    again: list[bytes] = []
    form: list[tuple[str, bytes | list[bytes]]] = []
    size = 1
    for name, inside in members.items():
        member = _read_member(name, inside, comma, known)
        if member is None:
            return None
        key = msgspec.json.encode(name)
        value[name] = member.value
        again.append(b"%b%b%b" % (key, colon, member.text))
        if name not in ignored and not (has_markers and is_marker(name, inside)):
            form.append((name, member.canonical))
            size += len(key) + 2 + member.size
    if b"{%b}" % comma.join(again) != body:
        return None  # some member stands twice, or is written in another way
    if size < LONG:
        return value, canonical_form(wire, without_members(value, ignored))
    return value, long_form(form)


def _is_spaced(body: bytes) -> bool:
    after_colon = body.find(b":") + 1
    return body[after_colon : after_colon + 1] == b" "


class _Member(NamedTuple):
    """A member of a body: its value, its text in that body's style, its canonical form."""

    value: object
    text: bytes
    canonical: bytes | list[bytes]
    size: int


def _read_member(name: str, inside: _Inside, comma: bytes, known: KnownParts) -> _Member | None:
    drop_markers = known.has_markers and name not in CARRIES_DATA
    if not isinstance(inside, list) or not inside:
        text = msgspec.json.encode(inside)
        if isinstance(inside, dict) and comma == b", ":
            text = msgspec.json.format(text, indent=0)
        return _inline(inside, text, drop_markers)
    written = list(map(bytes, inside))
    text = b"[%b]" % comma.join(written)
    if not all(one.startswith(b"{") for one in written):
        plain = read_if_plain(text)
        return None if plain is None else _inline(plain[0], text, drop_markers)
    parts = known.all_of(written) if drop_markers == known.has_markers else None
    return None if parts is None else _in_parts(parts, text)


def _inline(value: object, text: bytes, drop_markers: bool) -> _Member | None:
    canonical: bytes | None = text
    if isinstance(value, dict | list):
        canonical = canonical_json(without_markers(value) if drop_markers else value)
    return None if canonical is None else _Member(value, text, canonical, len(canonical))


def _in_parts(parts: list[Part], text: bytes) -> _Member:
    size = sum([part.size for part in parts]) + len(parts) + 1
    digests = [part.digest for part in parts]
    return _Member([part.value for part in parts], text, digests, size)
