"""How many bytes a value holds on to, estimated; and byte bounds written as text."""

from __future__ import annotations

import gc
import re
import sys
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Collection
from enum import Enum
from itertools import chain, islice
from logging import Logger
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    ModuleType,
    NoneType,
    TracebackType,
)
from typing import Final, TypeVar, cast

from ..errors import BadSetup

MOST_VISITED: Final = 2_000
"""Objects looked at one by one before the estimate goes over to samples."""

_T = TypeVar("_T")
_FANOUT: Final = 100  # members of one container that a sample looks at
_WINDOW: Final = 20_000  # members of a dict, set or deque, which have no slices, it chooses from
_UNKNOWN_BYTES: Final = 64
# Shared by the whole process, or leading to half of it: keeping a value does not keep them.
_SHARED: Final = (
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    CodeType,
    FrameType,
    TracebackType,
    AbstractEventLoop,
    Future,
    Logger,
    Enum,
    bool,
    NoneType,
)
_LEAVES: Final = (*_SHARED, str, bytes, bytearray, int, float, complex, memoryview)
_SIZED: Final = (list, tuple, set, frozenset, deque)
_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)")

_PLAIN: Final = frozenset({str, bytes, int, float})


def parse_bytes(size: int | str) -> int:
    """The size in bytes: ``"64MB"`` is 64,000,000 of them, ``"64MiB"`` is 64 times 2**20.

    Raises:
        BadSetup: the text is no size, or it is less than one byte.
    """
    number = 0.0
    if isinstance(size, str):
        match = _SIZE.fullmatch(size.replace(" ", "").replace("_", "").lower())
        if match and match[2] in _UNITS:
            number = float(match[1]) * _UNITS[match[2]]
    else:
        number = size
    if number < 1:
        raise BadSetup(f'max_bytes={size!r} is no size; write a number or text like "64MB", "1GiB"')
    return int(number)


def estimate_bytes(*values: object) -> int:
    """About how many bytes *values* and all they refer to hold; never raises.

    What is shared or refers back is counted once. Up to ``MOST_VISITED`` objects every one is
    looked at; beyond that a sample of each container stands for the rest, which is close where
    members resemble each other; of a longer chain of links only that many count. Memory that an
    object holds elsewhere counts if it says so in ``nbytes``.
    Cost: about 1 us for a string, 0.5 us an object, a few milliseconds at most.
    """
    bytes_seen, is_all = _walk(values)
    if is_all:
        return bytes_seen
    return max(bytes_seen, int(_sample(values, MOST_VISITED, set())))


def _walk(values: tuple[object, ...]) -> tuple[int, bool]:
    """The bytes of the first ``MOST_VISITED`` objects, and whether these were all."""
    total, visited, waiting = 0, set[int](), list(values)
    while waiting:
        value = waiting.pop()
        if id(value) in visited:
            continue
        if len(visited) >= MOST_VISITED:
            return total, False
        visited.add(id(value))
        if type(value) in _PLAIN:  # what most values are made of refers to nothing
            total += sys.getsizeof(value)
            continue
        total += _own_bytes(value)
        members, count = _members(value, MOST_VISITED, 0)
        if count > MOST_VISITED:
            return total, False
        waiting.extend(members)
    return total, True


def _sample(value: object, budget: float, seen: set[int]) -> float:
    """The bytes of *value*, judged by about *budget* of the objects in it."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    total: float = _own_bytes(value)
    scattered = hash((len(seen),))
    members, count = _members(value, min(_FANOUT, int(budget)), scattered)
    if members:
        # At least halved on each level, so that a long chain ends the recursion early.
        share = min(budget / len(members), budget / 2)
        total += sum(_sample(member, share, seen) for member in members) * count / len(members)
    return total


def _own_bytes(value: object) -> int:
    kind = type(value)
    if issubclass(kind, _SHARED):
        return 0
    try:
        size = sys.getsizeof(value)
        return max(size, int(getattr(value, "nbytes", 0))) if hasattr(kind, "nbytes") else size
    except Exception:  # another's __sizeof__ or nbytes must not keep a value from being kept
        return _UNKNOWN_BYTES


def _members(value: object, most: int, turn: int) -> tuple[list[object], int]:
    """About *most* of the objects that *value* refers to, and how many there are.

    They are taken at even distances; *turn* shifts the first one, lest in a thousand alike objects
    always the same members stand for the others.
    """
    kind = type(value)
    if most <= 0 or issubclass(kind, _LEAVES):
        return [], 0
    if issubclass(kind, dict):  # asked itself, because gc passes over keys that are strings
        pairs = cast("dict[object, object]", value)
        chosen = _spread(dict.items(pairs), dict.__len__(pairs), most // 2, turn)
        return list(chain.from_iterable(chosen)), 2 * dict.__len__(pairs)
    if kind in _SIZED and len(cast("Collection[object]", value)) > most:
        members = cast("Collection[object]", value)
        return _spread(members, len(members), most, turn), len(members)
    names = getattr(kind, "__struct_fields__", None)  # a msgspec Struct can be hidden from gc
    found = gc.get_referents(value) if names is None else [getattr(value, n, None) for n in names]
    return _spread(found, len(found), most, turn), len(found)


def _spread(members: Collection[_T], count: int, most: int, turn: int) -> list[_T]:
    """At most *most* (one at least) of *count* members."""
    window = count if isinstance(members, (list, tuple)) else min(count, _WINDOW)
    step = max(1, -(-window // max(1, most)))
    if step > 2:
        step |= 1  # an even step would fall in with every second or tenth member being special
    if isinstance(members, (list, tuple)):
        return list(members[turn % step :: step])
    try:
        return list(islice(members, turn % step, window, step))
    except RuntimeError:  # changed by another thread meanwhile
        return []
