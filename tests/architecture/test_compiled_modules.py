"""What the compiled wheel compiles is fit for it: the compiler itself would not object."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.import_graph import PACKAGE

ROOT = PACKAGE.parents[1]


def hook() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: dict[str, Any] = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    return found


def objections(source: str) -> Iterator[str]:
    """Why a module with such a text has to stay interpreted."""
    for node in ast.walk(ast.parse(source)):
        bases = node.bases if isinstance(node, ast.ClassDef) else []
        if any(ast.unparse(base).endswith("Struct") for base in bases):
            yield "a Struct loses its keywords and its annotations"
        if isinstance(node, ast.FunctionDef) and any(map(_asks_a_generator, _inside(node))):
            yield "a generator with a name becomes a list, of which next() knows nothing"
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if "weakref" in names or (isinstance(node, ast.ImportFrom) and node.module == "weakref"):
            yield "a compiled class cannot be held weakly"


def _inside(function: ast.FunctionDef) -> Iterator[tuple[set[str], ast.AST]]:
    """Each node of a function, with the names that stand for generators there."""
    nodes = list(ast.walk(function))
    kept = [one for one in nodes if isinstance(one, ast.Assign)]
    generators = {
        ast.unparse(name)
        for one in kept
        for name in one.targets
        if isinstance(one.value, ast.GeneratorExp)
    }
    return ((generators, node) for node in nodes)


def _asks_a_generator(known_and_node: tuple[set[str], ast.AST]) -> bool:
    generators, node = known_and_node
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "next"
        and ast.unparse(node.args[0]) in generators
    )


def subclassed(source: str) -> set[str]:
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return {base.id for one in classes for base in one.bases if isinstance(base, ast.Name)}


def test_off_unless_asked_for() -> None:
    assert hook()["enable-by-default"] is False


@pytest.mark.parametrize("place", hook()["include"])
def test_a_compiled_module_is_there_and_fit(place: str) -> None:
    assert list(objections((ROOT / place.lstrip("/")).read_text("utf-8"))) == []


def test_no_interpreted_class_stands_on_a_compiled_one() -> None:
    compiled = {ROOT / place.lstrip("/") for place in hook()["include"]}
    trees = [ast.parse(path.read_text("utf-8")) for path in compiled]
    classes = {node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    protocols = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in node.bases)
    }
    rest = set(Path(PACKAGE, "gateway").glob("*.py")) | set(Path(PACKAGE, "wire").glob("*.py"))
    rest |= set(Path(PACKAGE, "monitor").glob("*.py")) | set(Path(PACKAGE, "runs").glob("*.py"))
    for path in rest - compiled:
        assert not subclassed(path.read_text("utf-8")) & (classes - protocols), path


@pytest.mark.parametrize(
    "source",
    [
        "class A(msgspec.Struct): ...",
        "class A(Struct): ...",
        "import weakref",
        "def f():\n    all = (n for n in ())\n    return next(all)",
    ],
)
def test_the_rule_catches(source: str) -> None:
    assert list(objections(source))
