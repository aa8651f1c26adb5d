"""Who imports whom, read from the source: a drawing of the house that runs none of it.

Every import statement counts, also inside a function or under ``if TYPE_CHECKING``; so does
``import_module`` with a literal name. Relative imports are resolved.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FACE = "headway"
# The applications stand outside the house and see nothing of it but the face.
OUTSIDE = "apps"
PACKAGE = Path(__file__).parents[2] / "src" / FACE


class Arrow(NamedTuple):
    """One file importing another, and where."""

    importer: str
    imported: str
    place: str


class House:
    """The modules of a package and the arrows between them; names are dotted, face included."""

    def __init__(self, package: Path = PACKAGE) -> None:
        self.files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
        self.public = {f"{FACE}.{name}" for name in _public_names(self.files[FACE])}
        self.arrows = sorted({arrow for module in self.files for arrow in self._arrows_of(module)})

    def _arrows_of(self, module: str) -> Iterator[Arrow]:
        path = self.files[module]
        is_package = path.name == "__init__.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            for imported in _targets(node, module, is_package):
                if imported.split(".")[0] == FACE:
                    target = self._target_of(imported, module)
                    yield Arrow(module, target, f"{path}:{getattr(node, 'lineno', 0)}")

    def _target_of(self, dotted: str, importer: str) -> str:
        """A module that the face hands out is, for those outside, a part of the face."""
        if room_of(importer) == OUTSIDE and dotted in self.public:
            return FACE
        return self._file_of(dotted)

    def _file_of(self, dotted: str) -> str:
        """The module behind *dotted*, which may name something inside that module."""
        while dotted not in self.files and "." in dotted:
            dotted = dotted.rpartition(".")[0]
        return dotted

    def circle(self) -> list[str]:
        """The modules along one circle, the first repeated at the end; empty if there is none."""
        onward: dict[str, list[str]] = {module: [] for module in self.files}
        for arrow in self.arrows:
            onward[arrow.importer].append(arrow.imported)
        finished: set[str] = set()
        for start in self.files:
            found = _circle_from(start, onward, [], finished)
            if found:
                return found
        return []


def room_of(module: str) -> str:
    """The room of a module: ``stores`` for ``headway.stores.memory``, nothing for the face."""
    return module.partition(".")[2].partition(".")[0]


def _public_names(face: Path) -> list[str]:
    for node in ast.parse(face.read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=listed):
                return [str(name) for name in ast.literal_eval(listed)]
    return []


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join((FACE, *(part for part in parts if part != "__init__")))


def _targets(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=origin, names=names, level=level):
            base = _absolute(origin, level, module, is_package)
            yield from (f"{base}.{alias.name}" for alias in names)
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield _absolute(name.lstrip("."), len(name) - len(name.lstrip(".")), module, is_package)


def _absolute(origin: str | None, level: int, module: str, is_package: bool) -> str:
    if level == 0:
        return origin or ""
    parts = module.split(".")
    base = parts[: len(parts) - level + is_package]
    return ".".join([*base, origin] if origin else base)


def _circle_from(
    module: str, onward: dict[str, list[str]], trail: list[str], finished: set[str]
) -> list[str]:
    if module in trail:
        return [*trail[trail.index(module) :], module]
    if module in finished:
        return []
    for target in onward.get(module, ()):
        found = _circle_from(target, onward, [*trail, module], finished)
        if found:
            return found
    finished.add(module)
    return []
