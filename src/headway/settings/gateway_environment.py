"""The environment's word on the gateway, which counts before that of the file."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from ..errors import BadSetup
from .gateway_settings import GatewaySettings
from .gateway_values import ADDRESS, WORKERS, Value
from .schema import Settings


def with_environment(settings: Settings, environment: Mapping[str, str]) -> GatewaySettings:
    """The gateway's part of *settings*, nothing in it left open.

    Raises:
        BadSetup: a variable says what cannot be.
    """
    gateway = settings.gateway or GatewaySettings()
    said: dict[str, object] = {"store": _store(settings, gateway, environment)}
    if listen := environment.get("HEADWAY_LISTEN"):
        said["listen"] = _read("HEADWAY_LISTEN", listen, ADDRESS)
    if workers := environment.get("HEADWAY_WORKERS"):
        said["workers"] = _read("HEADWAY_WORKERS", _whole(workers), WORKERS)
    return msgspec.structs.replace(gateway, **said)


def _read(variable: str, said: object, value: Value) -> object:
    try:
        return value.read(said)
    except ValueError:
        raise BadSetup(f"{variable} must be {value.must_be}, not {said!r}") from None


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _store(settings: Settings, gateway: GatewaySettings, environment: Mapping[str, str]) -> str:
    """Where answers are kept; a worker that opens it need not know of the settings."""
    own = None if environment.get("HEADWAY_STORE") else gateway.store
    store = own or settings.store
    return f"disk:{os.path.join(settings.folder, 'cache')}" if store == "disk" else store
