"""From ``"company:{symbol}"`` and the arguments of a call to the resources of that call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from string import Formatter
from typing import Any, Final, NamedTuple, cast

from ..errors import BadSetup
from .resources import EVERYTHING

Look = Callable[[str], object]
"""Gives an argument by its name; ``MISSING`` if there is none."""

MISSING: Final = object()

_formatter = Formatter()


class _Piece(NamedTuple):
    """A literal text and the gap behind it, if there is one."""

    literal: str
    gap: str | None
    path: str
    """What stands behind the name in the gap, such as ``.name`` or ``[0]``."""
    form: str


class Template:
    """A resource with gaps for arguments.

    Texts and whole numbers fill a gap as they are, each item of a list gives a resource of its own,
    and whatever else stands there (None, an empty text, an object) is taken for all: ``"files:*"``.

    Raises:
        BadSetup: the text cannot be read as a template; *said_by* tells where it stands.
    """

    def __init__(self, text: object, said_by: str) -> None:
        if not isinstance(text, str) or not text:
            raise BadSetup(
                f"{said_by}: a resource is a text such as 'company:{{symbol}}', not {text!r}"
            )
        self.text, self._said_by = text, said_by
        self._pieces = self._parsed()
        self.gaps = tuple(piece.gap for piece in self._pieces if piece.gap is not None)
        first = self._pieces[0]
        last = self._pieces[1:]
        self._is_simple = (
            len(self.gaps) == 1
            and not (first.path or first.form)
            and (not last or (len(last) == 1 and last[0].gap is None))
        )
        self._before = first.literal
        self._after = last[0].literal if last else ""

    def _parsed(self) -> list[_Piece]:
        try:
            parts = list(_formatter.parse(self.text))
        except ValueError as wrong:
            raise BadSetup(f"{self._said_by}: {self.text!r} cannot be filled in: {wrong}") from None
        pieces = []
        for literal, field, spec, conversion in parts:
            name = None if field is None else re.split(r"[.\[]", field)[0]
            if name is not None and not name.isidentifier():
                raise BadSetup(
                    f"{self._said_by}: {self.text!r} has a gap without the name of an argument"
                )
            form = f"{'!' + conversion if conversion else ''}{':' + spec if spec else ''}"
            pieces.append(_Piece(literal, name, (field or "")[len(name or "") :], form))
        return pieces

    def refuse_unknown(self, known: Mapping[str, object]) -> None:
        """Raise ``BadSetup`` for a gap that none of the arguments *known* fills."""
        for gap in self.gaps:
            if gap not in known:
                raise BadSetup(
                    f"{self._said_by}: {self.text!r} names {gap!r}, which is no argument; "
                    f"there are: {', '.join(known) or 'none'}"
                )

    def fill(self, look: Look) -> tuple[str, ...]:
        """The resources for the arguments that *look* gives."""
        if not self.gaps:
            return (self.text.format(),)
        if self._is_simple:
            value = look(self.gaps[0])
            if type(value) is str and value:
                return (f"{self._before}{value}{self._after}",)
        filled = [_texts(piece, look) for piece in self._pieces]
        return tuple("".join(texts) for texts in product(*filled))


def _texts(piece: _Piece, look: Look) -> list[str]:
    if piece.gap is None:
        return [piece.literal]
    value = look(piece.gap)
    if value is not MISSING and piece.path:
        value = _formatter.get_field(f"it{piece.path}", (), {"it": value})[0]
    kind = type(value)  # not what it says of itself: a value may not be there yet
    if issubclass(kind, (list, tuple, set, frozenset)):
        each = [_text(one, piece.form) for one in cast(Iterable[object], value)]
        return [piece.literal + text for text in dict.fromkeys(each)] or [f"{piece.literal}*"]
    return [piece.literal + _text(value, piece.form)]


def _text(value: Any, form: str) -> str:
    kind = type(value)
    if kind is bool or not issubclass(kind, (str, int)) or value == "":
        return EVERYTHING
    return _formatter.format(f"{{0{form}}}", value) if form else str(value)
