"""A wrong value in a file of settings: where it stands, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


class WrongValue(Exception):
    """What is wrong with a value, and the names that lead to it in the file."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def near(name: str, known: Sequence[str]) -> str:
    """The way out for a *name* that is none of those *known*."""
    import difflib

    if close := difflib.get_close_matches(name, known, 1):
        return f"did you mean `{close[0]}`?"
    return f"known are {', '.join(known)}"


def title(path: tuple[str, ...]) -> str:
    """A table as it is written in the file: ``[gateway.routes."/v1/embeddings"]``."""
    parts = (part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"' for part in path)
    return f"[{'.'.join(parts)}]"


def place(text: str, path: tuple[str, ...]) -> str:
    """Which line of *text* begins to say what *path* leads to; nothing if none does."""
    for number, values in _statements(text):
        said: object = values
        for name in path:
            said = said.get(name) if isinstance(said, dict) else None
        if said is not None:
            return f", line {number}"
    return ""


def _statements(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Each statement of *text*, which may go over several lines: its first line, what it says."""
    import tomllib

    table = statement = ""
    begun = 1
    for number, line in enumerate(text.splitlines(), 1):
        begun, statement = (begun, f"{statement}\n{line}") if statement else (number, line)
        is_table = statement.lstrip().startswith("[")
        try:
            values = tomllib.loads(statement if is_table else f"{table}\n{statement}")
        except tomllib.TOMLDecodeError:
            continue  # the statement goes on
        if is_table:
            table = statement
        statement = ""
        yield begun, values
