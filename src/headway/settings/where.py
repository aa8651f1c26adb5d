"""Where kept answers rest, as one text: whether it names a store, and how it may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.parse import SplitResult

WAYS = "memory, disk, disk:PATH, redis://HOST:PORT/DB, rediss://HOST:PORT/DB, unix:///SOCKET"
"""How a store is named, for a reader who named none."""

_QUERY = re.compile(r"\?.*", re.DOTALL)
_NO_PORT = re.compile(r"(\[[^\]]*\]|[^:/?\[]*):(?!\d{0,5}(?:[/?]|$)).*", re.DOTALL | re.ASCII)
"""What stands after the host is no number: a password whose "@" was forgotten."""
_DATABASE = re.compile(r"/?\d{0,5}", re.ASCII)


def without_password(where: str) -> str:
    """The text as it may be shown: nobody's name, password or option in it."""
    if where.startswith("disk:"):
        return where
    scheme, separator, rest = where.partition("://") if "://" in where else ("", "", where)
    before, at, address = rest.rpartition("@")
    if "?" in before:  # whatever comes after may be part of a password
        return f"{scheme}{separator}***"
    if separator and not at and (found := _NO_PORT.match(address)):
        address = f"{found[1]}:***"
    return f"{scheme}{separator}{'***@' if at else ''}{_QUERY.sub('?***', address)}"


def why_no_store(where: str) -> str | None:
    """Why *where* names no store, in words without its password; None if it names one."""
    if where in ("memory", "disk"):
        return None
    if where.startswith("disk:"):
        return _why_no_folder(where.removeprefix("disk:"))
    scheme, separator, _ = where.partition("://")
    if not separator or scheme not in ("redis", "rediss", "unix"):
        return f"use one of {WAYS}"
    from urllib.parse import urlsplit  # the others need not pay for it on import

    try:
        address = urlsplit(where)
        return _why_no_socket(address) if scheme == "unix" else _why_no_server(address)
    except ValueError:  # its text may quote the password
        return f"this is no address; write it like {scheme}://127.0.0.1:6379/0"


def _why_no_folder(path: str) -> str | None:
    if not path or "\0" in path:
        return "name a folder after the colon, such as disk:/var/cache/my-agent"
    if path.startswith("//"):
        return "write a path after the colon, such as disk:/var/cache/my-agent"
    return None


def _why_no_socket(address: SplitResult) -> str | None:
    if not address.path.strip("/"):
        return "name the socket with its whole path, such as unix:///run/redis.sock"
    return None


def _why_no_server(address: SplitResult) -> str | None:
    if not address.hostname:
        return f"name the host, such as {address.scheme}://127.0.0.1:6379/0{_encoded(address)}"
    if address.port == 0:
        raise ValueError
    if not _DATABASE.fullmatch(address.path):
        return "after the host stands the number of the database, such as /0"
    return None


def _encoded(address: SplitResult) -> str:
    """A slash in a password ends the host for whoever reads the address."""
    return ' (in a password "/" is written %2F, "@" %40)' if "@" in address.path else ""
