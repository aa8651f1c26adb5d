"""Sameness that looks deeper than ``==``: types, order of dicts, NaN, zones, attributes."""

from __future__ import annotations

import struct
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from headway.stores import Entry
from headway.stores.codec import Codec
from headway.stream import Stream


def through(value: object, codec: Codec | None = None) -> Any:
    """*value*, written down and read again."""
    codec = codec or Codec()
    entry = codec.decode("n", codec.encode("n", Entry(value, made_at=1.0, fresh_until=2.0)))
    assert entry is not None
    return entry.value


def is_same(one: Any, other: Any) -> bool:
    """Whether the two are equal, and of equal types, at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (dict, list, tuple, set, frozenset)):
        return _are_same_collections(one, other)
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, complex):
        return is_same((one.real, one.imag), (other.real, other.imag))
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, (datetime, time)):
        return _times(one) == _times(other) and is_same(one.tzinfo, other.tzinfo)
    if isinstance(one, Stream):
        return is_same(vars_of_stream(one), vars_of_stream(other))
    if isinstance(one, msgspec.Struct) or hasattr(one, "__dataclass_fields__"):
        return is_same(_held(one), _held(other))
    return bool(one == other)


def _are_same_collections(one: Any, other: Any) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, (set, frozenset)):
        return _are_same_without_order(one, other)
    if isinstance(one, dict):
        one, other = list(one.items()), list(other.items())
    return all(map(is_same, one, other))


def _are_same_without_order(one: Any, other: Any) -> bool:
    left = list(other)
    for value in one:
        place = next((i for i, found in enumerate(left) if is_same(value, found)), None)
        if place is None:
            return False
        del left[place]
    return not left


def _times(moment: datetime | time) -> tuple[object, ...]:
    return moment.replace(tzinfo=None), moment.fold, moment.tzname()


def _held(value: Any) -> dict[str, object]:
    names = [*getattr(value, "__struct_fields__", ()), *getattr(value, "__dataclass_fields__", ())]
    held = dict(getattr(value, "__dict__", {}))
    held.pop("__orig_class__", None)  # for type checkers
    return {**{name: getattr(value, name) for name in names}, **held}


def vars_of_stream(stream: Stream[Any]) -> tuple[object, ...]:
    """What a recording holds."""
    recording = stream.recording
    return recording.chunks, recording.ended, recording.error, recording.made_at
