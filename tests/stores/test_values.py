"""What comes back equals what went in, type for type; what would not is refused."""

import array
import asyncio
import enum
import math
import pickle
import sys
import threading
import time as stopwatch
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID, uuid1, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest

from headway import BadSetup
from headway.errors import Unstorable
from headway.stores import Entry
from headway.stores.codec import Codec, classes, register
from headway.stream import Recording, Stream
from tests.stores import shapes
from tests.stores.same import is_same, through

NEW_YORK = ZoneInfo("America/New_York")
UTC = timezone.utc  # noqa: UP017 - by the name under which it comes back

VALUES = [
    None,
    True,
    0,
    -1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63),
    -(1 << 63) - 1,
    -(1 << 5000),
    1.5,
    -0.0,
    math.nan,
    math.inf,
    5e-324,
    "",
    "naïve ✓ \0",
    "half \ud800 character",
    b"",
    b"\xff",
    [],
    {},
    (),
    [[], {}, (), set(), frozenset()],
    [(1, [2, (3, {"a": (4,)})])],
    {"a": (1,), "b": [1]},
    {1: 2, "1": 3, (1, "x"): [4], None: 5, b"k": 6, 1.5: 7},
    {True: 1},
    {math.nan: 1},
    {"half \udfff": 1},
    [1 << 80, "half \ud800", {"half \ud800": (1 << 80,)}],
    {1, "1", (1,), frozenset({2})},
    bytearray(b"x"),
    complex(-0.0, math.nan),
    ...,
    msgspec.UNSET,
    Decimal("1.20"),
    Decimal("-0E+7"),
    Decimal("NaN123"),
    Decimal("sNaN"),
    Decimal("-Infinity"),
    Decimal("1E+999999"),
    uuid4(),
    uuid1(),
    UUID(int=0),
    Path("/tmp/x"),
    Path("half \udcff"),
    date(2026, 11, 21),
    datetime(2026, 11, 21, 9, 30, 0, 123456),  # noqa: DTZ001 - naive is what is tested
    datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK),
    datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1),
    datetime(2026, 11, 21, tzinfo=UTC),
    datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=-5, microseconds=1), "here")),
    datetime.max,  # noqa: DTZ901
    time(23, 59, 59, 999999, fold=1),
    time(1, tzinfo=timezone(timedelta(minutes=330))),
    timedelta(days=-1, microseconds=1),
    timedelta.max,
    NEW_YORK,
    shapes.Colour.RED,
    shapes.Colour.ROUGE,
    shapes.Colour.NOTHING,
    shapes.Colour.PAIR,
    shapes.Level.HIGH,
    shapes.Word.YES,
    shapes.Rights.READ,
    shapes.Rights.READ | shapes.Rights.WRITE,
    shapes.Rights(0),
    {shapes.Level.LOW: 1, 2: shapes.Level.HIGH},
    shapes.Point(1.5, (2,)),
    shapes.NamedPoint(1, [2]),
    shapes.Pair(1, "two"),
    shapes.Plain(1, (2,)),
    shapes.Frozen({1: 2}),
    {shapes.Frozen(1): shapes.Frozen((1,))},
    shapes.Slotted(1, {2}),
    shapes.FrozenSlotted(a=[shapes.Plain(1)], b=msgspec.UNSET),
    shapes.Below(1, 2, 3),
    shapes.Box[int](1),
    shapes.Counted(5),
    shapes.Outer.Inner(1),
    [shapes.Plain(i, shapes.Record(i, (i,))) for i in range(100)],
    shapes.Record(1, (2,)),
    shapes.FrozenRecord(a=msgspec.UNSET, b=b"x"),
    shapes.LooseRecord(1),
    shapes.CheckedRecord(5),
    shapes.GenericRecord[int](1),
    Stream.of([]),
    Stream.of([b"a", "b", (1,)], made_at=17.0),
    {"inside": (Stream.of([1]),)},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_it_comes_back_type_for_type(value: object) -> None:
    assert is_same(through(value), value)
    assert is_same(through([value, {"in": (value,)}]), [value, {"in": (value,)}])


class OwnZone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(0)


class Hidden(enum.Enum):
    ONE = 1


HIDDEN = Hidden.ONE
del Hidden


def with_attribute() -> object:
    point = shapes.NamedPoint(1, 2)
    point.note = "x"  # type: ignore[attr-defined]
    return point


def a_local_dataclass() -> object:
    @dataclass
    class Local:
        a: int

    return Local(1)


UNSTORABLE = [
    shapes.Text("x"),
    shapes.Number(1),
    shapes.Items([1]),
    shapes.Ordered(a=1),
    OrderedDict(a=1),
    defaultdict(list),
    Counter("aab"),
    deque([1]),
    Fraction(1, 3),
    range(3),
    object(),
    shapes.Opaque(),
    shapes.Failure(1),
    ValueError("x"),
    int,
    shapes.Plain,
    len,
    lambda: 1,
    threading.Lock(),
    memoryview(b"x"),
    array.array("i", [1]),
    (i for i in ()),
    sys.version_info,
    stopwatch.gmtime(0),
    types.SimpleNamespace(a=1),
    msgspec.Raw(b"1"),
    msgspec.msgpack.Ext(1, b"x"),
    datetime(2026, 1, 1, tzinfo=OwnZone()),
    HIDDEN,
    with_attribute(),
    a_local_dataclass(),
    shapes.Plain(shapes.Opaque()),
]


@pytest.mark.parametrize("value", UNSTORABLE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "around",
    [lambda value: value, lambda value: [{"a": value}], lambda value: (1, [value])],
    ids=["alone", "in plain ones", "in a tuple"],
)
def test_what_would_not_come_back_as_it_was_is_refused(
    value: object, around: Callable[[object], object]
) -> None:
    with pytest.raises(Unstorable, match=r"headway\.stores\.register"):
        through(around(value))


@pytest.mark.parametrize("key", [shapes.Text("x"), shapes.Number(1)])
def test_so_are_keys(key: object) -> None:
    with pytest.raises(Unstorable):
        through({"a": 1, key: 2})


def a_chain(depth: int, link: Callable[[object], object], end: object) -> object:
    for _ in range(depth):
        end = link(end)
    return end


LINKS = [lambda x: [x], lambda x: {"a": x}, lambda x: (x,), lambda x: shapes.Plain(x)]


@pytest.mark.parametrize("link", LINKS)
def test_deep_values_come_back_and_deeper_ones_are_refused(
    link: Callable[[object], object],
) -> None:
    value = a_chain(99, link, 1)
    assert is_same(through(value), value)
    for depth in (101, 5000):
        with pytest.raises(Unstorable, match="100 levels"):
            through(a_chain(depth, link, 1))


def test_what_is_written_is_read_with_little_stack_left() -> None:
    written = Codec().encode("n", Entry(a_chain(99, LINKS[2], 1), made_at=1.0, fresh_until=2.0))

    def deeper(levels: int) -> Entry | None:
        return deeper(levels - 1) if levels else Codec().decode("n", written)

    assert deeper(400) is not None
    assert deeper(sys.getrecursionlimit() - 200) is None


def cyclic() -> Iterator[object]:
    items: list[Any] = []
    items += [items, items]
    yield items
    by_text: dict[str, Any] = {}
    by_text["self"] = by_text
    yield by_text
    pair: Any = ([],)
    pair[0].append(pair)
    yield pair
    plain = shapes.Plain(1)
    plain.b = [plain]
    yield plain
    record = shapes.Record(1)
    record.b = record
    yield record


@pytest.mark.parametrize("value", [*cyclic()], ids=lambda value: type(value).__name__)
def test_what_contains_itself_is_refused(value: object) -> None:
    with pytest.raises(Unstorable, match="contains itself"):
        through(value)


@pytest.mark.parametrize("link", [lambda x: [x, x], lambda x: (x, x)])
def test_what_would_unfold_to_trillions_is_refused_in_time(
    link: Callable[[object], object],
) -> None:
    with pytest.raises(Unstorable, match="1,000,000 containers"):
        through(a_chain(60, link, 1))


class TestObjects:
    def test_no_code_of_a_dataclass_runs(self) -> None:
        unlucky = shapes.Counted(1)
        vars(unlucky)["number"] = 13
        read = through(unlucky)
        assert (read.number, read.double, read.made) == (13, 2, 1)

    def test_what_is_not_set_stays_unset(self) -> None:
        read = through(shapes.Counted(1))
        assert "unset" not in vars(read)
        slotted = shapes.Slotted(1)
        del slotted.b
        assert not hasattr(through(slotted), "b")

    def test_what_was_set_beside_the_fields_is_kept_but_not_what_is_computed(self) -> None:
        counted = shapes.Counted(3)
        assert counted.square() == 9
        counted.note = ("x",)  # type: ignore[attr-defined]
        read = through(counted)
        assert read.note == ("x",)
        assert "square" not in vars(read)
        assert read.square() == 9

    def test_a_struct_is_set_back_to_what_it_held(self) -> None:
        assert shapes.CheckedRecord(5).number == 6
        assert through(shapes.CheckedRecord(5)).number == 6
        loose = shapes.LooseRecord(1)
        loose.more = (2,)  # type: ignore[attr-defined]
        assert through(loose).more == (2,)

    def test_an_attribute_that_cannot_be_written_down_is_refused(self) -> None:
        plain = shapes.Plain(1)
        plain.lock = threading.Lock()  # type: ignore[attr-defined]
        with pytest.raises(Unstorable, match="lock"):
            through(plain)

    def test_changing_what_came_back_changes_nothing_that_went_in(self) -> None:
        plain = shapes.Plain([1])
        through(plain).a.append(2)
        assert plain.a == [1]


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module with a class, that can be changed as if the program had been."""
    module = types.ModuleType("shop")
    sys.modules["shop"] = module
    yield module
    del sys.modules["shop"]


HEAD = """
import enum, msgspec
from dataclasses import dataclass
from typing import NamedTuple
"""


def define(module: types.ModuleType, source: str) -> Any:
    head = (
        "import enum, msgspec\nfrom dataclasses import dataclass\nfrom typing import NamedTuple\n"
    )
    exec(head + source, module.__dict__)
    return module


class TestClassesFoundAgain:
    def written(self, value: object) -> bytes:
        return Codec().encode("n", Entry(value, made_at=1.0, fresh_until=2.0))

    @pytest.mark.parametrize(
        "source",
        [
            "@dataclass\nclass Item:\n    a: int\n    {}: int = 2",
            "class Item(NamedTuple):\n    a: int\n    {}: int = 2",
            "class Item(msgspec.Struct):\n    a: int\n    {}: int = 2",
        ],
    )
    def test_other_fields_make_a_miss(self, module: types.ModuleType, source: str) -> None:
        written = self.written(define(module, source.format("b")).Item(1))
        assert Codec().decode("n", written) is not None
        define(module, source.format("b"))
        assert Codec().decode("n", written) is not None
        define(module, source.format("c"))
        assert Codec().decode("n", written) is None

    def test_another_sort_of_class_makes_a_miss(self, module: types.ModuleType) -> None:
        written = self.written(define(module, "@dataclass\nclass Item:\n    a: int").Item(1))
        for source in ("class Item(msgspec.Struct):\n    a: int", "def Item(a): ...", "Item = 1"):
            define(module, source)
            assert Codec().decode("n", written) is None

    def test_a_member_that_is_gone_makes_a_miss(self, module: types.ModuleType) -> None:
        written = self.written(define(module, "class State(enum.Enum):\n    A = 1").State.A)
        define(module, "class State(enum.Enum):\n    B = 1")
        assert Codec().decode("n", written) is None

    def test_nothing_is_imported(self, module: types.ModuleType) -> None:
        define(module, "@dataclass\nclass Item:\n    a: int")
        module.Item.__module__ = "colorsys"
        import colorsys

        colorsys.Item = module.Item  # type: ignore[attr-defined]
        try:
            written = self.written(module.Item(1))
            assert Codec().decode("n", written) is not None
            del sys.modules["colorsys"]
            assert Codec().decode("n", written) is None
            assert "colorsys" not in sys.modules
        finally:
            sys.modules["colorsys"] = colorsys
            del colorsys.Item  # type: ignore[attr-defined]

    def test_no_code_of_a_module_runs(self, module: types.ModuleType) -> None:
        define(module, "def __getattr__(name):\n    raise SystemExit(name)")
        with pytest.raises(LookupError):
            classes.find("shop", "Item.Inner")


@pytest.fixture(autouse=True)
def _registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a test end with it."""
    monkeypatch.setattr(classes, "_registered", dict(classes._registered))
    monkeypatch.setattr(classes, "_by_name", dict(classes._by_name))


class TestRegistered:
    def test_a_registered_type_comes_back(self) -> None:
        register(shapes.Price, "Price", lambda price: price.cents, shapes.Price)
        value = {"now": shapes.Price(5), "then": [(shapes.Price(1 << 70),)]}
        assert through(value) == value

    def test_its_form_may_hold_any_value(self) -> None:
        register(shapes.Opaque, "O", lambda one: (one.held, {1}), lambda parts: shapes.Opaque())
        assert type(through(shapes.Opaque())) is shapes.Opaque
        register(shapes.Opaque, "O", lambda one: threading.Lock(), lambda parts: shapes.Opaque())
        with pytest.raises(Unstorable, match="lock"):
            through(shapes.Opaque())

    def test_pickle_can_be_chosen_for_a_type(self) -> None:
        register(shapes.Price, "Price", pickle.dumps, pickle.loads)
        assert through(shapes.Price(5)) == shapes.Price(5)

    def test_subclasses_of_builtins_can_be_registered(self) -> None:
        register(OrderedDict, "OrderedDict", lambda one: list(one.items()), OrderedDict)
        assert is_same(through([OrderedDict(b=1, a=2)]), [OrderedDict(b=1, a=2)])

    def test_it_goes_before_what_a_class_is_otherwise(self) -> None:
        written = Codec().encode("n", Entry(shapes.Plain(1), made_at=1.0, fresh_until=2.0))
        register(shapes.Plain, "Plain", lambda one: one.a, shapes.Plain)
        assert through(shapes.Plain(1, "lost")) == shapes.Plain(1)
        assert Codec().decode("n", written) is None

    def test_an_encoder_that_fails_is_named(self) -> None:
        register(shapes.Price, "Price", lambda price: price.euros, shapes.Price)  # type: ignore[attr-defined]
        with pytest.raises(Unstorable, match=r"'Price' failed.*euros"):
            through(shapes.Price(5))

    @pytest.mark.parametrize("decode", [lambda form: form, lambda form: 1 / 0])
    def test_a_decoder_that_fails_makes_a_miss(self, decode: Callable[[Any], Any]) -> None:
        register(shapes.Price, "Price", lambda price: price.cents, decode)
        entry = Entry(shapes.Price(5), made_at=1.0, fresh_until=2.0)
        assert Codec().decode("n", Codec().encode("n", entry)) is None

    def test_so_does_a_name_that_nobody_has_registered(self) -> None:
        register(shapes.Price, "Price", lambda price: price.cents, shapes.Price)
        entry = Entry(shapes.Price(5), made_at=1.0, fresh_until=2.0)
        written = Codec().encode("n", entry)
        classes._by_name.clear()
        assert Codec().decode("n", written) is None

    def test_a_name_stands_for_one_class(self) -> None:
        register(shapes.Price, "Price", lambda price: price.cents, shapes.Price)
        with pytest.raises(BadSetup, match=r"stands for .*shapes\.Price"):
            register(shapes.Opaque, "Price", lambda one: 1, lambda form: shapes.Opaque())

    @pytest.mark.parametrize("kind", [int, str, list, dict, datetime, Stream])
    def test_what_has_a_form_needs_none(self, kind: type) -> None:
        with pytest.raises(BadSetup, match="written down as it is"):
            register(kind, "mine", str, kind)


class TestStreams:
    def test_one_that_has_ended_comes_back_and_can_be_read(self) -> None:
        async def chunks() -> AsyncIterator[str]:
            for chunk in ("It ", "rose."):
                yield chunk

        async def made() -> Stream[str]:
            stream = await Stream.start(chunks())
            await stream.collect()
            return stream

        stream = asyncio.run(made())
        read = through(stream)
        assert read.recording.made_at == stream.recording.made_at
        assert (
            asyncio.run(read.collect()) == asyncio.run(read.again().collect()) == ["It ", "rose."]
        )

    def test_one_that_has_not_is_refused(self) -> None:
        async def endless() -> AsyncIterator[int]:
            yield 1
            await asyncio.sleep(3600)

        async def refused() -> None:
            async with await Stream.start(endless()) as stream:
                with pytest.raises(Unstorable, match="good end"):
                    through(stream)
            with pytest.raises(Unstorable, match="good end"):  # stopped
                through(stream)

        asyncio.run(refused())

    def test_a_broken_one_is_refused(self) -> None:
        recording = Recording.finished([1], 0.0)
        recording.error = ValueError("broken")
        with pytest.raises(Unstorable, match="good end"):
            through(Stream(recording))
