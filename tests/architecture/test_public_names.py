"""The face: each public name resolves, is Headway's own, says what it is for; nothing else shows.

Their order in ``__all__`` is ruff's affair (RUF022).
"""

import inspect
from types import ModuleType

import pytest

import headway


def test_no_name_twice() -> None:
    assert len(headway.__all__) == len(set(headway.__all__))


@pytest.mark.parametrize("name", headway.__all__)
def test_name_resolves(name: str) -> None:
    assert getattr(headway, name) is not None


@pytest.mark.parametrize("name", headway.__all__)
def test_name_is_documented_and_ours(name: str) -> None:
    value = getattr(headway, name)
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        pytest.skip("a constant or a type alias carries no docstring of its own")
    assert (value.__doc__ or "").strip(), f"headway.{name} has no docstring"
    home = value.__name__ if inspect.ismodule(value) else value.__module__
    assert home.split(".")[0] == "headway"


def test_nothing_else_shows() -> None:
    shown = {
        name
        for name, value in vars(headway).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert shown - set(headway.__all__) - {"annotations"} == set()


def test_star_import_gives_the_list() -> None:
    names: dict[str, object] = {}
    exec("from headway import *", names)
    assert set(headway.__all__) == set(names) - {"__builtins__"}
