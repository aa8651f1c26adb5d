"""Base URLs that a ``.env`` says: programs let the environment win over it, and we set that."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(
    r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*
    (?:'(?P<plain>[^']*)'|"(?P<quoted>[^"]*)"|(?P<bare>.*?(?=\s+\#|\s*$)))""",
    re.VERBOSE,
)
LONGEST: Final = 256 * 1024


def said_by_dot_env(
    command: Sequence[str], names: Collection[str], environment: Mapping[str, str]
) -> tuple[dict[str, str], Path | None]:
    """Which of *names* the program's ``.env`` says and *environment* does not, and which file.

    It is looked for as programs do: from the script's folder upward, then from this one.
    """
    for path in _places(command):
        try:
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


def _places(command: Sequence[str]) -> Iterator[Path]:
    scripts = (Path(word) for word in command[1:] if not word.startswith("-"))
    script = next((path for path in scripts if path.suffix and os.path.isfile(path)), None)
    here = Path(os.path.abspath("."))
    for start in (here if script is None else Path(os.path.abspath(script)).parent, here):
        yield from (folder / ".env" for folder in (start, *start.parents))


def _values(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        value = found["plain"] or os.path.expandvars(found["quoted"] or found["bare"] or "")
        yield found["name"], value.strip()
