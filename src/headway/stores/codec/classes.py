"""Classes whose objects can be written down part by part, and those registered by their name.

An object is taken apart without asking its class how, and put together from all that it held:
neither ``__init__`` nor ``__setattr__`` runs, nor a dataclass's ``__post_init__``. For the checks
of the class have passed when the object was first made, and doing its work twice could only change
it. The one exception is a msgspec Struct, which cannot be made otherwise: its ``__post_init__``
runs, as it does whenever msgspec decodes one, and what it changes is set back.

A class is found again by module and qualified name, in modules that are imported already; nothing
here imports one. If it has other fields by then, what was written is of no use any more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from ...errors import BadSetup
from .layouts import (
    Dataclass,
    Enumeration,
    Layout,
    NamedTuple,
    Registered,
    Struct,
    address,
    is_made_in_python,
    type_name,
    unstorable,
)

T = TypeVar("T")


def layout_of(kind: type) -> Layout:
    """How objects of exactly *kind* come apart.

    Raises:
        Unstorable: there is no safe way.
    """
    layout = _registered.get(kind) or _layouts.get(kind)
    if layout is None:
        layout = _layouts[kind] = _new_layout(kind)
    return layout


def layout_called(reference: Sequence[Any]) -> Layout:
    """The layout with this *reference*.

    Raises:
        LookupError: there is none, or it has changed.
    """
    sort, where, name, names = reference
    layout = _by_name.get(name) if sort == Registered.sort else layout_of(find(where, name))
    if layout is None or layout.reference != (sort, where, name, tuple(names)):
        raise LookupError(name)
    return layout


def find(module: str, qualified_name: str) -> type:
    """The class of this name in a module that is imported already.

    Raises:
        LookupError: there is none.
    """
    found: object = sys.modules.get(module)
    for name in qualified_name.split("."):
        # Not by getattr, which could run code of the module or the class.
        found = getattr(found, "__dict__", {}).get(name)
    if not isinstance(found, type):
        raise LookupError(qualified_name)
    return found


def register(
    kind: type[T], name: str, encode: Callable[[T], object], decode: Callable[[Any], T]
) -> None:
    """Let objects of exactly *kind* be written down as what *encode* makes of them.

    *encode* gives a value that can be written down itself, and *decode* makes an equal object of
    it; if *decode* raises, or gives another type, the entry is a miss. *name* stands for the class
    in what is written: give it another when the form changes (``"shop.Price/2"``). This is also
    how to choose pickle for a type, in stores that nobody else can write to::

        register(DataFrame, "DataFrame", pickle.dumps, pickle.loads)

    Raises:
        BadSetup: the name stands for another class, or *kind* has a form already.
    """
    if kind in _built_in:
        raise BadSetup(f"register({kind.__qualname__}): it is written down as it is")
    taken = _by_name.get(name)
    if taken is not None and address(taken.kind) != address(kind):
        raise BadSetup(
            f"register({kind.__qualname__}, {name!r}): the name stands for "
            f"{type_name(taken.kind)}; choose another"
        )
    _registered[kind] = _by_name[name] = Registered(kind, name, encode, decode)


def set_built_in(kinds: frozenset[type]) -> None:
    """Note which types have a form of their own."""
    global _built_in
    _built_in = kinds


def _new_layout(kind: type) -> Layout:
    layout: Layout
    if isinstance(kind, type(msgspec.Struct)):
        layout = Struct(kind)
    elif issubclass(kind, Enum):
        layout = Enumeration(kind)
    elif issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        layout = NamedTuple(kind)
    elif is_dataclass(kind) and is_made_in_python(kind):
        layout = Dataclass(kind)
    else:
        raise unstorable(kind, _why_not(kind))
    _refuse_unless_found(kind)
    return layout


def _why_not(kind: type) -> str:
    plain = next(base for base in kind.__mro__ if base in _built_in or base is object)
    if plain is not object:
        return f"it is more than the {plain.__name__} that would come back"
    return "nothing is known of what it holds"


def _refuse_unless_found(kind: type) -> None:
    try:
        is_found = find(*address(kind)) is kind
    except LookupError:
        is_found = False
    if not is_found:
        raise unstorable(kind, "its class is not to be found under its name in its module")


_built_in: frozenset[type] = frozenset()
_registered: dict[type, Registered] = {}
_by_name: dict[str, Registered] = {}
_layouts: WeakKeyDictionary[type, Layout] = WeakKeyDictionary()
