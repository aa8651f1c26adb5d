"""Values of types that MessagePack does not have, in a form of those that it has.

A form is a scalar, which stands for itself; a dict by text, whose values are forms; or a list that
begins with a number: that of a type below, then the forms of the parts its values are made of; or
0, the place of a class in a table, then the forms of the parts of an object of that class.

Types are exact: of a subclass only what ``value_classes`` knows to put together again has a form.
Sameness is not kept: what stood in two places comes back as two equal objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import EllipsisType, NoneType
from typing import Any, Final, NamedTuple
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

import msgspec

from ...errors import Unstorable
from ...stream import Stream
from .classes import layout_called, layout_of, register, set_built_in
from .layouts import ABSENT, Absent, Layout, unstorable

__all__ = ["from_form", "is_plain", "register", "to_form"]

MOST_CONTAINERS: Final = 1_000_000
DEEPEST: Final = 100
TOO_MUCH: Final = (
    f"a value nests deeper than {DEEPEST} levels, has more than {MOST_CONTAINERS:,} containers, "
    "or contains itself; keep less of it, or put it into a class of your own and say by "
    "headway.stores.register(kind, name, encode, decode) how that is written down"
)

_SCALARS: Final = frozenset({NoneType, bool, int, float, str, bytes})
_SURE: Final = frozenset({NoneType, bool, float, bytes})
"""Scalars of which none is too long, or half a character."""
_TEXT: Final = frozenset({str})

_OBJECT: Final = 0


def is_plain(value: object) -> bool:
    """Whether *value* is of plain types all through: exactly these, and no subclass of them.

    Raises:
        Unstorable: it nests too deep, has too many containers, or contains itself.
    """
    if type(value) in _SCALARS:
        return True
    level: list[Any] = [value]
    left = MOST_CONTAINERS
    for _ in range(DEEPEST):  # a level at a time: the fewer steps in Python, the better
        parts: list[Any] = []
        for one in level:
            if type(one) is dict:
                if not _TEXT.issuperset(map(type, one)):
                    return False
                parts += one.values()
            elif type(one) is list:
                parts += one
            else:
                return False
        if _SCALARS.issuperset(map(type, parts)):
            return True
        left -= len(level)
        level = [part for part in parts if type(part) not in _SCALARS]
        if left < len(level):
            break
    raise Unstorable(TOO_MUCH)


def to_form(value: object, *, is_sure: bool = False) -> object:
    """*value* in plain types, with the table of its classes.

    An int or a str is taken to be one that MessagePack has, unless *is_sure*: then each is looked
    at, and has another form if it is not.

    Raises:
        Unstorable: some part of it has no form that comes back as the same.
    """
    writing = _Writing(_SURE if is_sure else _SCALARS)
    try:
        form = writing.form(value, 0)
    except RecursionError:
        raise Unstorable(TOO_MUCH) from None
    return [writing.references, form]


def from_form(form: Any) -> object:
    """The value that ``to_form`` was given; any error if it was not given one."""
    references, form_of_value = form
    return _Reading([layout_called(reference) for reference in references]).value(form_of_value)


class _Writing:
    """One value being taken apart."""

    def __init__(self, as_they_are: frozenset[type]) -> None:
        self.references: list[object] = []
        self._as_they_are = as_they_are
        self._known: dict[type, tuple[int, Layout]] = {}
        self._left = MOST_CONTAINERS

    def form(self, value: Any, depth: int) -> object:
        """The form of *value*."""
        sort = type(value)
        if sort in self._as_they_are:
            return value
        if sort in _SCALARS and _has_message_pack(value):
            return value
        self._left -= 1
        if depth >= DEEPEST or self._left < 0:
            raise Unstorable(TOO_MUCH)
        if sort is dict and self._is_by_text(value):
            return dict(zip(value, self._forms(list(value.values()), depth + 1)))
        kind = _KINDS.get(sort)
        if kind is not None:
            return [kind.number, *self._forms(kind.parts(value), depth + 1)]
        place, layout = self._known.get(sort) or self._meet(sort)
        return [_OBJECT, place, *self._forms(layout.parts(value), depth + 1)]

    def _forms(self, values: Sequence[Any], depth: int) -> Sequence[object]:
        if self._as_they_are.issuperset(map(type, values)):
            return values
        return [self.form(value, depth) for value in values]

    def _is_by_text(self, value: dict[Any, Any]) -> bool:
        if not _TEXT.issuperset(map(type, value)):
            return False
        return str in self._as_they_are or all(map(_has_message_pack, value))

    def _meet(self, sort: type) -> tuple[int, Layout]:
        layout = layout_of(sort)
        known = self._known[sort] = len(self.references), layout
        self.references.append(layout.reference)
        return known


class _Reading:
    """One value being put together."""

    def __init__(self, layouts: list[Layout]) -> None:
        self._layouts = layouts

    def value(self, form: Any) -> object:
        """The value of *form*."""
        sort = type(form)
        if sort in _SCALARS:
            return form
        if sort is dict:
            return dict(zip(form, self._values(list(form.values()))))
        number = form[0]
        if number == _OBJECT:
            return self._layouts[form[1]].whole(self._values(form[2:]))
        return _BY_NUMBER[number].whole(self._values(form[1:]))

    def _values(self, forms: list[Any]) -> list[Any]:
        if _SCALARS.issuperset(map(type, forms)):
            return forms
        return [self.value(form) for form in forms]


class _Kind(NamedTuple):
    """A type, its number for all time, and how its values come apart and together again."""

    number: int
    sort: type
    parts: Callable[[Any], Sequence[object]]
    whole: Callable[[list[Any]], object]


def _has_message_pack(scalar: Any) -> bool:
    if type(scalar) is int:
        return -(1 << 63) <= scalar < 1 << 64
    return type(scalar) is not str or scalar.isascii() or _is_whole_text(scalar)


def _is_whole_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes_of(number: int) -> tuple[bytes]:
    return (number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True),)


def _only(parts: list[Any]) -> Any:
    (part,) = parts
    return part


def _dict_of(parts: list[Any]) -> dict[Any, Any]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _moment(moment: datetime) -> tuple[object, ...]:
    day = moment.year, moment.month, moment.day
    return (moment.fold, *day, *_hours(moment), moment.tzinfo)


def _moment_of(parts: list[Any]) -> datetime:
    fold, year, month, day, hour, minute, second, micros, zone = parts
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=zone, fold=fold)


def _hours(of: datetime | time) -> tuple[int, int, int, int]:
    return of.hour, of.minute, of.second, of.microsecond


def _offset(zone: Any) -> Sequence[object]:
    parts: Sequence[object] = zone.__getinitargs__()
    return parts


def _zone_key(zone: ZoneInfo) -> tuple[str]:
    if zone.key is None:
        raise unstorable(ZoneInfo, "it has no key, by which it would be found again")
    return (zone.key,)


def _chunks(stream: Stream[Any]) -> list[object]:
    recording = stream.recording
    if not recording.ended or recording.error is not None:
        raise Unstorable("a stream that has not come to a good end is not written down")
    return [recording.made_at, *recording.chunks]


_ALL_KINDS: Final = (
    _Kind(1, list, lambda value: value, lambda parts: parts),
    _Kind(2, tuple, lambda value: value, tuple),
    _Kind(3, set, tuple, set),
    _Kind(4, frozenset, tuple, frozenset),
    _Kind(5, dict, lambda value: tuple(chain.from_iterable(value.items())), _dict_of),
    _Kind(6, int, _bytes_of, lambda parts: int.from_bytes(_only(parts), "little", signed=True)),
    _Kind(
        7,
        str,
        lambda value: (value.encode("utf-8", "surrogatepass"),),
        lambda parts: _only(parts).decode("utf-8", "surrogatepass"),
    ),
    _Kind(8, bytearray, lambda value: (bytes(value),), lambda parts: bytearray(_only(parts))),
    _Kind(9, complex, lambda value: (value.real, value.imag), lambda parts: complex(*parts)),
    _Kind(10, EllipsisType, lambda value: (), lambda parts: ...),
    _Kind(11, msgspec.UnsetType, lambda value: (), lambda parts: msgspec.UNSET),
    _Kind(12, Absent, lambda value: (), lambda parts: ABSENT),
    _Kind(13, Decimal, lambda value: (str(value),), lambda parts: Decimal(_only(parts))),
    _Kind(
        14,
        UUID,
        lambda value: (value.bytes, value.is_safe.value),
        lambda parts: UUID(bytes=parts[0], is_safe=SafeUUID(parts[1])),
    ),
    _Kind(15, datetime, _moment, _moment_of),
    _Kind(16, date, lambda value: (value.year, value.month, value.day), lambda parts: date(*parts)),
    _Kind(
        17,
        time,
        lambda value: (value.fold, *_hours(value), value.tzinfo),
        lambda parts: time(*parts[1:], fold=parts[0]),
    ),
    _Kind(
        18,
        timedelta,
        lambda value: (value.days, value.seconds, value.microseconds),
        lambda parts: timedelta(*parts),
    ),
    _Kind(19, timezone, _offset, lambda parts: timezone(*parts)),
    _Kind(20, ZoneInfo, _zone_key, lambda parts: ZoneInfo(_only(parts))),
    _Kind(21, type(Path()), lambda value: (str(value),), lambda parts: Path(_only(parts))),
    _Kind(22, Stream, _chunks, lambda parts: Stream.of(parts[1:], made_at=parts[0])),
)
_KINDS: Final = {kind.sort: kind for kind in _ALL_KINDS}
_BY_NUMBER: Final = {kind.number: kind for kind in _ALL_KINDS}

set_built_in(frozenset(_KINDS) | _SCALARS)
