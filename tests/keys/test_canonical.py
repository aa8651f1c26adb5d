import array
import copy
import dataclasses
import datetime as dt
import enum
import functools
import ipaddress
import itertools
import math
import os
import re
import sys
import types
import typing
import uuid
import zoneinfo
from collections import Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from headway.errors import NoKey
from headway.keys import canonical, digest

Point = namedtuple("Point", "x y")
Pair = namedtuple("Pair", "x y")


class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    ALSO_RED = 1  # noqa: PIE796 - an alias


class Paint(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    ONE = "1"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Guess(enum.Enum):
    KNOWN = "known"

    @classmethod
    def _missing_(cls, value: object) -> "Guess":
        member = object.__new__(cls)
        member._name_, member._value_ = "OTHER", value
        return member


@dataclasses.dataclass
class Fund:
    symbol: Any
    weight: Any = 0
    count: typing.ClassVar[int] = 0


@dataclasses.dataclass
class Share:
    symbol: Any
    weight: Any = 0


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    symbol: Any


class Marked(Fund):
    """Not declared as a dataclass itself, so that its mark is no field."""

    def __init__(self, symbol: str, mark: str) -> None:
        super().__init__(symbol)
        self.mark = mark


class Record(msgspec.Struct):
    symbol: Any
    weight: Any = 0


class Model(pydantic.BaseModel):
    symbol: Any
    weight: Any = 0


class OpenModel(pydantic.BaseModel, extra="allow"):
    symbol: Any


@attrs.define
class Attributes:
    symbol: Any
    _hidden: Any = 0


class Label(str):
    """A text with a language."""

    def __new__(cls, value: str, language: str = "en") -> "Label":
        self = super().__new__(cls, value)
        self.language = language
        return self


class Tagged(int):
    pass


class Basket(list[Any]):
    pass


class Register(dict[Any, Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(())  # says that it is empty; what it holds counts


class Cell(tuple[Any, ...]):
    __slots__ = ()


class Kept(float):
    __slots__ = ("_kept",)

    def __new__(cls, value: float, kept: object = None) -> "Kept":
        self = super().__new__(cls, value)
        if kept is not None:
            self._kept = kept
        return self


class Frozen(Mapping[str, int]):
    """A mapping that shows less than it holds."""

    def __init__(self, **all_of_it: int) -> None:
        self._all = all_of_it

    def __getitem__(self, name: str) -> int:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self._all if not name.startswith("_")])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Session:
    """Without canonical form, as most classes are."""


class Client:
    def __init__(self, base: Any) -> None:
        self.base, self.session = base, Session()

    def __headway_key__(self) -> Any:
        return self.base

    def ask(self) -> None:
        pass


class OtherClient(Client):
    pass


def function() -> None:
    pass


def another() -> None:
    pass


CLIENT = Client("a")
UTC = dt.UTC
BERLIN, PARIS = zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Paris")
NOON = dt.datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - without a zone on purpose

# Each line makes a value; made twice it is the same question, and no line asks what another asks.
QUESTIONS: list[Callable[[], object]] = [
    lambda: None,
    lambda: "None",
    lambda: True,
    lambda: False,
    lambda: 0,
    lambda: 1,
    lambda: -1,
    lambda: 10**5000,
    lambda: 0.0,
    lambda: -0.0,
    lambda: 1.0,
    lambda: float("nan"),
    lambda: math.inf,
    lambda: -math.inf,
    lambda: 1 + 0j,
    lambda: complex(0.0, -0.0),
    lambda: 0j,
    lambda: complex(float("nan"), 1),
    lambda: "",
    lambda: "1",
    lambda: "?",
    lambda: "\ud800",
    lambda: "\ud800\udc00",
    lambda: "\U00010000",
    lambda: b"",
    lambda: b"1",
    lambda: bytearray(b"1"),
    lambda: memoryview(b"1"),
    lambda: memoryview(array.array("h", [1])),
    lambda: memoryview(array.array("h", [1])).cast("B"),
    lambda: array.array("h", [1]),
    lambda: array.array("H", [1]),
    lambda: (),
    list,
    dict,
    set,
    frozenset,
    lambda: (1,),
    lambda: (True,),
    lambda: (1.0,),
    lambda: [1],
    lambda: [True],
    lambda: ["1"],
    lambda: ((1,),),
    lambda: ((True,),),
    lambda: ("a", "b"),
    lambda: ("ab",),
    lambda: ("a", ("b",)),
    lambda: (("a",), "b"),
    lambda: {1},
    lambda: {True},
    lambda: {1.0},
    lambda: frozenset({1}),
    lambda: frozenset({True}),
    lambda: {frozenset({1})},
    lambda: {frozenset({True})},
    lambda: {float("nan")},
    lambda: {float("nan"), float("nan")},
    lambda: {"a": 1},
    lambda: {"a": True},
    lambda: {"a": "1"},
    lambda: {1: "a"},
    lambda: {True: "a"},
    lambda: {1: "a", "1": "a", None: "a", (1,): "a"},
    lambda: {"a": {"b": 0.0}},
    lambda: {"a": {"b": -0.0}},
    lambda: OrderedDict(a=1, b=2),
    lambda: OrderedDict(b=2, a=1),
    lambda: defaultdict(int, a=1),
    lambda: defaultdict(list, a=1),
    lambda: Counter(a=1),
    lambda: UserDict(a=1),
    lambda: types.MappingProxyType({"a": 1}),
    lambda: Register(a=1),
    lambda: Register(a=2),
    lambda: Frozen(a=1),
    lambda: Frozen(a=1, _b=2),
    lambda: deque([1]),
    lambda: deque([1], maxlen=2),
    lambda: deque([True]),
    lambda: range(3),
    lambda: range(0, 3, 2),
    lambda: slice(3),
    lambda: slice(None, 3, 1),
    lambda: ...,
    lambda: Colour.RED,
    lambda: Colour.GREEN,
    lambda: Paint.RED,
    lambda: Number.ONE,
    lambda: Word.ONE,
    lambda: Mode.READ,
    lambda: Mode.READ | Mode.WRITE,
    lambda: Mode(0),
    lambda: Guess.KNOWN,
    lambda: Guess("x"),
    lambda: Guess("y"),
    lambda: [Number.ONE],
    lambda: {Number.ONE: 1},
    lambda: Point(1, 2),
    lambda: Point(True, 2),
    lambda: Pair(1, 2),
    lambda: Cell((1, 2)),
    lambda: Fund("a"),
    lambda: Fund("a", False),
    lambda: Fund(b"a"),
    lambda: Fund(Fund(1)),
    lambda: Fund(Fund(True)),
    lambda: Share("a"),
    lambda: Slotted("a"),
    lambda: Marked("a", "x"),
    lambda: Marked("a", "y"),
    lambda: Record("a"),
    lambda: Record("a", 0.0),
    lambda: Record(Record(1)),
    lambda: Record(Record(True)),
    lambda: Record(msgspec.UNSET),
    lambda: Model(symbol="a"),
    lambda: Model(symbol="a", weight=False),
    lambda: Model(symbol=Model(symbol=1)),
    lambda: Model(symbol=Model(symbol=1.0)),
    lambda: OpenModel(symbol="a"),
    lambda: OpenModel(symbol="a", more=1),
    lambda: OpenModel(symbol="a", more=True),
    lambda: Attributes("a"),
    lambda: Attributes("a", 1),
    lambda: Label("a"),
    lambda: Label("a", "de"),
    lambda: Tagged(1),
    lambda: Basket([1]),
    lambda: Kept(1.0),
    lambda: Kept(1.0, 1),
    lambda: Decimal("1"),
    lambda: Decimal("1.0"),
    lambda: Decimal("1.00"),
    lambda: Decimal("-0"),
    lambda: Decimal("0"),
    lambda: Decimal("NaN"),
    lambda: Decimal("Infinity"),
    lambda: Fraction(1),
    lambda: Fraction(1, 2),
    lambda: NOON,
    lambda: NOON.replace(fold=1),
    lambda: NOON.replace(tzinfo=UTC),
    lambda: NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
    lambda: NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=1), "here")),
    lambda: NOON.replace(tzinfo=BERLIN),
    lambda: NOON.replace(tzinfo=BERLIN, fold=1),
    lambda: NOON.replace(tzinfo=PARIS),
    lambda: NOON.date(),
    lambda: NOON.time(),
    lambda: NOON.time().replace(fold=1),
    lambda: NOON.time().replace(tzinfo=UTC),
    lambda: NOON.time().replace(tzinfo=BERLIN),
    lambda: dt.timedelta(seconds=1),
    lambda: dt.timedelta(days=1),
    lambda: UTC,
    lambda: dt.timezone(dt.timedelta(0), "Z"),
    lambda: BERLIN,
    lambda: uuid.UUID(int=1),
    lambda: Path("a"),
    lambda: PurePosixPath("a"),
    lambda: PureWindowsPath("a"),
    lambda: PurePosixPath("b"),
    lambda: ipaddress.ip_address("127.0.0.1"),
    lambda: ipaddress.ip_network("127.0.0.1"),
    lambda: re.compile("a"),
    lambda: re.compile("a", re.IGNORECASE),
    lambda: int,
    lambda: str,
    lambda: Fund,
    lambda: Colour,
    lambda: type(None),
    lambda: list[int],
    lambda: list[bool],
    lambda: list,
    lambda: int | None,
    lambda: typing.Literal[1],
    lambda: typing.Literal[True],
    lambda: typing.Annotated[int, "a"],
    lambda: typing.Any,
    lambda: function,
    lambda: another,
    lambda: len,
    lambda: str.upper,
    lambda: functools.partial(function),
    lambda: functools.partial(function, 1),
    lambda: functools.partial(function, True),
    lambda: functools.partial(function, a=1),
    lambda: Client,
    lambda: Client("a"),
    lambda: Client(1),
    lambda: Client(True),
    lambda: OtherClient("a"),
    lambda: CLIENT.ask,
]


def test_made_twice_it_is_the_same_question() -> None:
    for make in QUESTIONS:
        assert canonical(make()) == canonical(make()), make()


def test_no_two_questions_share_their_bytes() -> None:
    seen: dict[bytes, object] = {}
    for make in QUESTIONS:
        written = canonical(make())
        assert written not in seen, (make(), seen[written])
        seen[written] = make()


def test_no_question_begins_another() -> None:
    written = sorted(canonical(make()) for make in QUESTIONS)
    assert not any(after.startswith(before) for before, after in itertools.pairwise(written))


@pytest.mark.parametrize(
    "wrap", [lambda v: (v,), lambda v: [v], lambda v: {"k": [v]}, Fund, Record]
)
def test_told_apart_at_depth_too(wrap: Callable[[object], object]) -> None:
    written = {canonical(wrap(make())) for make in QUESTIONS}
    assert len(written) == len(QUESTIONS)


def test_the_format_stays_what_version_1_says() -> None:
    value = ("NVDA", -255, None, True, 0.5, b"\x00", {"b": [2], "a": {1}}, Ellipsis, int)
    assert canonical(value) == (
        b"1t9:s4:NVDAi-ff;NTf\x3f\xe0\x00\x00\x00\x00\x00\x00b1:\x00"
        b"d2:s1:aS1:i1;s1:bl1:i2;Egs8:builtinss3:int"
    )
    assert canonical(Decimal("1.0")) == b"1ogs7:decimals7:Decimalt1:s3:1.0"
    assert digest("NVDA") == "5e27b5077dfe2af83cac09bc5c7e2b71"


def test_the_order_of_a_dict_and_of_a_set_does_not_matter() -> None:
    names = [f"name {number}" for number in range(50)]
    there, back = dict.fromkeys(names, 1), dict.fromkeys(reversed(names), 1)
    assert canonical(there) == canonical(back)
    assert canonical(set(there)) == canonical(set(back))
    mixed = {1: "a", "1": "b", None: "c", (1,): "d"}
    assert canonical(mixed) == canonical(dict(reversed(mixed.items())))
    one, other = float("nan"), float("nan")
    assert canonical({one: 1, other: 2}) == canonical({other: 2, one: 1})


def test_a_copy_is_the_same_question() -> None:
    for make in QUESTIONS:
        value = make()
        if isinstance(value, enum.Enum):
            continue  # a copy of a member is the member; early 3.11 cannot copy an odd one at all
        if not isinstance(value, memoryview | types.MappingProxyType | types.MethodType):
            assert canonical(copy.deepcopy(value)) == canonical(value), value


def test_every_nan_is_one() -> None:
    negative = math.copysign(float("nan"), -1)
    assert canonical(float("nan")) == canonical(negative)
    assert canonical([complex(1, negative)]) == canonical([complex(1, float("nan"))])


def test_a_field_that_was_never_set_is_not_none() -> None:
    bare, none = Slotted(None), Slotted(None)
    object.__delattr__(bare, "symbol")
    assert canonical(bare) != canonical(none)


def test_the_alias_of_a_member_is_the_member() -> None:
    assert canonical(Colour.ALSO_RED) == canonical(Colour.RED)


def test_a_class_variable_is_no_part_of_a_value() -> None:
    before = canonical(Fund("a"))
    Fund.count = 7
    try:
        assert canonical(Fund("a")) == before
    finally:
        Fund.count = 0


def test_a_path_keeps_its_key_after_use() -> None:
    path = Path("a/b")
    before = canonical(path)
    hash(path), path.parts, str(path)
    assert canonical(path) == before


def test_two_classes_of_one_name_are_two() -> None:
    def make() -> type:
        @dataclasses.dataclass
        class Local:
            x: int

        return Local

    one, other = make(), make()
    assert canonical(one(1)) == canonical(one(1))
    assert canonical(one(1)) != canonical(other(1))
    assert canonical(one) != canonical(other)


def test_functions_without_a_name_of_their_own_go_by_identity() -> None:
    def make(number: int) -> Callable[[], int]:
        return lambda: number

    one, other = make(1), make(2)
    assert canonical(one) == canonical(one)
    assert canonical(one) != canonical(other)

    @functools.wraps(function)
    def disguised() -> None:
        pass

    assert canonical(disguised) != canonical(function)


def test_bound_methods_go_by_their_object() -> None:
    one, other = Session(), Session()
    bound = types.MethodType(function, one)
    assert canonical(bound) == canonical(types.MethodType(function, one))
    assert canonical(bound) != canonical(types.MethodType(function, other))
    assert canonical(Guess._missing_) == canonical(Guess._missing_)


def test_an_own_key_of_none_takes_the_own_key_away() -> None:
    class Plain(Client):
        __headway_key__ = None  # type: ignore[assignment]

    with pytest.raises(NoKey):
        canonical(Plain("a"))


class StandInArray:
    """What this module needs of a numpy array; the real one is asked where it is installed."""

    def __init__(self, kind: str, shape: tuple[int, ...], data: bytes, hasobject: bool) -> None:
        self.shape, self._data = shape, data
        self.dtype = type("dtype", (), {"hasobject": hasobject, "__str__": lambda _: kind})()

    def tobytes(self) -> bytes:
        return self._data


def test_arrays_of_numbers_without_importing_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("numpy")
    stand_in.ndarray, stand_in.generic = StandInArray, bytearray  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy", stand_in)

    def made(kind: str = "float64", shape: tuple[int, ...] = (2,), data: bytes = b"ab") -> bytes:
        return canonical(StandInArray(kind, shape, data, hasobject=False))

    assert made() == made()
    assert len({made(), made(kind="int64"), made(shape=(1, 2)), made(data=b"ba")}) == 4
    with pytest.raises(NoKey, match=r"StandInArray of Python objects"):
        canonical(StandInArray("object", (1,), b"", hasobject=True))


def test_arrays_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    grid = numpy.arange(6.0).reshape(2, 3)
    others = [grid.T, grid.astype("f4"), grid.ravel(), grid + 1, grid.tolist()]
    assert canonical(grid) == canonical(numpy.asfortranarray(grid))
    assert len({canonical(one) for one in (grid, *others)}) == 6
    scalars = [numpy.float64(1), numpy.float32(1), numpy.int64(1), numpy.bool_(True), 1.0, 1, True]
    assert len({canonical(one) for one in scalars}) == 7
    for refused in (numpy.array([object()]), numpy.ma.array([1], mask=[1]), numpy.matrix([[1]])):
        with pytest.raises(NoKey):
            canonical(refused)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Session(),
        [Session()],
        {"a": {"b": Session()}},
        {Session(): 1},
        Fund(Session()),
        Exception("a"),
        (one for one in ()),
        iter([]),
        sys,
        {}.keys(),
        [].append,
        sys.stdout,
        typing.TypeVar("T"),
        sys.float_info,
        os.stat("/"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NoKey):
        canonical(value)


def test_the_message_names_the_type_and_not_the_value() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "hunter2"

        __str__ = __repr__

    with pytest.raises(NoKey, match=r"Secret has no canonical form.*__headway_key__") as caught:
        canonical([{"password": Secret()}])
    assert "hunter2" not in str(caught.value)


class Nest:
    def __headway_key__(self) -> object:
        return self


def _nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


def _loops() -> Iterator[object]:
    ring: list[object] = []
    ring.append(ring)
    yield ring
    circle: dict[object, object] = {}
    circle["a"] = (circle,)
    yield circle
    fund = Fund(None)
    fund.symbol = fund
    yield fund
    yield Nest()
    yield _nested(10_000)
    tower: object = 1
    for _ in range(10_000):
        tower = frozenset({tower})
    yield tower


def test_what_has_no_end_is_refused() -> None:
    for value in _loops():
        with pytest.raises(NoKey, match="nests deeper than 100 levels, or contains itself"):
            canonical(value)


def test_a_hundred_levels_are_not_too_deep() -> None:
    assert canonical(_nested(100)) != canonical(_nested(99))
    with pytest.raises(NoKey):
        canonical(_nested(101))


def test_little_stack_left_is_no_crash() -> None:
    def descend(levels: int) -> None:
        if levels:
            return descend(levels - 1)
        with pytest.raises(NoKey):
            canonical(_nested(90))
        return None

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    descend(sys.getrecursionlimit() - used - 100)


def test_large_values() -> None:
    large = "é" * 10_000_000
    assert len(canonical(large)) == len(b"1s20000000:") + 20_000_000
    assert canonical([large]) != canonical([large + "é"])
    assert canonical(list(range(200_000))) == canonical(list(range(200_000)))
