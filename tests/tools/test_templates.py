"""From what is declared, and the arguments of one call, to its resources."""

from typing import Any

import pytest

from headway import BadSetup
from headway.tools import UNKNOWN, Effects, tool


def reads(template: str, **arguments: Any) -> tuple[str, ...]:
    @tool(reads=[template])
    async def ask(one: Any = "default", two: Any = "second", *rest: Any) -> None: ...

    return ask.effects(**arguments).reads


@pytest.mark.parametrize(
    ("template", "one", "resources"),
    [
        ("company:{one}", "NVDA", ("company:NVDA",)),
        ("company:{one}/eps", 7, ("company:7/eps",)),
        ("fixed", "x", ("fixed",)),
        ("{one}:{two}", "a", ("a:second",)),
        ("company:{one}", ["A", "B", "A"], ("company:A", "company:B")),
        ("{one}:x", ("A", "B"), ("A:x", "B:x")),
        ("company:{one[symbol]}", {"symbol": "KO"}, ("company:KO",)),
        ("company:{one!r:>6}", "KO", ("company:  'KO'",)),
        ("{{one}}", "x", ("{one}",)),
    ],
)
def test_arguments_fill_the_gaps(template: str, one: object, resources: tuple[str, ...]) -> None:
    assert reads(template, one=one) == resources


@pytest.mark.parametrize("one", [None, "", [], 1.5, True, {"a": 1}, object()])
def test_what_names_nothing_stands_for_all(one: object) -> None:
    assert reads("company:{one}", one=one) == ("company:*",)


def test_arguments_by_position_by_keyword_and_by_default() -> None:
    @tool(reads=["{a}:{b}:{c}"])
    async def ask(a: str, b: str = "B", *, c: str = "C") -> None: ...

    expected = Effects(reads=("1:B:C",))
    assert ask.effects("1") == ask.effects(a="1") == ask.effects("1", "B", c="C") == expected
    assert ask.effects("1", c="3", b="2").reads == ("1:2:3",)


def test_arguments_without_a_place_of_their_own() -> None:
    @tool(reads=["files/{paths}", "{user}"])
    async def ask(*paths: str, **more: str) -> None: ...

    assert ask.effects("a", "b", user="me").reads == ("files/a", "files/b", "me")
    assert ask.effects().reads == ("files/*", "*")  # no user was named


def test_a_function_of_the_arguments() -> None:
    @tool(reads=lambda path, deep=False: f"files/{path}/*" if deep else [f"files/{path}"])
    async def look(path: str, deep: bool = False) -> None: ...

    assert look.effects("src").reads == ("files/src",)
    assert look.effects("src", deep=True).reads == ("files/src/*",)


def test_effects_that_cannot_be_told_are_a_write_of_anything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @tool(reads=lambda path: [path.nonsense])
    async def look(path: str) -> None: ...

    assert look.effects("src") == UNKNOWN
    assert "its effects cannot be told" in caplog.text


def test_nothing_declared_is_unknown() -> None:
    @tool()
    async def ask() -> None: ...

    @tool(exclusive=True)
    async def run_alone() -> None: ...

    @tool(reads=[])
    async def add(a: int) -> int:
        return a

    assert ask.effects() == run_alone.effects() == UNKNOWN
    assert add.effects(1) == Effects()


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"reads": "company"}, "would be one resource a letter; write reads=\\['company'\\]"),
        (
            {"reads": ["company:{ticker}"]},
            "names 'ticker', which is no argument; there are: symbol",
        ),
        ({"reads": ["company:{}"]}, "a gap without the name of an argument"),
        ({"reads": ["company:{symbol"]}, "cannot be filled in"),
        ({"writes": [3]}, "a resource is a text"),
        ({"writes": 3}, "give a list of resources"),
        ({"reads": [""]}, "a resource is a text"),
        ({"exclusive": True, "reads": ["a"]}, "an exclusive tool may write anything"),
        ({"exclusive": False}, "say what it reads or writes"),
        ({"exclusive": "yes"}, "use True or False"),
        ({"reads": ["a"], "ttl": 0}, "would keep nothing"),
        ({"reads": ["a"], "ttl": "soon"}, "is no duration"),
        ({"reads": ["a"], "scope": "team"}, "scope='team'; use one of 'session', 'tenant'"),
        ({"reads": ["a"], "copy": 3}, "copy=3; use True or False"),
        ({"reads": ["a"], "volatile": "id"}, "give a list of names"),
        ({"reads": ["a"], "volatile": ["id"]}, "no parameter 'id' to leave out"),
    ],
)
def test_slips_are_refused_where_they_are_made(declared: dict[str, Any], said: str) -> None:
    async def ask(symbol: str) -> None: ...

    with pytest.raises(BadSetup, match=said):
        tool(**declared)(ask)


def test_brackets_are_needed() -> None:
    async def ask() -> None: ...

    with pytest.raises(BadSetup, match="with brackets"):
        tool(ask)  # type: ignore[arg-type]
