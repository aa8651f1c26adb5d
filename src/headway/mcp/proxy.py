"""What happens to each message between a client and a server: it passes, byte for byte."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from ..wire.json_rpc import is_message

log = logging.getLogger("headway.mcp")

Send = Callable[[bytes], None]
"""Takes one or more whole lines, line feeds included."""

_SHOWN: Final = 200


class Proxy:
    """Passes messages on.

    Args:
        to_client: takes what goes to the client.
        to_server: takes what goes to the server.
        tell: takes a line for whoever reads this process's stderr.
    """

    def __init__(self, to_client: Send, to_server: Send, tell: Callable[[str], None]) -> None:
        self._to_client, self._to_server, self._tell = to_client, to_server, tell

    def from_client(self, line: bytes) -> None:
        """A line that the client sent."""
        self._to_server(line + b"\n")

    def from_server(self, line: bytes) -> None:
        """A line that the server sent; what is no message does not reach the client."""
        if is_message(line):
            self._to_client(line + b"\n")
        elif line.strip():
            self._tell(f"the server wrote to its stdout what is no message: {_shown(line)}")


def _shown(line: bytes) -> str:
    text = line.strip()[:_SHOWN].decode("utf-8", "backslashreplace")
    whole = text.encode("unicode_escape").decode()
    return whole if len(line.strip()) <= _SHOWN else f"{whole}... ({len(line)} bytes)"
