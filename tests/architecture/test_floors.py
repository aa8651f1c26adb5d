"""The house stands: no arrow upward, none between neighbours, no circle, no nameless room."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture.import_graph import FACE, OUTSIDE, PACKAGE, Arrow, House, room_of

# Lowest first. A room (a file or a folder of src/headway) imports only from floors below its own.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "clock", "events"}),
    frozenset({"bridge", "keys", "prices", "scope", "settings", "stream", "wire"}),
    frozenset({"stores"}),
    frozenset({"call", "monitor"}),
    frozenset({"policies"}),
    frozenset({"adapters", "graph", "prompt", "tools"}),
    frozenset({"database", "doors", "mcp", "recall", "runs", "testing", "web"}),
    frozenset({"gateway"}),
    frozenset({"cli"}),
)
# (importer, imported) rooms of one floor that may know each other, each with its reason.
ALLOWED_SIDEWAYS: frozenset[tuple[str, str]] = frozenset()

MEANINGLESS = frozenset(
    {"common", "core", "engine", "helper", "manager", "processor", "service", "util"}
    | {"helpers", "managers", "processors", "services", "utils"}
)

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS, 1) for room in rooms}
ROOT = PACKAGE.parents[1]


def rooms_without_floor(house: House) -> set[str]:
    return {room_of(module) for module in house.files} - set(FLOOR_OF) - {"", OUTSIDE}


def is_wrong_inside(arrow: Arrow) -> bool:
    """The arrow leads from a room to a floor that is not below it."""
    importer, imported = room_of(arrow.importer), room_of(arrow.imported)
    if importer == imported or importer not in FLOOR_OF or imported not in FLOOR_OF:
        return False
    is_below = FLOOR_OF[imported] < FLOOR_OF[importer]
    return not is_below and (importer, imported) not in ALLOWED_SIDEWAYS


def is_wrong_at_the_face(arrow: Arrow) -> bool:
    """Somebody inside imports the face, which imports everybody."""
    return arrow.imported == FACE and room_of(arrow.importer) in FLOOR_OF


def is_wrong_from_outside(arrow: Arrow) -> bool:
    """An application imports something other than the face and its own files."""
    if room_of(arrow.importer) != OUTSIDE or arrow.imported == FACE:
        return False
    return arrow.imported.split(".")[:3] != arrow.importer.split(".")[:3]


def is_wrong_to_outside(arrow: Arrow) -> bool:
    """Somebody other than the cli, or the application itself, imports an application."""
    return room_of(arrow.imported) == OUTSIDE and room_of(arrow.importer) not in {"cli", OUTSIDE}


def meaningless_names(root: Path) -> Iterator[str]:
    """Files and classes under *root* whose name says nothing about what they do."""
    for path in sorted(root.rglob("*.py")):
        if MEANINGLESS & set(path.stem.lower().split("_")):
            yield str(path)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", node.name)
                if MEANINGLESS & {word.lower() for word in words}:
                    yield f"{path}:{node.lineno} class {node.name}"


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_every_room_has_a_floor(house: House) -> None:
    assert rooms_without_floor(house) == set()


RULES = (is_wrong_inside, is_wrong_at_the_face, is_wrong_from_outside, is_wrong_to_outside)


@pytest.mark.parametrize("is_wrong", RULES, ids=lambda rule: rule.__name__)
def test_no_arrow_is_wrong(house: House, is_wrong: Callable[[Arrow], bool]) -> None:
    wrong = [f"{a.importer} -> {a.imported}  ({a.place})" for a in house.arrows if is_wrong(a)]
    assert wrong == []


def test_no_circle(house: House) -> None:
    assert house.circle() == []


def test_names_say_something() -> None:
    folders = (PACKAGE, ROOT / "tests", ROOT / "bench")
    assert [name for folder in folders for name in meaningless_names(folder)] == []


# The rules catch what they are there for, shown on small houses with one fault each.


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("events.py", "from headway.call import Call", is_wrong_inside),
        ("events.py", "import headway.clock", is_wrong_inside),
        ("keys.py", "from .stores.entry import Key", is_wrong_inside),
        ("stores/memory.py", "from ..call import Call", is_wrong_inside),
        ("stores/__init__.py", "from .. import call", is_wrong_inside),
        ("call.py", "def f():\n    from headway import policies", is_wrong_inside),
        (
            "call.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import headway.policies",
            is_wrong_inside,
        ),
        ("call.py", "import importlib\nimportlib.import_module('headway.graph')", is_wrong_inside),
        ("graph.py", "from headway import operation", is_wrong_at_the_face),
        ("stores/memory.py", "import headway", is_wrong_at_the_face),
        ("apps/research/main.py", "from headway.graph import Graph", is_wrong_from_outside),
        ("apps/research/main.py", "from headway import keys", is_wrong_from_outside),
        ("apps/research/main.py", "from headway.apps.companion import x", is_wrong_from_outside),
        ("runs/recorder.py", "from headway.apps.research import x", is_wrong_to_outside),
    ],
)
def test_a_wrong_arrow_is_seen(
    small_house: Callable[..., House], path: str, source: str, rule: Callable[[Arrow], bool]
) -> None:
    assert any(rule(arrow) for arrow in small_house({path: source}).arrows)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("stores/memory.py", "from headway.stores.entry import Entry\nfrom headway import events"),
        ("policies/cache.py", "from ..call import Call\nimport headway.stores.entry"),
        ("apps/research/main.py", "import headway\nfrom . import words\nfrom headway import Cache"),
        ("apps/research/main.py", "from headway import clock"),
        ("cli/main.py", "from headway.apps.research import main"),
        ("__init__.py", "from headway.call import Call"),
    ],
)
def test_a_right_arrow_passes(small_house: Callable[..., House], path: str, source: str) -> None:
    arrows = small_house({path: source}).arrows
    assert arrows
    assert not [arrow for arrow in arrows for rule in RULES if rule(arrow)]


def test_a_circle_inside_a_room_is_seen(small_house: Callable[..., House]) -> None:
    house = small_house(
        {
            "stores/a.py": "from headway.stores import b",
            "stores/b.py": "def f():\n    from .c import x",
            "stores/c.py": "import headway.stores.a",
        }
    )
    names = [module.rpartition(".")[2] for module in house.circle()]
    assert names == ["a", "b", "c", "a"]


def test_a_room_without_floor_is_seen(small_house: Callable[..., House]) -> None:
    assert rooms_without_floor(small_house({"attic.py": ""})) == {"attic"}


def test_a_meaningless_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "string_utils.py").write_text("class HTTPManager: ...\nclass Scored: ...\n")
    found = list(meaningless_names(tmp_path))
    assert [text.rpartition("/")[2] for text in found] == [
        "string_utils.py",
        "string_utils.py:1 class HTTPManager",
    ]


@pytest.fixture
def small_house(tmp_path: Path) -> Callable[..., House]:
    """Makes a house of empty rooms and the given files."""

    def make(sources: dict[str, str]) -> House:
        modules = (
            "call",
            "clock",
            "graph",
            "keys",
            "events",
            "stores/entry",
            "apps/research/words",
        )
        packages = ("stores", "policies", "apps/companion", "apps/research")
        files = {f"{module}.py": "" for module in modules}
        files |= {f"{package}/__init__.py": "" for package in packages}
        files |= {"__init__.py": "__all__ = ['clock']"} | sources
        for path, source in files.items():
            (tmp_path / "headway" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "headway" / path).write_text(source)
        return House(tmp_path / "headway")

    return make
