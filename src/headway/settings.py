"""What can be set from outside: ``headway.toml`` and the environment, in one typed schema."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .errors import BadSetup


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting, with its default. The environment wins over the file."""

    off: bool = False
    """Cache, Share and Batch step aside; Limit, Retry and Timeout stay. ``HEADWAY=off``."""
    log: str = ""
    """Levels by room, such as ``"debug"`` or ``"stores=debug,runs=info"``. ``HEADWAY_LOG``."""
    folder: str = ".headway"
    """Where runs are kept. ``HEADWAY_FOLDER``."""


_FROM_ENVIRONMENT = {"HEADWAY_LOG": "log", "HEADWAY_FOLDER": "folder"}


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of *path* (default: ``headway.toml`` here, if there is one) and the environment.

    Raises:
        BadSetup: the file cannot be read, or holds a name or value that no setting has.
    """
    values = _from_file(path)
    values.update(
        {
            field: environment[name]
            for name, field in _FROM_ENVIRONMENT.items()
            if name in environment
        }
    )
    if "HEADWAY" in environment:
        values["off"] = _is_off(environment["HEADWAY"])
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as wrong:
        raise BadSetup(f"{path or 'headway.toml'}: {wrong}{_near(values)}") from None


def _from_file(path: Path | None) -> dict[str, object]:
    import tomllib

    found = path or Path("headway.toml")
    if path is None and not found.exists():
        return {}
    try:
        return tomllib.loads(found.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise BadSetup(f"{found}: cannot be read as settings: {wrong}") from wrong


def _near(values: Mapping[str, object]) -> str:
    known = Settings.__struct_fields__
    for name in values:
        if name not in known and (near := difflib.get_close_matches(name, known, 1)):
            return f"; did you mean `{near[0]}`?"
    return f"; the settings are {', '.join(known)}"


def _is_off(value: str) -> bool:
    if value.lower() not in ("on", "off", ""):
        raise BadSetup(f"HEADWAY={value!r}; use HEADWAY=off or HEADWAY=on")
    return value.lower() == "off"


# --- the off switch ---------------------------------------------------------------------------

switched_off = False
"""True inside ``off()``: read by the policies on every call."""


def off_at_construction() -> bool:
    """Whether ``HEADWAY=off`` stands in the environment now."""
    return _is_off(os.environ.get("HEADWAY", ""))


@contextmanager
def off() -> Iterator[None]:
    """Let Cache, Share and Batch step aside in the whole process; for tests."""
    global switched_off
    before, switched_off = switched_off, True
    try:
        yield
    finally:
        switched_off = before


# --- logging ----------------------------------------------------------------------------------

logging.getLogger("headway").addHandler(logging.NullHandler())


def switch_logging(levels: str) -> None:
    """Write log lines to stderr: ``"debug"`` for every room, ``"stores=debug,runs=info"`` for some.

    Raises:
        BadSetup: a level that logging does not know.
    """
    root = logging.getLogger("headway")
    if not levels.strip():
        return
    for part in levels.split(","):
        room, _, level = part.strip().rpartition("=")
        number = logging.getLevelNamesMapping().get(level.strip().upper())
        if number is None:
            raise BadSetup(
                f"{part.strip()!r} is no log level; write debug, info, warning, error, room=debug"
            )
        logging.getLogger(f"headway.{room}" if room else "headway").setLevel(number)
    if not any(isinstance(handler, _ToStderr) for handler in root.handlers):
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        root.addHandler(handler)


class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]  # generic only in the stubs
    """Ours, so that switching twice adds one handler; finds stderr anew for every line."""

    @property
    def stream(self) -> object:
        return sys.stderr

    @stream.setter
    def stream(self, value: object) -> None:
        pass
