"""The effects of a call some of whose arguments are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final, NoReturn

from .effects import UNKNOWN, Effects
from .references import Reference, Text


def effects_before_values(
    effects: Callable[..., Effects] | None,
    first: tuple[object, ...],
    arguments: Mapping[str, object],
) -> Effects:
    """What a call does that has references among its *arguments*: anything, if nobody can tell."""
    if effects is None:
        return UNKNOWN
    veiled = {name: _veiled(value) for name, value in arguments.items()}
    token = _is_asking.set(True)
    try:
        return effects(*first, **veiled)
    except _LookedAt:
        return UNKNOWN
    finally:
        _is_asking.reset(token)


def _veiled(value: object) -> object:
    """*value* with ``VEILED`` for what stands for a value that is not there yet."""
    if isinstance(value, Reference | Text):
        return VEILED
    if isinstance(value, dict):
        return {key: _veiled(of_key) for key, of_key in value.items()}
    return [_veiled(item) for item in value] if isinstance(value, list | tuple) else value


class _LookedAt(BaseException):  # no error of the tool's, which would be logged as one
    """Effects depend on a value that is not there yet."""


_is_asking: ContextVar[bool] = ContextVar("headway.tools.veiled", default=False)


def _looked_at(*args: object) -> NoReturn:
    raise _LookedAt


class _Veiled:
    """Stands for a value that is not there yet.

    A template takes it for all, ``company:*``, as it does with whatever is no text; a function that
    wants to know what it is cannot tell its effects yet.
    """

    __slots__ = ()
    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __contains__ = _looked_at
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _looked_at
    __getattr__ = __getitem__ = __call__ = __int__ = __index__ = __float__ = _looked_at
    __add__ = __radd__ = __mod__ = __rmod__ = __fspath__ = _looked_at

    # What isinstance() asks, and who walks through all objects there are.
    __class__ = property(lambda self: _class_of_veiled())


def _class_of_veiled() -> type:
    if _is_asking.get():
        raise _LookedAt
    return _Veiled


VEILED: Final = _Veiled()
