"""Base URLs that a ``.env`` says: programs let the environment win over it, and we set that."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(
    r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*
    (?:'(?P<plain>[^']*)'|"(?P<quoted>[^"]*)"|(?P<bare>.*?(?=\s\#|$)))""",
    re.VERBOSE,
)
LONGEST: Final = 256 * 1024


def said_by_dot_env(
    command: Sequence[str], names: Collection[str], environment: Mapping[str, str]
) -> tuple[dict[str, str], Path | None]:
    """Which of *names* the program's ``.env`` says and *environment* does not, and which file.

    It is looked for as programs do: from the script's folder upward, then from this one. One that
    somebody else put above them, such as ``/tmp/.env``, says nothing: keys would go where it says.
    """
    for path in _places(command):
        try:
            if not _is_ours(path):
                continue
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(LONGEST)
        except OSError:
            continue
        said = {
            name: value
            for name, value in _values(text)
            if name in names and value and not environment.get(name)
        }
        return said, path if said else None
    return {}, None


def script_of(command: Sequence[str]) -> Path | None:
    """The script that *command* runs: the first of its arguments that is a file with an ending."""
    words = (Path(word) for word in command[1:] if not word.startswith("-"))
    return next((path for path in words if path.suffix and os.path.isfile(path)), None)


def _places(command: Sequence[str]) -> Iterator[Path]:
    script, here = script_of(command), Path(os.path.abspath("."))
    for start in (here if script is None else Path(os.path.abspath(script)).parent, here):
        yield from (folder / ".env" for folder in (start, *start.parents))


def _is_ours(path: Path) -> bool:
    """Whether it is a plain file (to open a pipe may take for ever), and of whom we trust."""
    found = path.stat()
    owners = {0, os.getuid(), os.stat(".").st_uid}
    return stat.S_ISREG(found.st_mode) and found.st_uid in owners


def _values(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        value = found["plain"] or os.path.expandvars(found["quoted"] or found["bare"] or "")
        yield found["name"], value.strip()
