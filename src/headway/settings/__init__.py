"""What can be set from outside: ``headway.toml`` and the environment, in one typed schema."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from ..errors import BadSetup
from .log_levels import switch_logging
from .schema import OwnPrice, Settings, ToolSettings, checked, wrong_store
from .where import without_password
from .wrong_value import WrongValue, place

if TYPE_CHECKING:
    from pathlib import Path

    from .gateway_settings import GatewaySettings

__all__ = [
    "OwnPrice",
    "Settings",
    "ToolSettings",
    "current",
    "load",
    "load_gateway",
    "off",
    "off_at_construction",
    "refuse_wrong_store",
    "switch_logging",
    "without_password",
]


_FILE = "headway.toml"
_FROM_ENVIRONMENT = {"HEADWAY_LOG": "log", "HEADWAY_FOLDER": "folder", "HEADWAY_STORE": "store"}


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of *path* (default: ``headway.toml`` here, if there is one) and the environment.

    Raises:
        BadSetup: the file cannot be read, or holds a name or value that no setting has.
    """
    return _with_environment(_from_file(path), environment)


def load_gateway(
    path: Path | None = None, environment: Mapping[str, str] = os.environ
) -> GatewaySettings:
    """The settings of the gateway: of *path* and the environment as ``load``, else the defaults.

    Its ``store`` is never None, and says the folder of a disk store.

    Raises:
        BadSetup: as ``load``; or ``HEADWAY_LISTEN`` or ``HEADWAY_WORKERS`` says what cannot be.
    """
    from .gateway_environment import with_environment  # only the gateway need pay for it

    return with_environment(load(path, environment), environment)


_kept: Settings | None = None


def current() -> Settings:
    """The settings of this process: ``headway.toml`` as it was when first needed, read once.

    The environment is that of now.

    Raises:
        BadSetup: as ``load``.
    """
    global _kept
    if _kept is None:
        _kept = _from_file(None)
    return _with_environment(_kept, os.environ)


def _with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    said: dict[str, object] = {
        field: environment[name]
        for name, field in _FROM_ENVIRONMENT.items()
        if environment.get(name)
    }
    if where := environment.get("HEADWAY_STORE"):
        refuse_wrong_store(where, "HEADWAY_STORE")
    if "HEADWAY" in environment:
        said["off"] = _is_off(environment["HEADWAY"])
    return msgspec.structs.replace(settings, **said) if said else settings


def refuse_wrong_store(where: str, said_by: str) -> None:
    """Let pass a text that names a store, such as ``"disk"`` or ``"redis://127.0.0.1:6379/0"``.

    Raises:
        BadSetup: it names none; says what *said_by* may say, and shows no password.
    """
    if wrong := wrong_store(where):
        raise BadSetup(f"{said_by} {wrong}")


def _from_file(path: Path | None) -> Settings:
    if path is None and not os.path.exists(_FILE):
        return Settings()
    import tomllib  # these two need not be paid for where there is no file
    from pathlib import Path

    found = path or Path(_FILE)

    try:
        text = found.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise BadSetup(f"{found}: cannot be read as settings: {wrong}") from wrong
    try:
        settings = checked(values)
    except WrongValue as wrong:
        raise BadSetup(f"{found}{place(text, wrong.path)}: {wrong}") from None
    if settings.gateway is None:
        return settings
    from .gateway_settings import Written

    gateway = msgspec.structs.replace(settings.gateway, written=Written(str(found), text))
    return msgspec.structs.replace(settings, gateway=gateway)


def _is_off(value: str) -> bool:
    if value.lower() not in ("on", "off", ""):
        raise BadSetup(f"HEADWAY={value!r}; use HEADWAY=off or HEADWAY=on")
    return value.lower() == "off"


# --- the off switch ---------------------------------------------------------------------------

switched_off = False
"""True inside ``off()``: read by the policies on every call."""


def off_at_construction() -> bool:
    """Whether ``HEADWAY=off`` stands in the environment now, else what ``headway.toml`` says.

    Raises:
        BadSetup: one of them says something else than on or off.
    """
    return _is_off(os.environ["HEADWAY"]) if "HEADWAY" in os.environ else current().off


@contextmanager
def off() -> Iterator[None]:
    """Let Cache, Share and Batch step aside in the whole process; for tests."""
    global switched_off
    before, switched_off = switched_off, True
    try:
        yield
    finally:
        switched_off = before
