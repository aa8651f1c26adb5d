"""A secret that all processes of one installation have, and nobody else."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Final

from ..errors import BadSetup
from .private_folder import open_private

log = logging.getLogger("headway.stores")

SECRET_BYTES: Final = 32

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_of_this_process: Final = secrets.token_bytes(SECRET_BYTES)


def installation_secret(folder: str | os.PathLike[str]) -> bytes:
    """The 32 random bytes in the file ``secret`` of *folder*, which is made when first asked for.

    If it cannot be kept there, or others can read it, the secret of this process: what is named by
    it is then found again only as long as the process lives.
    """
    path = Path(os.path.abspath(folder)) / "secret"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _make(path)
        return _read(path)
    except (OSError, ValueError, BadSetup) as wrong:
        log.debug("no secret is shared between processes: %s", wrong)
        return _of_this_process


def _make(path: Path) -> None:
    """A whole file appears under its name at once; the first of several processes wins."""
    draft = path.with_name(f"secret-{secrets.token_hex(8)}")
    fd = os.open(draft, _NEW, 0o600)
    try:
        try:
            os.fchmod(fd, 0o600)  # whatever the umask says
            os.write(fd, secrets.token_bytes(SECRET_BYTES))
            os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
    finally:
        os.unlink(draft)


def _read(path: Path) -> bytes:
    fd = open_private(path)
    try:
        secret = os.read(fd, SECRET_BYTES + 1)
    finally:
        os.close(fd)
    if len(secret) != SECRET_BYTES:
        raise BadSetup(f"{path} does not hold {SECRET_BYTES} bytes; delete it")
    return secret
