"""What ``headway.toml`` says of a tool, by its name: ``[tools."get_*"]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from .. import settings
from ..settings import ToolSettings
from .declaration import Declaration


class Override:
    """The words of ``headway.toml`` about one tool, which win over those in the code."""

    def __init__(self, said: ToolSettings, pattern: str) -> None:
        self.ttl, self.cache = said.ttl, said.cache
        says_effects = not (said.reads is None and said.writes is None and said.exclusive is None)
        self.declaration = (
            Declaration(
                said.reads,
                said.writes,
                said.exclusive,
                said_by=f'headway.toml, [tools."{pattern}"]:',
            )
            if says_effects
            else None
        )


def override_of(*names: str) -> Override | None:
    """What is said of the tool that is known by *names*; None if nothing is.

    A table with one of the names wins, then the first whose pattern fits one of them.
    """
    tables = settings.current().tools
    if not tables:
        return None
    for pattern in _fitting(tables, names):
        return Override(tables[pattern], pattern)
    return None


def _fitting(tables: Mapping[str, ToolSettings], names: tuple[str, ...]) -> Iterator[str]:
    yield from (name for name in names if name in tables)
    for pattern in tables:
        if any(fnmatchcase(name, pattern) for name in names):
            yield pattern
