"""What a single value of ``[gateway]`` may be; each is read on its own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from .. import clock
from .where import WAYS, why_no_store, without_password
from .wrong_value import WrongValue, near, title

PROVIDERS: Final = ("openai", "anthropic")
KEY_HEADERS: Final = ("authorization", "x-api-key")

MOST_WORKERS: Final = 256
_MOST_PORT: Final = 65535
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|[kmgt]i?b)", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Whoever shows no key at all would be let in by it."""


class Value(NamedTuple):
    """How an option is read, what it must be, and under which name it is kept.

    ``read`` raises ``ValueError`` for what it is not. ``shown`` is how a message repeats what was
    said; "" does not, for it may be a secret in a wrong place.
    """

    read: Callable[[object], object]
    must_be: str
    kept_as: str = ""
    shown: Callable[[object], str] = repr


def read_values(
    table: Mapping[str, object], path: tuple[str, ...], values: Mapping[str, Value]
) -> dict[str, object]:
    """What *table* says, by the names under which it is kept.

    Raises:
        WrongValue: an option that there is not, or what it cannot be.
    """
    said: dict[str, object] = {}
    for name, one in table.items():
        if name not in values:
            raise WrongValue(
                (*path, name), f"{title(path)} has no `{name}`; {near(name, list(values))}"
            )
        value = values[name]
        try:
            said[value.kept_as or name] = value.read(one)
        except (ValueError, OverflowError):
            what = f"`{name}` of {title(path)} must be {value.must_be}"
            shown = value.shown(one)
            raise WrongValue((*path, name), f"{what}, not {shown}" if shown else what) from None
    return said


def or_off(value: Value) -> Value:
    """The same, and ``"off"`` is None."""

    def read(said: object) -> object:
        return None if said == "off" else value.read(said)

    return value._replace(read=read, must_be=f'{value.must_be}, or "off"')


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of an address such as ``127.0.0.1:8080`` or ``[::1]:8080``.

    Raises:
        ValueError: it has no such parts.
    """
    host, colon, port = text.rpartition(":")
    is_bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    is_number = port.isascii() and port.isdigit() and int(port) <= _MOST_PORT
    if not (host and colon and is_number) or is_bare_v6 or any(map(str.isspace, host)):
        raise ValueError
    return host.strip("[]"), int(port)


def _address(said: object) -> str:
    text = _text(said)
    host_and_port(text)
    return text


def whole(least: int, most: int | None = None) -> Value:
    """A whole number of at least *least*, and at most *most*."""

    def read(said: object) -> int:
        if isinstance(said, bool) or not isinstance(said, int) or said < least:
            raise ValueError
        if most is not None and said > most:
            raise ValueError
        return said

    which = f"{least} or more" if most is None else f"{least} to {most}"
    return Value(read, f"a whole number of {which}")


def _number(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError
    return float(said)


def _rate(said: object) -> float:
    if (number := _number(said)) <= 0:
        raise ValueError
    return number


def share(most: float) -> Value:
    """A share of at most *most*."""

    def read(said: object) -> float:
        if not 0 <= (number := _number(said)) <= most:
            raise ValueError
        return number

    return Value(read, f"a share from 0 to {most:g}, such as 0.2")


def _seconds(said: object) -> float:
    if not isinstance(said, str | int | float) or (seconds := clock.seconds(said)) <= 0:
        raise ValueError
    return seconds


def _wait(said: object) -> float:
    if not isinstance(said, str | int | float):
        raise ValueError
    return clock.seconds(said)


def _size(said: object) -> int:
    number: object = said
    if isinstance(said, str) and (found := _SIZE.fullmatch(said.replace(" ", "").lower())):
        step = 1024 if "i" in found[2] else 1000
        number = int(float(found[1]) * step ** "bkmgt".index(found[2][0]))
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError
    return number


def _yes_or_no(said: object) -> bool:
    if not isinstance(said, bool):
        raise ValueError
    return said


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise ValueError
    return said


def _store(said: object) -> str:
    if why_no_store(_text(said)) is not None:
        raise ValueError
    return _text(said)


def one_of(*known: str) -> Value:
    """One of some words."""

    def read(said: object) -> str:
        if said not in known:
            raise ValueError
        return str(said)

    return Value(read, " or ".join(f'"{word}"' for word in known))


def _base_url(said: object) -> str:
    text = _text(said)
    parts = urlsplit(text)
    is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not is_whole or parts.fragment or "@" in parts.netloc or not _is_plain(text):
        raise ValueError
    return text


def _path(said: object) -> str:
    if not _text(said).startswith("/") or not _is_plain(_text(said)):
        raise ValueError
    return _text(said)


def _without_password(said: object) -> str:
    return repr(without_password(said)) if isinstance(said, str) else type(said).__name__


def hidden(said: object) -> str:
    """How a message repeats what may be a secret in a wrong place: not at all."""
    return ""


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _variable(said: object) -> str:
    if not _VARIABLE.fullmatch(_text(said)):
        raise ValueError
    return _text(said)


def _sha256(said: object) -> str:
    digest = _text(said).lower()
    if not _SHA256.fullmatch(digest) or digest == _EMPTY_SHA256:
        raise ValueError
    return digest


def _texts(said: object) -> tuple[str, ...]:
    if not isinstance(said, list) or not said or not all(isinstance(one, str) for one in said):
        raise ValueError
    return tuple(said)


ADDRESS: Final = Value(_address, 'host and port, such as "127.0.0.1:8080" or "[::1]:8080"')
WORKERS: Final = whole(1, MOST_WORKERS)
SECONDS: Final = Value(_seconds, 'a time above zero, such as "90s" or "1h"')
WAIT: Final = Value(_wait, 'a time of zero or more, such as "30s"')
SIZE: Final = Value(_size, 'a size such as "64MB", "64MiB", or a number of bytes')
RATE: Final = Value(_rate, "a number above zero")
SHARE: Final = share(1)
JITTER: Final = share(0.5)
YES_OR_NO: Final = Value(_yes_or_no, "true or false")
TEXT: Final = Value(_text, "text")
STORE: Final = Value(_store, f"one of {WAYS}", shown=_without_password)
BASE_URL: Final = Value(
    _base_url,
    'the base URL of a server, such as "https://api.openai.com/v1", without a password or "#" '
    "(the credential comes by `key_env`)",
    shown=_without_password,
)
PATH: Final = Value(_path, 'a path that begins with "/", such as "/models"')
VARIABLE: Final = Value(
    _variable, 'the name of an environment variable, such as "OPENAI_API_KEY"', shown=hidden
)
SHA256: Final = Value(
    _sha256,
    "the SHA-256 of a key that is not empty, 64 hexadecimal digits: printf %s KEY | sha256sum",
    shown=hidden,
)
TARGETS: Final = Value(
    _texts, 'a list of targets, such as ["openai/gpt-5-mini", "azure"], one at least'
)
