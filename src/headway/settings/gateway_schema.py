"""Whether what a file says of ``[gateway]`` is fit to be its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from . import gateway_values as values
from .gateway_routes import read_models, read_routes
from .gateway_rules import RULES, read_rules, rules_of
from .gateway_settings import GatewaySettings, KeySettings, UpstreamSettings
from .gateway_values import or_off, read_values
from .wrong_value import WrongValue, near, title

OPTIONS: Final = {
    "listen": values.ADDRESS,
    "admin": or_off(values.ADDRESS),
    "workers": values.WORKERS,
    "drain": values.WAIT._replace(kept_as="drain_s"),
    "store": values.STORE,
    "memory": values.SIZE._replace(kept_as="memory_bytes"),
    "max_body": or_off(values.SIZE._replace(kept_as="max_body_bytes")),
    "namespace": values.TEXT,
}
_TABLES: Final = ("upstreams", "models", "routes", "keys")
UPSTREAM: Final = {
    "url": values.BASE_URL,
    "provider": values.one_of(*values.PROVIDERS),
    "key_env": values.VARIABLE,
    "key_header": values.one_of(*values.KEY_HEADERS)._replace(shown=values.hidden),
    "probe": or_off(values.PATH),
}
KEY: Final = {"sha256": values.SHA256, "key_env": values.VARIABLE}

_UPSTREAM_NAME = re.compile(r"(?!v\d)[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
"""It is the first part of a path, before ``/v1``, and stands before the slash in a target."""
_AT: Final = ("gateway",)


def read_gateway(table: Mapping[str, object]) -> GatewaySettings:
    """The settings that the *table* ``[gateway]`` is.

    Raises:
        WrongValue: something in it is none.
    """
    known = (*OPTIONS, *RULES, *_TABLES)
    if (name := next((name for name in table if name not in known), None)) is not None:
        raise WrongValue((*_AT, name), f"[gateway] has no `{name}`; {near(name, known)}")
    options = read_values(_only(table, OPTIONS), _AT, OPTIONS)
    usual = read_rules(_only(table, RULES), _AT)
    upstreams = _upstreams(table)
    models = read_models(_tables(table, "models"), upstreams)
    said: dict[str, object] = {
        **options,
        "rules": rules_of(usual, {}, _AT),
        "upstreams": upstreams,
        "models": models,
        "keys": {name: _key(name, said) for name, said in _tables(table, "keys")},
    }
    said["routes"] = read_routes(_tables(table, "routes"), usual, upstreams, models)
    gateway = msgspec.structs.replace(GatewaySettings(), **said)
    _refuse_one_address_for_two(gateway)
    return gateway


def _only(table: Mapping[str, object], wanted: Iterable[str]) -> dict[str, object]:
    return {name: table[name] for name in wanted if name in table}


def _tables(table: Mapping[str, object], name: str) -> list[tuple[str, dict[str, object]]]:
    """The tables inside ``[gateway.NAME]``, by their names."""
    inside = table.get(name, {})
    if not isinstance(inside, dict):
        raise WrongValue(
            (*_AT, name), f"`{name}` of [gateway] must be tables, such as [gateway.{name}.NAME]"
        )
    for key, one in inside.items():
        path = (*_AT, name, key)
        if not isinstance(one, dict):
            raise WrongValue(path, f"{title(path)} must be a table")
        if not key or not key.isprintable():
            raise WrongValue(path, f"{title((*_AT, name))}: {key!r} is no name; use printable text")
    return list(inside.items())


# --- servers ----------------------------------------------------------------------------------


def _upstreams(table: Mapping[str, object]) -> dict[str, UpstreamSettings]:
    given = {name: _upstream(name, said) for name, said in _tables(table, "upstreams")}
    return given or GatewaySettings().upstreams


def _upstream(name: str, table: Mapping[str, object]) -> UpstreamSettings:
    path = (*_AT, "upstreams", name)
    if not _UPSTREAM_NAME.fullmatch(name):
        raise WrongValue(
            path,
            f"{title(path)}: {name!r} cannot name an upstream, for paths begin with it; use "
            'letters, digits, "-", "_" and ".", and no version such as "v1"',
        )
    said = read_values(table, path, UPSTREAM)
    if "url" not in said:
        raise WrongValue(path, f'{title(path)} needs a `url`, such as "https://api.openai.com/v1"')
    if "provider" not in said and _is_anthropic(name, str(said["url"])):
        said["provider"] = "anthropic"
    if "key_header" not in said and said.get("provider") == "anthropic":
        said["key_header"] = "x-api-key"
    return msgspec.structs.replace(UpstreamSettings(url=""), **said)


def _is_anthropic(name: str, url: str) -> bool:
    return name == "anthropic" or (urlsplit(url).hostname or "").endswith(".anthropic.com")


# --- keys -------------------------------------------------------------------------------------


def _key(name: str, table: Mapping[str, object]) -> KeySettings:
    path = (*_AT, "keys", name)
    said = read_values(table, path, KEY)
    if len(said) != 1:
        raise WrongValue(
            path,
            f"{title(path)} needs either `sha256`, the digest of the key, or `key_env`, the "
            "environment variable that holds it",
        )
    return msgspec.structs.replace(KeySettings(), **said)


# --- what two values say together -------------------------------------------------------------


def _refuse_one_address_for_two(gateway: GatewaySettings) -> None:
    if gateway.admin == gateway.listen and not gateway.listen.endswith(":0"):
        raise WrongValue(
            (*_AT, "admin"),
            f"`admin` and `listen` of [gateway] are both {gateway.listen!r}; give `admin` a port "
            'of its own, or "off"',
        )
