"""Values of types that MessagePack does not have, in a form of those that it has."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

from ..errors import Unstorable

MOST_CONTAINERS: Final = 1_000_000
DEEPEST: Final = 100

_SCALARS: Final = frozenset({NoneType, bool, int, float, str, bytes})
_PLAIN: Final = _SCALARS | {list, dict}
_TEXT: Final = frozenset({str})


def is_plain(value: object) -> bool:
    """Whether *value* is of plain types all through: exactly these, and no subclass of them.

    Raises:
        Unstorable: it nests too deep, has too many containers, or contains itself.
    """
    if type(value) in _SCALARS:
        return True
    level: list[Any] = [value]
    left = MOST_CONTAINERS
    for _ in range(DEEPEST):
        left -= len(level)
        below: list[Any] = []
        for one in level:
            if type(one) is dict:
                if not _TEXT.issuperset(map(type, one)):
                    return False
                one = one.values()
            elif type(one) is not list:
                return False
            kinds = set(map(type, one))
            if not kinds <= _SCALARS:
                below += [part for part in one if type(part) not in _SCALARS]
        if not below:
            return True
        if left < len(below):
            break
        level = below
    raise Unstorable(TOO_DEEP)


TOO_DEEP: Final = (
    f"a value nests deeper than {DEEPEST} levels, has more than {MOST_CONTAINERS:,} containers, "
    "or contains itself; keep less of it, or put it into a class that is registered"
)


def to_form(value: object) -> object:
    """*value* in plain types."""
    raise Unstorable(f"a value of type {type(value).__qualname__} has no safe form")


def from_form(form: object) -> object:
    """The value that ``to_form`` was given."""
    raise ValueError(form)
