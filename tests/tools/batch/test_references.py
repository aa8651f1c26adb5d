"""References: what may be written, where it leads, and what is refused."""

from dataclasses import dataclass

import msgspec
import pytest

from headway.errors import BadSetup
from headway.tools.references import Names, Reference, filled, follow, places, read

NAMES = Names(["a", "call_2.x", "c", "7"])


def parsed(value: object, by: int = 3) -> object:
    return read(value, NAMES, by)


@pytest.mark.parametrize(
    ("text", "call", "path"),
    [
        ("$1", 0, ()),
        ("$2.name", 1, ("name",)),
        ("${a}", 0, ()),
        ("${a.items[0].price}", 0, ("items", 0, "price")),
        ("${a[-1]}", 0, (-1,)),
        ("${call_2.x}", 1, ()),
        ("${call_2.x.x[0]}", 1, ("x", 0)),
        ("${3.first-name}", 2, ("first-name",)),
    ],
)
def test_a_whole_argument(text: str, call: int, path: tuple[str | int, ...]) -> None:
    assert parsed(text) == Reference(call, path)


@pytest.mark.parametrize(
    "text",
    ["$HOME", "awk '{print $1}'", "costs $5", "$1 and $2", "${", "$", "$1.", "$1 ", "no", "a$$b"],
)
def test_what_is_only_text(text: str) -> None:
    assert parsed(text) is text


@pytest.mark.parametrize(
    ("text", "plain"), [("$$1", "$1"), ("$$2.x", "$2.x"), ("$${a} and ${a}", "${a} and 5")]
)
def test_two_dollars_are_one(text: str, plain: str) -> None:
    assert filled(parsed(text), lambda reference: 5) == plain


def test_an_id_wins_over_a_place() -> None:
    assert read("$7", Names(["7", "b"]), 1) == Reference(0)
    assert read("${2}", Names(["2", "b", "c"]), 2) == Reference(0)


def test_inside_texts_lists_and_objects() -> None:
    given = {"q": ["price of ${a.name}: ${a.price}", 3], "also": {"deep": ("${c}", None)}}
    found = parsed(given)
    assert sorted(places(found)) == [0, 0, 2]
    values = {("name",): "NVDA", ("price",): 1.5, (): {"x": [1]}}
    assert filled(found, lambda reference: values[reference.path]) == {
        "q": ["price of NVDA: 1.5", 3],
        "also": {"deep": [{"x": [1]}, None]},
    }
    assert filled(parsed("is ${c}"), lambda reference: values[()]) == 'is {"x":[1]}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${HOME}", r"'7' refers to \$\{HOME\}, but no call .* write \$\$\{HOME\}"),
        ("$9", "no call of this batch"),
        ("$0", "no call of this batch"),
        ("${b.x}", "no call of this batch"),
        ("${a.}", "no call of this batch"),
        ("${7.x}", "refers to itself"),
    ],
)
def test_what_leads_nowhere_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadSetup, match=why):
        parsed(text)


def test_a_later_call_is_refused() -> None:
    with pytest.raises(BadSetup, match=r"'a' refers to \$\{c.x\}, which comes after it"):
        parsed("${c.x}", by=0)


class Priced(msgspec.Struct):
    price: int


@dataclass
class Named:
    name: str
    _secret: str = "s"


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": [1, {"b": 2}]}, ("a", 1, "b"), 2),
        ({"a": [1, 2]}, ("a", "1"), 2),
        ({1: "one"}, (1,), "one"),
        ({"1": "one"}, (1,), "one"),
        (Priced(5), ("price",), 5),
        (Named("n"), ("name",), "n"),
        ('{"a": {"b": 3}}', ("a", "b"), 3),
        (b"[1, 2]", (-1,), 2),
    ],
)
def test_what_lies_at_a_path(value: object, path: tuple[str | int, ...], found: object) -> None:
    assert follow(value, path) == found


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"a": 1}, ("b",), "it has no 'b'; it is a dict with a"),
        ({"a": [1]}, ("a", 4), "a list of 1, which has no 4"),
        ({"a": [1]}, ("a", "x"), "a list of 1, which has no 'x'"),
        ("no JSON", ("a",), "it is a text, and no JSON"),
        (5, ("real",), "it is a int with no members"),
        (Named("n"), ("__class__",), "it has no '__class__'"),
        (Named("n"), ("__init__", "__globals__"), "it has no '__init__'"),
    ],
)
def test_what_is_not_there(value: object, path: tuple[str | int, ...], why: str) -> None:
    with pytest.raises(LookupError, match=why):
        follow(value, path)
