"""Tokens for what is known by identity, and names for what is known by its place in a module."""

from __future__ import annotations

import os
import sys
import threading
from itertools import count
from typing import Any
from weakref import ref

from ..errors import NoKey

OWN_KEY = "__headway_key__"
MADE_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the type came from a class statement, or acts so


class Token:
    """Stands in a key for one object of this process; ``written`` are its canonical bytes."""

    __slots__ = ("written",)

    def __init__(self, written: bytes) -> None:
        self.written = written


held_by_id: dict[int, tuple[ref[Any], Token]] = {}
"""Every living object that has a token. An id is reused, so ask ``held() is the_object`` too."""

_numbers = count(1)
_process = os.urandom(16)
# Re-entrant: making a token can set off a collection, and a finalizer can ask for a token itself.
_lock = threading.RLock()


def _start_anew_in_child() -> None:
    global _process, _lock
    _process, _lock = os.urandom(16), threading.RLock()


os.register_at_fork(after_in_child=_start_anew_in_child)


def token_of(value: object) -> Token:
    """The token of *value*, the same for as long as it lives, and never given to another.

    Raises:
        NoKey: the object cannot be weakly referenced, so that nobody would learn of its end.
    """
    return _token_if_known(value) or _new_token(value)


def _token_if_known(value: object) -> Token | None:
    held, token = held_by_id.get(id(value), (None, None))
    return token if held is not None and held() is value else None


def _new_token(value: object) -> Token:
    number = id(value)

    def forget(dead: ref[Any], table: dict[int, tuple[ref[Any], Token]] = held_by_id) -> None:
        # Runs before the memory of the object is given back, so no newcomer can have its id yet.
        if number in table and table[number][0] is dead:
            del table[number]

    with _lock:
        token = _token_if_known(value)
        if token is None:
            token = Token(_written(value))
            try:
                held_by_id[number] = ref(value, forget), token
            except TypeError:
                raise NoKey(
                    f"a {type_name(value)} cannot be weakly referenced, so it cannot be followed "
                    f"by identity; give its class {OWN_KEY}() or a __weakref__ slot "
                    "(weakref_slot=True of a dataclass, weakref=True of a Struct)"
                ) from None
        return token


def owner(value: object) -> object:
    """What stands in a key for the object of a method: itself if it has its own key, or a token."""
    return token_of(value) if getattr(type(value), OWN_KEY, None) is None else value


def reference(value: object) -> bytes:
    """The canonical bytes of a class or function: its name where the name leads to it, or a token.

    What a function defines inside itself, a lambda, and what was replaced under its name have no
    name that leads to them.
    """
    return name_of(value) or token_of(value).written


def name_of(value: object) -> bytes | None:
    """The canonical bytes of *value* by its name, or None if the name does not lead to it."""
    module = getattr(value, "__module__", None) or "builtins"
    qualname = getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    found = getattr(found, "__func__", found)  # a class method's function
    # Some types of the interpreter, such as that of None, stand in no module under their name.
    is_static = issubclass(type(value), type) and not value.__flags__ & MADE_IN_PYTHON  # type: ignore[attr-defined]
    if found is not value and not is_static:
        return None
    return b"g%b%b" % (text(module), text(qualname))


def text(value: str) -> bytes:
    """The canonical bytes of a text; a lone surrogate stays what it is."""
    written = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(written), written)


def type_name(value: object) -> str:
    """``module.Class`` of a value, for messages."""
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _written(value: object) -> bytes:
    name = name_of(value) if issubclass(type(value), type) else None
    return name or b"I%b%x;" % (_process, next(_numbers))
