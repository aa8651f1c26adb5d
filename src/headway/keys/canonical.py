"""The bytes that stand for a value: equal for equal values, different for different ones.

Format 1. The first byte is the version. Then comes one value: a tag and what belongs to it, every
text and every container led by its length, so that no two values share their bytes and no value's
bytes begin another's::

    N T F E            None, True, False, Ellipsis
    i<hex>;            int
    f<8 bytes>         float, big-endian; every NaN is the same one, -0.0 is not 0.0
    c<16 bytes>        complex
    s<n>:<utf-8>       str; n counts bytes
    b<n>:<bytes>       bytes
    t<n>: l<n>:        tuple, list, with n values
    d<n>:              dict, n times key and value: by key if all keys are str, else by bytes
    S<n>: Z<n>:        set, frozenset, by bytes
    g<str><str>        class or function, by module and qualified name
    I<16 bytes><hex>;  what is known by identity: a random number of the process, a running number
    A D                an attribute that is not set; the default of a parameter, where the default
                       has no canonical form
    o<class><value>    any other object: its class (g or I) and what it is made of (see parts.py)

The bytes are the same in every process, except for I.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isnan
from operator import itemgetter
from types import EllipsisType, FunctionType, NoneType
from typing import Any

from ..errors import NoKey
from .identity import OWN_KEY, Token, name_of, reference, text, type_name
from .parts import NOTHING, parts_of

VERSION = b"1"
DEEPEST = 100

Write = Callable[[bytes], object]
_Rule = Callable[[Any, Write, int], object]


def canonical(value: object) -> bytes:
    """The bytes of *value*, unambiguous and typed at every depth; a snapshot, in linear time.

    Raises:
        NoKey: something in the value has no canonical form, it nests deeper than 100 levels, or it
            contains itself.
    """
    written: list[bytes] = [VERSION]
    write_down(value, written.append)
    return b"".join(written)


def write_down(value: object, write: Write) -> None:
    """Pass the bytes of *value* to *write* piece by piece, without a version; see ``canonical``."""
    try:
        _write(value, write, 0)
    except RecursionError:
        raise NoKey(_TOO_DEEP) from None


_TOO_DEEP = f"the value nests deeper than {DEEPEST} levels, or contains itself"


def _write(value: object, write: Write, depth: int) -> None:
    (_RULES.get(type(value)) or _write_object)(value, write, depth)


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise NoKey(_TOO_DEEP)
    return depth + 1


def _constant(written: bytes) -> _Rule:
    return lambda value, write, depth: write(written)


def _write_float(value: float, write: Write, depth: int) -> None:
    write(b"f" + _float_bytes(value))


def _float_bytes(value: float) -> bytes:
    return _NAN if isnan(value) else _DOUBLE(value)


_DOUBLE = struct.Struct(">d").pack
_NAN = _DOUBLE(float("nan"))


def _write_complex(value: complex, write: Write, depth: int) -> None:
    write(b"c" + _float_bytes(value.real) + _float_bytes(value.imag))


def _write_text(value: str, write: Write, depth: int) -> None:
    write(text(value))


def _write_bytes(value: bytes, write: Write, depth: int) -> None:
    write(b"b%d:" % len(value))
    write(value)


def _sequence(tag: bytes) -> _Rule:
    def write_sequence(values: Any, write: Write, depth: int) -> None:
        depth = _deeper(depth)
        values = tuple(values)  # a list may be changed by another thread meanwhile
        write(b"%b%d:" % (tag, len(values)))
        for value in values:
            (_RULES.get(type(value)) or _write_object)(value, write, depth)

    return write_sequence


def _set(tag: bytes) -> _Rule:
    def write_set(values: Any, write: Write, depth: int) -> None:
        depth = _deeper(depth)
        written = sorted([_written(value, depth) for value in tuple(values)])
        write(b"%b%d:" % (tag, len(written)))
        for one in written:
            write(one)

    return write_set


def _write_dict(value: dict[Any, object], write: Write, depth: int) -> None:
    depth = _deeper(depth)
    items = list(value.items())
    write(b"d%d:" % len(items))
    if {type(key) for key, _ in items} <= {str}:
        items.sort(key=itemgetter(0))
        for key, of_key in items:
            write(text(key))
            (_RULES.get(type(of_key)) or _write_object)(of_key, write, depth)
    else:  # NaN may be there twice, so that the values decide between equal keys
        written = [_written(key, depth) + _written(of_key, depth) for key, of_key in items]
        write(b"".join(sorted(written)))


def _written(value: object, depth: int) -> bytes:
    written: list[bytes] = []
    _write(value, written.append, depth)
    return b"".join(written)


def _write_object(value: object, write: Write, depth: int) -> None:
    depth = _deeper(depth)
    if issubclass(type(value), type):
        write(reference(value))
    elif (parts := parts_of(value)) is not NOTHING:
        write(b"o" + reference(type(value)))
        _write(parts, write, depth)
    elif callable(value) and (name := name_of(value)) is not None:
        write(name)
    else:
        raise NoKey(
            f"a value of type {type_name(value)} has no canonical form; "
            f"its class can give one by a method {OWN_KEY}()"
        )


_RULES: dict[type, _Rule] = {
    NoneType: _constant(b"N"),
    EllipsisType: _constant(b"E"),
    bool: lambda value, write, depth: write(b"T" if value else b"F"),
    int: lambda value, write, depth: write(b"i%x;" % value),
    float: _write_float,
    complex: _write_complex,
    str: _write_text,
    bytes: _write_bytes,
    tuple: _sequence(b"t"),
    list: _sequence(b"l"),
    dict: _write_dict,
    set: _set(b"S"),
    frozenset: _set(b"Z"),
    type: lambda value, write, depth: write(_NAMES.get(value) or reference(value)),
    FunctionType: lambda value, write, depth: write(reference(value)),
    Token: lambda value, write, depth: write(value.written),
}
_NAMES: dict[type, bytes] = {kind: reference(kind) for kind in _RULES}  # they stand in many keys
