"""How objects of a class come apart and together again, sort by sort; see ``value_classes``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import Flag
from functools import cached_property
from types import MemberDescriptorType
from typing import Any, Final, Protocol

from ...errors import Unstorable

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


def type_name(kind: type) -> str:
    """The module and qualified name of *kind*; of a builtin the name alone."""
    return ".".join(part for part in address(kind) if part != "builtins")


def unstorable(kind: type, why: str) -> Unstorable:
    """The error that says so, and the way out."""
    return Unstorable(
        f"a value of type {type_name(kind)} has no safe form for a shared store: {why}; return "
        "plain values or a dataclass, keep it in memory, or say how to write it down: "
        f"headway.stores.register({kind.__name__}, name, encode, decode)"
    )


def address(kind: type) -> tuple[str, str]:
    """The module and the qualified name of *kind*."""
    return kind.__module__, kind.__qualname__


def is_made_in_python(kind: type) -> bool:
    """Whether all that its objects hold is in attributes that can be seen."""
    return all(base is object or _is_by_statement(base) for base in kind.__mro__)


def _is_by_statement(kind: type) -> bool:
    return bool(kind.__flags__ & _HEAP_TYPE)


class Registered:
    """What the user's own functions make of an object, and back."""

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


class Enumeration:
    """A member by its name; flags that are combined have none, and go by their value."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.reference = ("enum", *address(kind), ())

    def parts(self, value: Any) -> Sequence[object]:
        if self._kind.__members__.get(value._name_) is value:
            return (value._name_,)
        if isinstance(value, Flag) and self._kind(value._value_) == value:
            return (None, value._value_)
        raise unstorable(self._kind, f"{value!r} is none of its members")

    def whole(self, parts: list[Any]) -> object:
        return self._kind(parts[1]) if parts[0] is None else self._kind.__members__[parts[0]]


class NamedTuple:
    """The items in order."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.reference = ("named tuple", *address(kind), tuple(self._kind._fields))

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


class Dataclass:
    """All that the object holds, put back without a call of its class."""

    def __init__(self, kind: type) -> None:
        self._attributes = _Attributes(kind, tuple(one.name for one in fields(kind)))
        self.reference = ("dataclass", *address(kind), self._attributes.names)
        self.parts = self._attributes.taken

    def whole(self, parts: list[Any]) -> object:
        made = object.__new__(self._attributes.kind)
        self._attributes.set(made, parts)
        return made


class Struct:
    """All that the object holds; only its class can make another, which is then set right."""

    def __init__(self, kind: Any) -> None:
        self._attributes = _Attributes(kind, tuple(kind.__struct_fields__))
        self.reference = ("struct", *address(kind), self._attributes.names)
        self.parts = self._attributes.taken
        self._is_set_back = hasattr(kind, "__post_init__")

    def whole(self, parts: list[Any]) -> object:
        attributes = self._attributes
        made: object = attributes.kind(**dict(zip(attributes.names, parts)))
        if self._is_set_back or parts[-1]:
            attributes.set(made, parts)
        return made
