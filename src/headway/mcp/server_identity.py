"""Who a server is: equal for processes whose answers may be exchanged; tells nothing itself."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

ABOUT_THE_START: Final = (
    *("COLORTERM", "COLUMNS", "DISPLAY", "HEADWAY", "HEADWAY_*", "LINES", "OLDPWD", "PWD"),
    *("SHLVL", "SSH_*", "TERM", "TERM_*", "TRACEPARENT", "TRACESTATE", "WINDOWID", "XDG_SESSION_*"),
    *("CLAUDE_CODE_CHILD_NOTES_DIR", "CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS"),
    *("CLAUDE_CODE_MESSAGING_*", "CLAUDE_CODE_SESSION_ID"),
    "_",
)
"""Variables that say from where a process was started, not what it may see."""


def server_identity(
    command: Sequence[str], folder: str, environment: Mapping[str, str], secret: bytes
) -> str:
    """The name under which answers of the server are kept.

    Everything that may hold a credential, or decide what a server sees, is part of it: its command
    line, the folder it runs in, and its environment but for ``ABOUT_THE_START``. Only who has
    *secret* could find out from the name what they were.
    """
    seen = {name: value for name, value in environment.items() if not _is_left_out(name)}
    said = msgspec.json.encode(
        [[_text(part) for part in command], _text(folder), sorted(_texts(seen))]
    )
    return hmac.digest(secret, said, "sha256").hex()[:32]


def _is_left_out(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in ABOUT_THE_START)


def _texts(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(_text(name), _text(value)) for name, value in environment.items()]


def _text(text: str) -> str:
    """Bytes that are no UTF-8 come as half surrogates, which JSON cannot hold."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
