"""Equal questions have equal keys, and no others: any value, any signature, any way of asking."""

import copy
import dataclasses
import enum
import inspect
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.keys import bind, canonical, digest, key_from_signature


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Size(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Fund:
    symbol: Any
    weight: Any


@dataclasses.dataclass(frozen=True)
class Share:
    symbol: Any
    weight: Any


class Record(msgspec.Struct, frozen=True):
    symbol: Any
    weight: Any


class Label(str):
    pass


def same_question(one: Any, other: Any) -> bool:
    """Equal by value and by type at every depth, decided without a key."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return same_float(one, other)
    if isinstance(one, complex):
        return same_float(one.real, other.real) and same_float(one.imag, other.imag)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same_question, one, other))
    if isinstance(one, set | frozenset):
        return same_in_any_order(list(one), list(other))
    if isinstance(one, dict):
        return same_in_any_order(list(one.items()), list(other.items()))
    if isinstance(one, Fund | Share | Record):
        return same_question((one.symbol, one.weight), (other.symbol, other.weight))
    if isinstance(one, Decimal):
        return bool(one.as_tuple() == other.as_tuple())
    return bool(one == other)


def same_float(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other and math.copysign(1, one) == math.copysign(1, other)


def same_in_any_order(some: list[Any], others: list[Any]) -> bool:
    others = list(others)
    for one in some:
        match = next((place for place, it in enumerate(others) if same_question(one, it)), None)
        if match is None:
            return False
        del others[match]
    return not others


def retold(value: Any) -> Any:
    """The same question with every dict and set put together the other way round."""
    if isinstance(value, dict):
        return {retold(key): retold(of_key) for key, of_key in reversed(value.items())}
    if isinstance(value, tuple | list | set | frozenset):
        return type(value)([retold(one) for one in list(value)[:: -1 if is_set(value) else 1]])
    if isinstance(value, Fund | Share | Record):
        return type(value)(retold(value.symbol), retold(value.weight))
    return value


def is_set(value: object) -> bool:
    return isinstance(value, set | frozenset)


# Few and much alike, so that two drawn values are often nearly the same, and sometimes are.
ALIKE = [
    *(0, 1, True, False, None, 0.0, -0.0, 1.0, 1 + 0j, "", "1", "a", b"1", b"a", "None"),
    *(float("nan"), Colour.RED, Colour.GREEN, Size.ONE, Label("a"), Decimal("1"), Decimal("1.0")),
]
alike = st.sampled_from(ALIKE)
anything = st.one_of(
    alike,
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=5),  # with lone surrogates
    st.binary(max_size=5),
    st.decimals().filter(lambda value: not value.is_snan()),  # such a NaN has no hash
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
)


def grown(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    hashable = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=2).map(tuple), st.frozensets(inner, max_size=2)
        ),
        max_leaves=3,
    )
    return st.recursive(
        hashable,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.sets(hashable, max_size=3),
            st.dictionaries(hashable, inner, max_size=3),
            st.builds(Fund, inner, inner),
            st.builds(Share, inner, inner),
            st.builds(Record, inner, inner),
        ),
        max_leaves=6,
    )


values_alike, any_values = grown(alike), grown(anything)


@given(st.one_of(st.tuples(values_alike, values_alike), st.tuples(any_values, any_values)))
def test_same_bytes_mean_the_same_question_and_no_other(pair: tuple[Any, Any]) -> None:
    one, other = pair
    assert (canonical(one) == canonical(other)) == same_question(one, other)
    assert (digest(canonical(one)) == digest(canonical(other))) == same_question(one, other)


@given(any_values)
def test_order_and_copies_do_not_matter(value: Any) -> None:
    again = retold(value)
    assert same_question(value, again)
    assert canonical(value) == canonical(again) == canonical(copy.deepcopy(value))


@given(values_alike, st.data())
def test_one_changed_leaf_is_another_question(value: Any, data: st.DataObject) -> None:
    leaf, other = data.draw(alike), data.draw(alike)
    one, changed = [value, {"k": (leaf, value)}], [value, {"k": (other, value)}]
    assert (canonical(one) == canonical(changed)) == same_question(leaf, other)


@given(any_values, any_values)
def test_no_bytes_begin_others(one: Any, other: Any) -> None:
    before, after = canonical(one), canonical(other)
    assert before == after or not after.startswith(before)


@st.composite
def functions(draw: st.DrawFn) -> Callable[..., Any]:
    """A function of any signature that returns its arguments: a, b, c ..., and more in z and zz."""
    names = list("abcdef"[: draw(st.integers(0, 5))])
    cuts = sorted(draw(st.lists(st.integers(0, len(names)), min_size=2, max_size=2)))
    first_default = draw(st.integers(0, cuts[1]))
    parts: list[str] = []
    defaults = draw(st.lists(alike, min_size=len(names), max_size=len(names)))
    has_more = draw(st.booleans())
    for place, name in enumerate(names):
        if place == cuts[0] > 0:
            parts.append("/")
        if place == cuts[1]:
            parts.append("*z" if has_more else "*")
        keyword_only = place >= cuts[1]
        has_default = draw(st.booleans()) if keyword_only else place >= first_default
        parts.append(f"{name}=defaults[{place}]" if has_default else name)
    if cuts[0] == len(names) > 0:
        parts.append("/")
    if cuts[1] == len(names) and has_more:
        parts.append("*z")
    if draw(st.booleans()):
        parts.append("**zz")
    room: dict[str, Any] = {"defaults": defaults, "__name__": __name__}
    exec(f"def drawn({', '.join(parts)}): return locals()", room)
    drawn: Callable[..., Any] = room["drawn"]
    return drawn


arguments = st.one_of(alike, alike, values_alike)
calls = st.tuples(
    st.lists(arguments, max_size=5).map(tuple),
    st.dictionaries(st.sampled_from("abcdefxy"), arguments, max_size=4),
)


def bound(run: Callable[..., Any], call: tuple[Any, Any]) -> dict[str, Any] | None:
    """The arguments by name as the function itself sees them, or None where they do not fit."""
    try:
        found: dict[str, Any] = run(*call[0], **call[1])
    except TypeError:
        return None
    return found


def key(key_of: Callable[[Any, Any], Any], call: tuple[Any, Any]) -> Any:
    try:
        return key_of(*call)
    except TypeError:
        return None


@settings(max_examples=400)
@given(functions(), calls, calls)
def test_two_calls_of_any_function(run: Callable[..., Any], one: Any, other: Any) -> None:
    key_of, by_name = key_from_signature(run), bind(run)
    of_one, of_other = bound(run, one), bound(run, other)
    key_of_one, key_of_other = key(key_of, one), key(key_of, other)
    assert (key_of_one is None) == (of_one is None)
    if of_one is None or of_other is None:
        return
    assert (key_of_one == key_of_other) == same_question(of_one, of_other)
    assert (digest(key_of_one) == digest(key_of_other)) == same_question(of_one, of_other)
    named = {**of_one.pop("zz", {}), **of_one}
    assert same_question(named, by_name(*one))


@given(functions(), st.data())
def test_how_arguments_are_passed_never_changes_the_key(
    run: Callable[..., Any], data: st.DataObject
) -> None:
    parameters = list(inspect.signature(run).parameters.values())
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    values = {one.name: data.draw(arguments) for one in named}
    for one in named:
        if one.default is not one.empty and data.draw(st.booleans()):
            values[one.name] = copy.deepcopy(one.default)
    key_of = key_from_signature(run)
    keys = {key_of(*_passed(named, values, data)) for _ in range(3)}
    assert len(keys) == 1
    assert len({digest(one) for one in keys}) == 1


def _passed(
    named: list[inspect.Parameter], values: dict[str, Any], data: st.DataObject
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    by_position = [one for one in named if one.kind is not one.KEYWORD_ONLY]
    least = sum(one.kind is one.POSITIONAL_ONLY for one in named)
    count = data.draw(st.integers(least, len(by_position)))
    args = tuple(retold(values[one.name]) for one in by_position[:count])
    rest = data.draw(st.permutations([one for one in named if one not in by_position[:count]]))
    left_out = [
        one
        for one in rest
        if one.default is not one.empty
        and same_question(values[one.name], one.default)
        and data.draw(st.booleans())
    ]
    return args, {one.name: retold(values[one.name]) for one in rest if one not in left_out}
