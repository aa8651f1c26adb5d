"""Classes of every kind whose objects can be written down, and some that cannot."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    ROUGE = "red"  # noqa: PIE796 - a second name of the same member
    NOTHING = None
    PAIR = (1, "two")


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: float
    y: object = 0


class NamedPoint(Point):
    """A subclass with room for attributes."""


Pair = namedtuple("Pair", "left right")


@dataclass
class Plain:
    a: object
    b: object = None


@dataclass(frozen=True)
class Frozen:
    a: object
    b: object = None


@dataclass(slots=True)
class Slotted:
    a: object
    b: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSlotted:
    a: object
    b: object = None


@dataclass
class Below(Slotted):
    c: object = None


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Counted:
    """Its objects count how often they are made, and check what they are given."""

    number: int
    double: int = field(init=False)
    unset: int = field(init=False, default=3)
    made: int = field(init=False, default=0, compare=False)

    def __post_init__(self) -> None:
        self.double = 2 * self.number
        self.made += 1

    def __setattr__(self, name: str, value: object) -> None:
        if name == "number" and value == 13:
            raise ValueError("unlucky")
        super().__setattr__(name, value)

    @cached_property
    def square(self) -> Any:
        return lambda: self.number**2


class Record(msgspec.Struct):
    a: object
    b: object = None


class FrozenRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="frozen"):
    a: object
    b: object = None


class LooseRecord(msgspec.Struct, dict=True, rename="camel"):
    some_name: object


class CheckedRecord(msgspec.Struct, frozen=True):
    number: int

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "number", self.number + 1)


class GenericRecord(msgspec.Struct, Generic[T]):
    content: T


class Outer:
    @dataclass
    class Inner:
        a: object


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Items(list[Any]):
    pass


class Ordered(OrderedDict[str, int]):
    pass


class Opaque:
    def __init__(self) -> None:
        self.held = 1


@dataclass
class Failure(Exception):
    code: int


class Price:
    """A class that has a form only by registration."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.cents == self.cents  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.cents)
