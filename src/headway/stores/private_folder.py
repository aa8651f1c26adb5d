"""Folders and files that belong to one user alone, or are not used."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ..errors import BadSetup

_OPEN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Not waiting for the other end, should it be a pipe; it is refused then."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def private_folder(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a folder that only this user can look into; made if it is not there.

    Raises:
        BadSetup: it is a link, no folder, another user's, open to others, or cannot be made.
    """
    folder = Path(os.path.abspath(path))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.mkdir(folder, 0o700)
            os.chmod(folder, 0o700)  # a umask may have taken even the owner's rights
        except FileExistsError:
            pass
        found = os.lstat(folder)
    except OSError as wrong:
        raise _refusal(folder, wrong.strerror or str(wrong), _ELSEWHERE) from wrong
    except ValueError as wrong:  # a zero byte in the name
        raise _refusal(folder, str(wrong), _ELSEWHERE) from wrong
    if not stat.S_ISDIR(found.st_mode):
        raise _refusal(folder, f"it is {_sort_of(found)}, not a folder", _ELSEWHERE)
    _refuse_unless_own(folder, found, "700")
    return folder


def open_private(path: str | os.PathLike[str]) -> int:
    """A handle, for reading and writing, on a file that only this user can open.

    It is made if it is not there; the caller closes it.

    Raises:
        BadSetup: it is a link, no regular file, another user's, open to others, or cannot be made.
    """
    file = Path(os.path.abspath(path))
    try:
        fd = _opened(file)
    except (OSError, ValueError) as wrong:
        is_link = file.is_symlink()
        why = "it is a link" if is_link else getattr(wrong, "strerror", None) or str(wrong)
        raise _refusal(file, why, _ELSEWHERE) from wrong
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise _refusal(file, f"it is {_sort_of(found)}, not a file", _ELSEWHERE)
        _refuse_unless_own(file, found, "600")
    except BaseException:
        os.close(fd)
        raise
    return fd


def _opened(file: Path) -> int:
    try:
        fd = os.open(file, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(file, _OPEN)
    os.fchmod(fd, 0o600)
    return fd


_ELSEWHERE: Final = "name another place"


def _refuse_unless_own(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise _refusal(path, f"it belongs to user {found.st_uid}", _ELSEWHERE)
    if found.st_mode & _OTHERS:
        shown = oct(stat.S_IMODE(found.st_mode))[2:]
        raise _refusal(
            path, f"others may use it (mode {shown})", f"chmod {mode} it if nobody else has"
        )


def _sort_of(found: os.stat_result) -> str:
    return "a link" if stat.S_ISLNK(found.st_mode) else "something else"


def _refusal(path: Path, why: str, way_out: str) -> BadSetup:
    return BadSetup(f"{path} cannot hold what is private: {why}; {way_out}")
