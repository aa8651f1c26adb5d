"""Arguments that stand for what an earlier call of the batch gave: ``$1.field``, ``${name[0].x}``.

A whole argument may be ``$2`` or ``$2.field``; ``${2.field}`` and ``${id.field}`` may also stand
inside a longer text. Calls are named by id or, from 1, by place. ``$$`` in front of what would be a
reference is a plain ``$``. Lists and objects within arguments are looked through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass

import msgspec

from ..errors import BadSetup
from .values import as_text

_WHOLE = re.compile(r"\$(\d{1,9})((?:\.[^.\[\]{}$\s]+|\[-?\d{1,9}\])*)\Z")
_BRACED = re.compile(r"\$(\$?)\{([^{}]*)\}")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(-?\d{1,9})\]")

Step = str | int


class Reference(msgspec.Struct, frozen=True):
    """Part of the value of the call at the place *call*, which counts from 0."""

    call: int
    path: tuple[Step, ...] = ()


class Text(msgspec.Struct, frozen=True):
    """A text with references in it."""

    pieces: tuple[str | Reference, ...]


class Names:
    """The calls that a reference may name: by id, else by place from 1."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self._places = {id: place for place, id in enumerate(ids)}

    def read(self, written: str, by: int) -> Reference:
        """The reference *written* in an argument of the call at the place *by*.

        Raises:
            BadSetup: it names no call, or one that is not earlier.
        """
        for end in _possible_ends(written):
            place, rest = self._place(written[:end]), written[end:]
            if place is not None and _STEP.sub("", rest) == "":
                self._refuse_unless_earlier(written, place, by)
                return Reference(place, _path(rest))
        raise BadSetup(
            f"call {self._ids[by]!r} refers to ${{{written}}}, but no call of this batch has that "
            f"id or place; if it is only text, write $${{{written}}} or ToolCall(..., literal=True)"
        )

    def _place(self, name: str) -> int | None:
        place = self._places.get(name)
        if place is None and len(name) < 10 and name.isascii() and name.isdigit():
            place = int(name) - 1 if 1 <= int(name) <= len(self._ids) else None
        return place

    def _refuse_unless_earlier(self, written: str, place: int, by: int) -> None:
        if place == by:
            raise BadSetup(f"call {self._ids[by]!r} refers to itself by ${{{written}}}")
        if place > by:
            raise BadSetup(
                f"call {self._ids[by]!r} refers to ${{{written}}}, which comes after it; a "
                "reference leads to an earlier call, so put that one first (two calls that refer "
                "to each other cannot be run at all)"
            )


def _possible_ends(written: str) -> list[int]:
    """Where the name may end: an id may have dots and brackets of its own, so longest first."""
    ends = [found.start() for found in re.finditer(r"[.\[]", written)]
    return [len(written), *reversed(ends)]


def _path(written: str) -> tuple[Step, ...]:
    return tuple(
        found[1] if found[1] is not None else int(found[2]) for found in _STEP.finditer(written)
    )


def read(value: object, names: Names, by: int) -> object:
    """*value* with every reference in it as a ``Reference`` or ``Text``; itself if it has none.

    Raises:
        BadSetup: a reference leads nowhere, or to a call that is not earlier.
    """
    if isinstance(value, str):
        return _read_text(value, names, by) if "$" in value else value
    if isinstance(value, dict):
        pairs = {key: read(of_key, names, by) for key, of_key in value.items()}
        return pairs if any(pairs[key] is not value[key] for key in pairs) else value
    if isinstance(value, list | tuple):
        items = [read(item, names, by) for item in value]
        return items if any(new is not old for new, old in zip(items, value)) else value
    return value


def _read_text(text: str, names: Names, by: int) -> object:
    if text.startswith("$$") and _WHOLE.match(text, 1):
        return text[1:]
    if found := _WHOLE.match(text):
        return names.read(found[1] + found[2], by)
    pieces: list[str | Reference] = []
    end = 0
    for found in _BRACED.finditer(text):
        pieces.append(text[end : found.start()])
        pieces.append(f"${{{found[2]}}}" if found[1] else names.read(found[2], by))
        end = found.end()
    pieces.append(text[end:])
    kept = [piece for piece in pieces if piece != ""]
    if not any(isinstance(piece, Reference) for piece in kept):
        joined = "".join(map(str, kept))
        return text if joined == text else joined
    return kept[0] if len(kept) == 1 else Text(tuple(kept))


def places(value: object) -> list[int]:
    """The calls that *value* refers to, as ``read`` gave it."""
    if isinstance(value, Reference):
        return [value.call]
    if isinstance(value, Text):
        return [piece.call for piece in value.pieces if isinstance(piece, Reference)]
    if isinstance(value, dict):
        return [place for of_key in value.values() for place in places(of_key)]
    if isinstance(value, list | tuple):
        return [place for item in value for place in places(item)]
    return []


def filled(value: object, value_of: Callable[[Reference], object]) -> object:
    """*value* with what *value_of* gives for each reference; inside a text, as text."""
    if isinstance(value, Reference):
        return value_of(value)
    if isinstance(value, Text):
        return "".join(
            piece if isinstance(piece, str) else as_text(value_of(piece)) for piece in value.pieces
        )
    if isinstance(value, dict):
        return {key: filled(of_key, value_of) for key, of_key in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, value_of) for item in value]
    return value


def written(path: tuple[Step, ...]) -> str:
    """*path* as it stands in a reference."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def follow(value: object, path: tuple[Step, ...]) -> object:
    """What lies at *path* in *value*: members, fields and items; a JSON text is read for it.

    Raises:
        LookupError: there is no such thing; the message says what there is.
    """
    for step in path:
        if isinstance(value, str | bytes):
            value = _parsed(value, step)
        value = _item(value, step) if isinstance(value, list | tuple) else _member(value, step)
    return value


def _parsed(text: str | bytes, step: Step) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise LookupError(f"it is a text, and no JSON, so it has no {step!r}") from None


def _item(items: list[object] | tuple[object, ...], step: Step) -> object:
    if isinstance(step, str) and step in getattr(items, "_fields", ()):
        return getattr(items, step)
    try:
        return items[int(step)]
    except (ValueError, IndexError):
        raise LookupError(f"it is a list of {len(items)}, which has no {step!r}") from None


def _member(value: object, step: Step) -> object:
    members = _members(value)
    if step in members:
        return members[step]
    if str(step) in members:
        return members[str(step)]
    shown = ", ".join(map(str, members)) or "no members"
    raise LookupError(f"it has no {step!r}; it is a {type(value).__name__} with {shown}")


def _members(value: object) -> Mapping[object, object]:
    """What can be named in *value*: its data, never its methods or what is private."""
    if isinstance(value, Mapping):
        return value
    names: tuple[str, ...] = getattr(type(value), "__struct_fields__", ())
    if is_dataclass(value):
        names = tuple(value.__dataclass_fields__)
    found: dict[object, object] = {name: getattr(value, name) for name in names}
    found.update(
        (name, held)
        for name, held in getattr(value, "__dict__", {}).items()
        if not name.startswith("_")
    )
    return found
