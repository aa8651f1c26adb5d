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
from dataclasses import fields, is_dataclass
from enum import Enum, Flag
from functools import cached_property
from types import MemberDescriptorType
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from ..errors import BadSetup, Unstorable

T = TypeVar("T")

_HEAP_TYPE: Final = 1 << 9
"""Set in the flags of classes that were made by a class statement, not in C."""

_NO_STATE: Final = "__orig_class__"
"""What ``Box[int](...)`` leaves on the box, for type checkers."""


class Absent:
    """Stands for an attribute that is not set."""


ABSENT: Final = Absent()


class Layout(Protocol):
    """How objects of one class come apart, and together again."""

    @property
    def reference(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Its sort, where the class is found, and the names of its fields."""

    def parts(self, value: Any) -> Sequence[object]:
        """What *value* is made of."""

    def whole(self, parts: list[Any]) -> object:
        """What is made of *parts*."""


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
    layout = _by_name.get(name) if sort == _Registered.sort else layout_of(find(where, name))
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
    if taken is not None and _address(taken.kind) != _address(kind):
        raise BadSetup(
            f"register({kind.__qualname__}, {name!r}): the name stands for "
            f"{type_name(taken.kind)}; choose another"
        )
    _registered[kind] = _by_name[name] = _Registered(kind, name, encode, decode)


def set_built_in(kinds: frozenset[type]) -> None:
    """Note which types have a form of their own."""
    global _built_in
    _built_in = kinds


def type_name(kind: type) -> str:
    """The module and qualified name of *kind*; of a builtin the name alone."""
    return ".".join(part for part in _address(kind) if part != "builtins")


def unstorable(kind: type, why: str) -> Unstorable:
    """The error that says so, and the way out."""
    return Unstorable(
        f"a value of type {type_name(kind)} has no safe form for a shared store: {why}; return "
        "plain values or a dataclass, keep it in memory, or say how to write it down: "
        f"headway.stores.register({kind.__name__}, name, encode, decode)"
    )


def _address(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def _new_layout(kind: type) -> Layout:
    layout: Layout
    if isinstance(kind, type(msgspec.Struct)):
        layout = _Struct(kind)
    elif issubclass(kind, Enum):
        layout = _Enumeration(kind)
    elif issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        layout = _NamedTuple(kind)
    elif is_dataclass(kind) and _is_made_in_python(kind):
        layout = _Dataclass(kind)
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
        is_found = find(*_address(kind)) is kind
    except LookupError:
        is_found = False
    if not is_found:
        raise unstorable(kind, "its class is not to be found under its name in its module")


def _is_made_in_python(kind: type) -> bool:
    """Whether all that its objects hold is in attributes that can be seen."""
    return all(base is object or _is_by_statement(base) for base in kind.__mro__)


def _is_by_statement(kind: type) -> bool:
    return bool(kind.__flags__ & _HEAP_TYPE)


class _Registered:
    sort: Final = "registered"

    def __init__(
        self, kind: type, name: str, encode: Callable[[Any], object], decode: Callable[[Any], Any]
    ) -> None:
        self.kind, self._encode, self._decode = kind, encode, decode
        self.reference = (self.sort, "", name, ())

    def parts(self, value: Any) -> Sequence[object]:
        try:
            return (self._encode(value),)
        except Exception as wrong:
            name = self.reference[2]
            raise Unstorable(f"the encoder registered as {name!r} failed: {wrong!r}") from wrong

    def whole(self, parts: list[Any]) -> object:
        (part,) = parts
        made = self._decode(part)
        if type(made) is not self.kind:
            raise TypeError(type_name(type(made)))
        return made


class _Enumeration:
    """A member by its name; flags that are combined have none, and go by their value."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.reference = ("enum", *_address(kind), ())

    def parts(self, value: Any) -> Sequence[object]:
        if self._kind.__members__.get(value._name_) is value:
            return (value._name_,)
        if isinstance(value, Flag) and self._kind(value._value_) == value:
            return (None, value._value_)
        raise unstorable(self._kind, f"{value!r} is none of its members")

    def whole(self, parts: list[Any]) -> object:
        return self._kind(parts[1]) if parts[0] is None else self._kind.__members__[parts[0]]


class _NamedTuple:
    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.reference = ("named tuple", *_address(kind), tuple(self._kind._fields))

    def parts(self, value: Any) -> Sequence[object]:
        if getattr(value, "__dict__", None):
            raise unstorable(self._kind, "it has attributes beside its items")
        return tuple(value)

    def whole(self, parts: list[Any]) -> object:
        made: object = tuple.__new__(self._kind, parts)
        return made


class _Attributes:
    """All that an object holds: its fields in order, then whatever else is set on it."""

    def __init__(self, kind: Any, names: tuple[str, ...]) -> None:
        self.kind, self.names = kind, names
        slots = {
            name: member
            for base in reversed(kind.__mro__)
            for name, member in base.__dict__.items()
            if isinstance(member, MemberDescriptorType) and _is_by_statement(base)
        }
        self._slot_of = [slots.pop(name, None) for name in names]
        self._more_slots = slots
        self._has_dict = kind.__dictoffset__ != 0
        self._computed = {
            name
            for base in kind.__mro__
            for name, member in base.__dict__.items()
            if isinstance(member, cached_property)
        }

    def taken(self, value: Any) -> list[object]:
        """The fields, ABSENT where not set, and a dict of what there is more, or None."""
        more = dict(object.__getattribute__(value, "__dict__")) if self._has_dict else {}
        parts = [
            more.pop(name, ABSENT) if slot is None else _held(slot, value)
            for name, slot in zip(self.names, self._slot_of)
        ]
        for name, slot in self._more_slots.items():
            if (held := _held(slot, value)) is not ABSENT:
                more[name] = held
        if more:
            more.pop(_NO_STATE, None)
            more = {name: held for name, held in more.items() if name not in self._computed}
        parts.append(more or None)
        return parts

    def set(self, made: Any, parts: list[Any]) -> None:
        """Let *made* hold what was taken."""
        *values, more = parts
        into = object.__getattribute__(made, "__dict__") if self._has_dict else {}
        for name, slot, value in zip(self.names, self._slot_of, values, strict=True):
            if value is ABSENT:
                continue
            if slot is None:
                into[name] = value
            else:
                slot.__set__(made, value)
        for name, value in (more or {}).items():
            if name in self._more_slots:
                self._more_slots[name].__set__(made, value)
            else:
                into[name] = value


def _held(slot: MemberDescriptorType, value: object) -> object:
    try:
        return slot.__get__(value)
    except AttributeError:
        return ABSENT


class _Dataclass:
    def __init__(self, kind: type) -> None:
        self._attributes = _Attributes(kind, tuple(one.name for one in fields(kind)))
        self.reference = ("dataclass", *_address(kind), self._attributes.names)
        self.parts = self._attributes.taken

    def whole(self, parts: list[Any]) -> object:
        made = object.__new__(self._attributes.kind)
        self._attributes.set(made, parts)
        return made


class _Struct:
    def __init__(self, kind: Any) -> None:
        self._attributes = _Attributes(kind, tuple(kind.__struct_fields__))
        self.reference = ("struct", *_address(kind), self._attributes.names)
        self.parts = self._attributes.taken
        self._is_set_back = hasattr(kind, "__post_init__")

    def whole(self, parts: list[Any]) -> object:
        attributes = self._attributes
        made: object = attributes.kind(**dict(zip(attributes.names, parts)))
        if self._is_set_back or parts[-1]:
            attributes.set(made, parts)
        return made


_built_in: frozenset[type] = frozenset()
_registered: dict[type, _Registered] = {}
_by_name: dict[str, _Registered] = {}
_layouts: WeakKeyDictionary[type, Layout] = WeakKeyDictionary()
