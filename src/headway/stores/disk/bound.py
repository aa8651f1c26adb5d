"""How large the store may be, kept beside it: who opens it for a moment must not make it smaller.

A command knows of a folder, and not what the program that fills it allows; with a bound of its own
it would evict what the program still has room for.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

BOUND: Final = "bound"

_MOST_DIGITS: Final = 20
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def bound_of(folder: Path) -> int | None:
    """The ``max_bytes`` of the program that last opened the store; None if there was none."""
    try:
        fd = os.open(folder / BOUND, _READ)
        try:
            return int(os.read(fd, _MOST_DIGITS))
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return None


def keep_bound(folder: Path, max_bytes: int) -> None:
    """Note *max_bytes* in *folder*, whole or not at all; a folder that takes nothing is no fault.

    The draft is of those that are removed when a file is begun, should this process end here.
    """
    if bound_of(folder) == max_bytes:
        return
    draft = folder / f"draft-{secrets.token_hex(6)}"
    with suppress(OSError):
        try:
            fd = os.open(draft, _WRITE, 0o600)
            try:
                os.write(fd, str(max_bytes).encode())
            finally:
                os.close(fd)
            os.replace(draft, folder / BOUND)
        finally:
            draft.unlink(missing_ok=True)
