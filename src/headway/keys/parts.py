"""What an object is made of: the values that, with its class, say all that a function can see.

Only what is known to be whole is taken apart. A class may speak for itself by ``__headway_key__``;
else its declared fields count (dataclass, Struct, attrs, pydantic), or what the standard type it
derives from holds, together with whatever attributes its own classes add.
"""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from functools import partial
from re import Pattern
from types import MappingProxyType, MemberDescriptorType, MethodType, NoneType
from typing import Any, cast, get_args, get_origin
from uuid import UUID

from msgspec import UNSET

from ..errors import NoKey
from .identity import MADE_IN_PYTHON, OWN_KEY, Token, owner, type_name

NOTHING = Token(b"")
"""The answer of ``parts_of`` for an object that has no canonical form."""

_NOT_SET = Token(b"A")
_Found = tuple[type, object]


def parts_of(value: object) -> object:
    """What *value* is made of, or ``NOTHING``; equal parts of one class mean equal values.

    Raises:
        NoKey: a part of it is out of sight.
    """
    kind = type(value)
    if (own_key := getattr(kind, OWN_KEY, None)) is not None:
        return own_key(value)
    if issubclass(kind, Enum):
        return _member(value)
    if (array_parts := _array(value, kind)) is not NOTHING:
        return array_parts
    found = [found for found in (_declared(value, kind), _standard(value, kind)) if found]
    if not found and not (found := _rarer(value, kind)):
        return _alias(value)
    parts = [part for _, part in found]
    accounted = {seen for base, _ in found for seen in base.__mro__}
    if added := [own for own in kind.__mro__ if own not in accounted]:
        parts.append(_added(value, added))
    return tuple(parts)


def _member(value: Any) -> object:
    # A combination of flags, or what ``_missing_`` made up, is not told by its name.
    is_listed = type(value)._member_map_.get(value._name_) is value
    return value._name_ if is_listed else (value._name_, value._value_)


def _array(value: Any, kind: type) -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None or not (kind is numpy.ndarray or issubclass(kind, numpy.generic)):
        return NOTHING
    if value.dtype.hasobject:
        raise NoKey(f"a {type_name(value)} of Python objects has no canonical form")
    return str(value.dtype), value.shape, value.tobytes()


def _declared(value: object, kind: type) -> _Found | None:
    """The fields a class declares, by name, and the class that declares them."""
    for mark, names_of in _DECLARATIONS.items():
        if hasattr(kind, mark):
            fields = {name: getattr(value, name, _NOT_SET) for name in names_of(kind)}
            return next((own for own in kind.__mro__ if mark in vars(own)), kind), fields
    return None


def _dataclass_names(kind: Any) -> Iterable[str]:
    from dataclasses import fields  # loaded already by whoever made a dataclass

    return [field.name for field in fields(kind)]


_DECLARATIONS: dict[str, Callable[[Any], Iterable[str]]] = {
    "__dataclass_fields__": _dataclass_names,
    "__struct_fields__": lambda kind: kind.__struct_fields__,
    "__pydantic_validator__": lambda kind: (*kind.model_fields, "__pydantic_extra__"),
    "__attrs_attrs__": lambda kind: [attribute.name for attribute in kind.__attrs_attrs__],
}


def _standard(value: object, kind: type) -> _Found | None:
    """What the standard type that *kind* is, or derives from, holds; and that type."""
    for base in kind.__mro__:
        if (parts := _PARTS.get(base)) is not None:
            return base, parts(value)
    return None


def _rarer(value: object, kind: type) -> list[_Found]:
    for (module, name), parts in _PARTS_OF_RARER_TYPES.items():
        family = getattr(sys.modules.get(module), name, NoneType)
        if issubclass(kind, family):
            # What its own module adds, PosixPath to PurePath, are only caches.
            own = next(own for own in kind.__mro__ if own.__module__ == family.__module__)
            return [(own, parts(value))]
    if issubclass(kind, Mapping):
        return [(Mapping, dict(cast("Mapping[object, object]", value).items()))]
    return []


def _added(value: object, classes: list[type]) -> dict[str, object]:
    """The attributes that *classes* can have added to what is known already."""
    for own in classes:
        # What was made in C can keep a state that nobody sees, and so do the struct sequences.
        if not own.__flags__ & MADE_IN_PYTHON or hasattr(own, "n_sequence_fields"):
            raise NoKey(f"a {type_name(value)} can hold more than it shows")
    state = dict(getattr(value, "__dict__", {}))
    for slot in [slot for own in classes for slot in vars(own).values()]:
        if isinstance(slot, MemberDescriptorType):
            state[slot.__name__] = getattr(value, slot.__name__, _NOT_SET)
    return state


def _alias(value: object) -> object:
    """The parts of a type with parameters, such as ``list[int]`` or ``Literal["a"]``."""
    origin = get_origin(value)
    return NOTHING if origin is None else (origin, get_args(value))


def _zone(zone: tzinfo | None, when: datetime | None) -> object:
    if zone is None:
        return None
    return zone.utcoffset(when), zone.tzname(when), getattr(zone, "key", None)


def _time_parts(value: time | datetime) -> tuple[object, ...]:
    when = value if isinstance(value, datetime) else None
    clock = (value.hour, value.minute, value.second, value.microsecond, value.fold)
    return *clock, _zone(value.tzinfo, when)


def _zone_key(value: Any) -> object:
    if value.key is None:
        raise NoKey("a ZoneInfo made from a file has no canonical form; give it a key")
    return value.key


_PARTS: dict[type, Callable[[Any], object]] = {
    # For the last word on what a subclass holds, ask the standard type, not what overrides it.
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    bytes: bytes.__bytes__,
    bytearray: bytes,
    memoryview: lambda value: (value.format, value.shape, value.tobytes()),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    # An OrderedDict is equal to another only in the same order, unlike any other dict.
    OrderedDict: lambda value: list(OrderedDict.items(value)),
    defaultdict: lambda value: (value.default_factory, dict(dict.items(value))),
    dict: lambda value: dict(dict.items(value)),
    MappingProxyType: lambda value: dict(value.items()),
    deque: lambda value: (value.maxlen, list(deque.__iter__(value))),
    array: lambda value: (value.typecode, value.tobytes()),
    range: lambda value: (value.start, value.stop, value.step),
    slice: lambda value: (value.start, value.stop, value.step),
    Decimal: Decimal.__str__,
    UUID: lambda value: value.int,
    datetime: lambda value: (value.year, value.month, value.day, *_time_parts(value)),
    date: lambda value: (value.year, value.month, value.day),
    time: _time_parts,
    timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    timezone: lambda value: (value.utcoffset(None), value.tzname(None)),
    Pattern: lambda value: (value.pattern, value.flags),
    partial: lambda value: (value.func, value.args, value.keywords),
    MethodType: lambda value: (value.__func__, owner(value.__self__)),
    type(UNSET): lambda value: None,
}
# Named, not imported: where nobody has loaded the module, nobody has made such a value.
_PARTS_OF_RARER_TYPES: dict[tuple[str, str], Callable[[Any], object]] = {
    ("pathlib", "PurePath"): str,
    ("fractions", "Fraction"): lambda value: (value.numerator, value.denominator),
    ("zoneinfo", "ZoneInfo"): _zone_key,
    ("ipaddress", "_IPAddressBase"): str,
}
