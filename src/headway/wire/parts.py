"""Long bodies, read part by part: of a conversation that grows with every turn, only what is new.

Agents send the same tools and messages again and again, with a few more at the end. Each object of
a list is known by its very bytes, together with what reading it gave. This only saves work: what
comes out is what ``canonical_form`` and ``read_strictly`` give, and where it is not certain to be
so, nothing comes out.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

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


class Part:
    """An object of a list, read: shared between all bodies that hold it, and never changed.

    Attributes:
        written: Its very bytes.
        size: Bytes of its canonical form.
        digest: SHA-256 of its canonical form.
    """

    __slots__ = ("digest", "size", "value", "written")

    def __init__(self, written: Raw, value: object, size: int, digest: bytes) -> None:
        self.written, self.value, self.size, self.digest = written, value, size, digest


class KnownParts:
    """Remembers parts by their bytes; the older half of them goes when there are too many.

    It also remembers which part came behind which: to compare one with the part that is expected
    costs a tenth of looking it up, since nothing needs to be copied and hashed.

    Attributes:
        has_markers: Anthropic's cache markers are left out of the canonical forms.
    """

    def __init__(self, *, has_markers: bool, most_bytes: int = MOST_KNOWN_BYTES) -> None:
        self.has_markers = has_markers
        self._most_bytes = most_bytes // 2
        self._newer: dict[bytes, Part] = {}
        self._older: dict[bytes, Part] = {}
        self._next: dict[Part | None, Part] = {}
        self._size = 0

    def all_of(self, written: list[Raw]) -> list[Part] | None:
        """What each of *written* is; None if one of them is no object or no plain JSON.

        Raises:
            NotJson: one of them nests too deep.
        """
        parts: list[Part] = []
        last: Part | None = None
        for one in written:
            part = self._next.get(last)
            if part is None or part.written != one:
                part = self._found(bytes(one), last)
                if part is None:
                    return None
            parts.append(part)
            last = part
        return parts

    def _found(self, written: bytes, last: Part | None) -> Part | None:
        part = self._newer.get(written) or self._remembered(written)
        if part is None or not self._fits(len(written)):
            return part
        if last is None or self._fits(len(last.written)):
            self._next[last] = part
        return part

    def _fits(self, length: int) -> bool:
        return length + _COST_OF_A_PART <= self._most_bytes

    def _remembered(self, written: bytes) -> Part | None:
        part = self._older.get(written) or self._read(written)
        if part is None or not self._fits(len(written)):
            return part
        size = len(written) + _COST_OF_A_PART
        if self._size + size > self._most_bytes:
            self._older, self._newer, self._size = self._newer, {}, 0
            self._next = {}
        self._newer[written] = part
        self._size += size
        return part

    def _read(self, written: bytes) -> Part | None:
        plain = read_if_plain(written) if written.startswith(b"{") else None
        if plain is None:
            return None
        value, canonical = plain
        if self.has_markers and MARKER in canonical:
            canonical = canonical_json(without_markers(value)) or b""
        return Part(Raw(written), value, len(canonical), sha256(canonical).digest())


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
    again: list[Raw] = []
    form: list[tuple[str, bytes | list[bytes]]] = []
    size = 1
    for name, inside in members.items():
        member = _read_member(name, inside, comma, known)
        if member is None:
            return None
        key = msgspec.json.encode(name)
        value[name] = member.value
        member.text[0] = Raw(b"%b%b%b" % (key, colon, bytes(member.text[0])))
        again += member.text
        if name not in ignored and not (has_markers and is_marker(name, inside)):
            form.append((name, member.canonical))
            size += len(key) + 2 + member.size
    if not again or comma.join(_between(b"{", again, b"}")) != body:
        return None  # some member stands twice, or is written in another way
    if size < LONG:
        return value, canonical_form(wire, without_members(value, ignored))
    return value, long_form(form)


def _is_spaced(body: bytes) -> bool:
    after_colon = body.find(b":") + 1
    return body[after_colon : after_colon + 1] == b" "


def _between(start: bytes, pieces: list[Raw], end: bytes) -> list[Raw]:
    """*pieces* as they are, but for *start* before the first and *end* behind the last."""
    # To type checkers a Raw is bytes. It is not, and compiled code refuses it where bytes are due.
    pieces[0] = Raw(b"%b%b" % (start, bytes(pieces[0])))
    pieces[-1] = Raw(b"%b%b" % (bytes(pieces[-1]), end))
    return pieces


class _Member:
    """A member of a body: its value, its text in that body's style, its canonical form.

    A list of objects has its text in pieces, to be joined by that style's comma: so that of a long
    body, one copy is made.
    """

    __slots__ = ("canonical", "size", "text", "value")

    def __init__(
        self, value: object, text: list[Raw], canonical: bytes | list[bytes], size: int
    ) -> None:
        self.value, self.text, self.canonical, self.size = value, text, canonical, size


def _read_member(name: str, inside: _Inside, comma: bytes, known: KnownParts) -> _Member | None:
    drop_markers = known.has_markers and name not in CARRIES_DATA
    if not isinstance(inside, list) or not inside:
        text = msgspec.json.encode(inside)
        if isinstance(inside, dict) and comma == b", ":
            text = msgspec.json.format(text, indent=0)
        return _inline(inside, text, drop_markers)
    if drop_markers == known.has_markers:
        parts = known.all_of(inside)
        if parts is not None:
            return _in_parts(parts, inside)
    if all(bytes(one).startswith(b"{") for one in inside):
        return None
    text = b"[%b]" % comma.join(inside)
    plain = read_if_plain(text)
    return None if plain is None else _inline(plain[0], text, drop_markers)


def _inline(value: object, text: bytes, drop_markers: bool) -> _Member | None:
    canonical: bytes | None = text
    if isinstance(value, dict | list):
        canonical = canonical_json(without_markers(value) if drop_markers else value)
    return None if canonical is None else _Member(value, [Raw(text)], canonical, len(canonical))


def _in_parts(parts: list[Part], written: list[Raw]) -> _Member:
    size = sum([part.size for part in parts]) + len(parts) + 1
    digests = [part.digest for part in parts]
    text = _between(b"[", [*written], b"]")
    return _Member([part.value for part in parts], text, digests, size)
