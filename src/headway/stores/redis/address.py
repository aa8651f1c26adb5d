"""Where the server is: the URL, checked when it is written down, shown without its password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url

from ...errors import BadSetup
from ...settings.where import without_password

_OF_THE_POOL = ("connection_class", "max_connections", "timeout")


class _NoAddress(ValueError):
    """Why a URL is none, in words that quote nothing of it."""


def connections_to(url: object, connect_timeout_s: float) -> Callable[[], AbstractConnection]:
    """What makes a connection to *url*, not yet open, that sends nothing of its own accord.

    RESP2, no retries, no health checks, no word about the library; the caller bounds its time.

    Raises:
        BadSetup: *url* is no address of a server.
    """
    if not isinstance(url, str):
        raise BadSetup(f"RedisStore: a URL is text, not {type(url).__name__}; {_EXAMPLE}")
    try:
        arguments = _arguments(url)
        arguments["socket_connect_timeout"] = connect_timeout_s
        kind = arguments.pop("connection_class")
        kind(**arguments)
    except Exception as error:
        # What the parts of a wrong URL are is anyone's guess: the cause might quote the password.
        why = str(error) if isinstance(error, _NoAddress) else "a part of it is wrong or unknown"
        raise BadSetup(f"RedisStore({without_password(url)!r}): {why}; {_EXAMPLE}") from None
    return lambda: kind(**arguments)


_EXAMPLE = (
    'write "redis://127.0.0.1:6379/0", "rediss://user:password@host:6379/0" or "unix:///path"'
)


def _arguments(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if "://" not in url or parts.scheme not in ("redis", "rediss", "unix"):
        raise _NoAddress("it begins with none of redis://, rediss://, unix://")
    if parts.scheme == "unix":
        if not parts.path:
            raise _NoAddress("there is no path")
    elif not parts.hostname:
        raise _NoAddress("there is no host")
    elif not re.fullmatch(r"/?\d*", parts.path):  # the library would silently take database 0
        raise _NoAddress("after the host stands no database number")
    arguments: dict[str, Any] = {**parse_url(url)}
    kind = arguments.get("connection_class", Connection)
    for name in _OF_THE_POOL:
        arguments.pop(name, None)
    return arguments | {
        "connection_class": kind,
        "socket_timeout": None,  # whoever sends bounds the whole exchange
        "retry_on_timeout": False,
        "retry_on_error": [],
        "retry": None,
        "health_check_interval": 0,
        "decode_responses": False,
        "driver_info": None,
        "protocol": 2,
    }
