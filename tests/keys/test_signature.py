import functools
import os
import subprocess
import sys
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any

import pytest

from headway.errors import BadSetup, NoKey
from headway.keys import bind, digest, key_from_signature, without


async def price(symbol: Any) -> None:
    pass


async def history(symbol: Any, period: Any = 2) -> None:
    pass


async def search(text: Any, /, top: Any = 5, *, floor: Any = 0.5, mode: Any = None) -> None:
    pass


async def total(first: Any, *others: Any, scale: Any = 1, **options: Any) -> None:
    pass


async def now() -> None:
    pass


async def only_by_name(*, symbol: Any) -> None:
    pass


async def partly_by_name(symbol: Any, *, period: Any) -> None:
    pass


class Session:
    def __repr__(self) -> str:
        return "Session(token=hunter2)"


NOT_GIVEN = Session()


async def ask(prompt: Any, timeout: Any = NOT_GIVEN) -> None:
    pass


class Desk:
    async def quote(self, symbol: Any, venue: Any = "X") -> None:
        pass


class Ask:
    async def __call__(self, prompt: Any) -> None:
        pass


def keys(run: Callable[..., Any]) -> Callable[..., Hashable]:
    key_of = key_from_signature(run)
    return lambda *args, **kwargs: key_of(args, kwargs)


VALUES = [
    *("", "1", "a", b"", b"1", None, "None", 0, 1, -1, 10**30, True, False),
    *(0.0, -0.0, 1.0, float("nan"), float("inf"), 1j, (1,), (True,), [1], {1}, {True}, {"a": 1}),
    *("0x1.0000000000000p+0", "nan", str, int, (), [], {}, Decimal(1), ("1", str), (1, int)),
]


@pytest.mark.parametrize("run", [price, history, search, total], ids=lambda run: run.__name__)
def test_a_value_is_told_from_every_other(run: Callable[..., Any]) -> None:
    key_of = keys(run)
    made = [key_of(value) for value in VALUES]
    assert len(set(made)) == len(made)
    assert len({digest(key) for key in made}) == len(made)
    assert made == [key_of(value) for value in VALUES]


def test_two_values_are_told_from_every_other_two() -> None:
    key_of = keys(history)
    made = {key_of(one, other) for one in VALUES for other in VALUES}
    assert len(made) == len(VALUES) ** 2


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_passing_style_does_not_matter(value: object) -> None:
    assert keys(price)(value) == keys(price)(symbol=value)
    same = [((value, value), {}), ((value,), {"period": value})]
    same += [((), {"period": value, "symbol": value}), ((), {"symbol": value, "period": value})]
    assert len({keys(history)(*args, **kwargs) for args, kwargs in same}) == 1


def test_defaults_left_or_spelled_out_are_one_question() -> None:
    key_of = keys(history)
    assert key_of(1) == key_of(1, 2) == key_of(symbol=1) == key_of(1, period=2)
    assert key_of(1) != key_of(1, True)
    assert key_of(1) != key_of(1, 2.0)
    key_of = keys(search)
    assert key_of("a") == key_of("a", 5, floor=0.5) == key_of("a", mode=None, top=5)
    assert key_of("a") != key_of("a", floor=0.25)
    assert keys(now)() == keys(now)()


def test_more_arguments_by_position_and_by_name() -> None:
    key_of = keys(total)
    assert key_of(1, 2, 3) != key_of(1, 3, 2)
    assert key_of(1, a=1, b=2) == key_of(1, b=2, a=1) == key_of(1, b=2, scale=1, a=1)
    assert key_of(first=1) == key_of(1)
    questions = [
        key_of(1),
        key_of(1, 1),
        key_of(1, scale=2),
        key_of(1, 2),
        key_of(1, a=1),
        key_of(1, a=True),
        key_of(1, 1, a=1),
        key_of(1, b=1),
        key_of(1, "a", 1),
        key_of(1, ("a", 1)),
        key_of(1, {"a": 1}),
        key_of(1, others=(1,)),
        key_of(1, options={"a": 1}),
        key_of((1, 1)),
    ]
    assert len(set(questions)) == len(questions)


def test_positional_only_with_a_default() -> None:
    def offset(a: object = 1, /, b: object = 2) -> None:
        pass

    key_of = keys(offset)
    assert key_of() == key_of(1) == key_of(b=2) == key_of(1, b=2)
    assert key_of(b=3) == key_of(1, 3) != key_of(3)


def test_a_name_may_be_positional_only_and_an_option_as_well() -> None:
    def options(a: object, /, b: object = 0, **more: object) -> None:
        pass

    key_of = keys(options)
    assert len({key_of(1), key_of(1, a=2), key_of(2, a=1), key_of(1, 2), key_of(1, 2, a=2)}) == 5
    assert key_of(1, b=2, a=3) == key_of(1, 2, a=3)


@pytest.mark.parametrize(
    ("run", "args", "kwargs", "message"),
    [
        (price, (), {}, r"test_signature\.price\(\) missing a required argument: 'symbol'"),
        (price, (1, 2), {}, "too many positional arguments"),
        (price, (1,), {"symbol": 1}, "multiple values for argument 'symbol'"),
        (price, (1,), {"symbl": 1}, "unexpected keyword argument 'symbl'"),
        (search, (), {"text": "a"}, "'text'"),
        (search, ("a", 1, 2), {}, "too many positional arguments"),
        (total, (), {"scale": 1}, "missing a required argument: 'first'"),
        (total, (1,), {"first": 1}, "multiple values for argument 'first'"),
        (Desk.quote, (), {}, "missing a required argument: 'self'"),
        (now, (1,), {}, "too many positional arguments"),
        (only_by_name, (1,), {}, "too many positional arguments|'symbol'"),
        (partly_by_name, (1, 2), {}, "too many positional arguments|'period'"),
    ],
)
def test_what_does_not_fit_is_said_as_python_says_it(
    run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    for ask_for in (key_from_signature(run), bind(run)):
        with pytest.raises(TypeError, match=message) as caught:
            ask_for(args, kwargs)
        assert not isinstance(caught.value, NoKey)


def test_a_key_is_a_snapshot() -> None:
    key_of, symbols = keys(price), ["a"]
    before = key_of(symbols)
    symbols.append("b")
    assert key_of(["a"]) == before != key_of(symbols)


def test_a_key_is_small_however_large_the_argument() -> None:
    key = keys(price)(["x" * 10_000_000])
    assert isinstance(key, bytes)
    assert len(key) == 32


def test_the_argument_without_key_is_named_with_the_ways_out() -> None:
    ways = r"__headway_key__.*key=without\(\"%s\"\).*key=, a function"
    refused = [
        ("symbol", keys(price), ([{"a": Session()}],), {}),
        ("period", keys(history), (1,), {"period": Session()}),
        ("others", keys(total), (1, 2, Session()), {}),
        ("trace", keys(total), (1,), {"trace": Session()}),
        ("self", keys(Desk.quote), (1, "a"), {}),
    ]
    for name, key_of, args, kwargs in refused:
        with pytest.raises(NoKey, match=ways % name) as caught:
            key_of(*args, **kwargs)
        assert f"the argument {name!r}" in str(caught.value)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(NoKey, match=r"test_signature\.price:.*test_signature\.Session") as caught:
        keys(price)(Session())
    assert caught.value.operation == f"{__name__}.price"


def test_a_default_without_canonical_form_needs_none() -> None:
    key_of = keys(ask)
    assert key_of("a") == key_of("a", NOT_GIVEN) == key_of(timeout=NOT_GIVEN, prompt="a")
    assert key_of(["a"]) == key_of(["a"], NOT_GIVEN)
    assert len({key_of("a"), key_of("b"), key_of("a", None), key_of(["a"]), key_of(["a"], 1)}) == 5
    with pytest.raises(NoKey):
        key_of("a", Session())
    with pytest.raises(NoKey):
        key_of(NOT_GIVEN)
    assert digest(key_of("a")) == digest(key_of("a", timeout=NOT_GIVEN))


def test_methods_count_their_object() -> None:
    key_of, one, other = keys(Desk.quote), Desk(), Desk()
    assert key_of(one, "a") == key_of(one, symbol="a") == key_of(self=one, symbol="a", venue="X")
    assert key_of(one, ["a"]) == key_of(one, ["a"], "X")
    different = [key_of(one, "a"), key_of(other, "a"), key_of(one, 1), key_of(one, True)]
    different += [key_of(one, ["a"]), key_of(other, ["a"]), key_of(one, "a", 1.5)]
    assert len(set(different)) == len(different)
    assert keys(one.quote)("a") == key_of(one, "a")
    assert keys(one.quote)("a") != keys(other.quote)("a")


def test_what_is_wrapped_around_a_function_is_part_of_the_question() -> None:
    assert keys(functools.partial(history, 1))(2) == keys(history)(1, 2)
    assert keys(functools.partial(history, period=3))(1) == keys(history)(1, 3)
    assert keys(functools.partial(history, period=3))(1, period=4) == keys(history)(1, 4)
    assert keys(functools.partial(Desk().quote, "a"))() != keys(functools.partial(price, "a"))()
    one, other = Ask(), Ask()
    assert keys(one)("a") == keys(one)(prompt="a") != keys(other)("a")


def test_functions_that_do_not_say_what_they_take() -> None:
    key_of = keys(functools.lru_cache(lambda a, b=2: None))
    assert key_of(1) == key_of(1, 2)
    key_of = keys(dict)
    assert key_of(a=1, b=2) == key_of(b=2, a=1) != key_of(a=1, b=3)


def test_without_leaves_parameters_out() -> None:
    key_of = without("period").build(history)
    assert key_of((1, 2), {}) == key_of((1,), {"period": Session()}) == key_of((1,), {})
    assert key_of((1,), {}) != key_of((True,), {})
    assert key_of(("a", 2), {}) != key_of((["a"], 2), {}) == key_of((["a"],), {})
    key_of = without("text", "floor").build(search)
    assert key_of((Session(), 1), {}) == key_of((None,), {"top": 1, "floor": 1})
    assert key_of((1,), {"mode": "a"}) != key_of((1,), {"mode": "b"})
    everything = without("symbol").build(price)
    assert everything((1,), {}) == everything((2,), {})


def test_without_self_shares_among_objects() -> None:
    key_of = without("self").build(Desk.quote)
    assert key_of((Desk(), "a"), {}) == key_of((Desk(), "a"), {}) != key_of((Desk(), "b"), {})
    kept = without("venue").build(Desk.quote)
    one = Desk()
    assert kept((one, "a", "X"), {}) == kept((one, "a", "Y"), {}) != kept((Desk(), "a"), {})
    assert kept((one, ["a"]), {}) == kept((one,), {"symbol": ["a"]})


def test_without_reaches_into_more_arguments() -> None:
    key_of = without("request_id").build(total)
    assert key_of((1,), {"request_id": 1}) == key_of((1,), {"request_id": 2}) == key_of((1,), {})
    assert key_of((1,), {"request_id": 1, "a": 1}) != key_of((1,), {"request_id": 1, "a": 2})
    key_of = without("others", "options").build(total)
    assert key_of((1, 2, 3), {"a": 1}) == key_of((1,), {}) != key_of((1,), {"scale": 2})


def test_without_says_what_there_is_when_a_name_is_wrong() -> None:
    wrong = r"history has no parameter 'perod', 'sybmol' to leave out; it has 'symbol', 'period'"
    with pytest.raises(BadSetup, match=wrong):
        without("sybmol", "perod").build(history)
    with pytest.raises(BadSetup, match="it has none"):
        without("a").build(now)
    with pytest.raises(BadSetup, match="name the parameters"):
        without()
    with pytest.raises(BadSetup, match="name the parameters"):
        without(1)  # type: ignore[arg-type]


def test_bind_gives_the_arguments_by_name() -> None:
    assert bind(history)(("a",), {}) == {"symbol": "a", "period": 2}
    assert bind(search)(("a",), {"mode": 1}) == {"text": "a", "top": 5, "floor": 0.5, "mode": 1}
    given = bind(total)((1, 2, 3), {"tenant": "t"})
    assert given == {"first": 1, "others": (2, 3), "scale": 1, "tenant": "t"}
    assert "company:{symbol}".format(**bind(functools.partial(price, "NVDA"))((), {})) == (
        "company:NVDA"
    )
    desk = Desk()
    assert bind(desk.quote)(("a",), {}) == {"self": desk, "symbol": "a", "venue": "X"}


def test_digest_is_32_hexadecimal_digits_for_every_form_of_key() -> None:
    forms = [keys(price)("a"), keys(price)(1), keys(price)(0.5), keys(price)(["a"])]
    forms += [keys(history)("a", "b"), keys(history)("a"), keys(Desk.quote)(Desk(), "a")]
    digests = {digest((("shop.price", "2", 0), key)) for key in forms}
    assert len(digests) == len(forms)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in digests)
    assert digest(("a", forms[0])) != digest(("b", forms[0]))


STABLE = """
import dataclasses, enum, sys
from decimal import Decimal
from headway.keys import digest, key_from_signature

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Fund:
    tags: object

class Shop:
    @classmethod
    async def price(cls, symbol, at=None, **more): pass

async def history(symbol, period=2): pass

names = {f"name {n}" for n in range(100)}
values = ["a", 1, None, 1.5, b"a", names, frozenset(names), dict.fromkeys(names)]
values += [Fund({Colour.RED: names}), {1, "1", (1, "1"), None}, Decimal("1.0"), int, Fund]
values.append(Shop.price)
of_history, of_price = key_from_signature(history), key_from_signature(Shop.price)
for value in values:
    print(digest(("shop", of_history((value,), {}))))
    print(digest(("shop", of_price(("a", value), {}))))
    print(digest(("shop", of_price((), {"symbol": value, "b": 1, "a": 2}))))
"""


def test_digests_are_the_same_in_every_process() -> None:
    outs = []
    for seed in ("0", "1", "4242"):
        command = [sys.executable, "-c", STABLE]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30, env=environment
        )
        outs.append(run.stdout.split())
    assert len(outs[0]) == 42 == len(set(outs[0]))
    assert outs[0] == outs[1] == outs[2]
