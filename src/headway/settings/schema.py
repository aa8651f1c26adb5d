"""The settings, and whether what a file says is fit to be one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from .. import clock
from .where import WAYS, why_no_store, without_password
from .wrong_value import WrongValue, near

if TYPE_CHECKING:
    from .gateway_settings import GatewaySettings


class OwnPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A model's price in US dollars per million tokens, for ``headway.prices``."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    as_of: str = ""
    """The day on which it was true; empty if not said."""


class ToolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool does, and whether its results are kept; it wins over what the code says."""

    reads: tuple[str, ...] | None = None
    writes: tuple[str, ...] | None = None
    exclusive: bool | None = None
    ttl: str | float | None = None
    cache: bool = True


class Settings(msgspec.Struct, frozen=True):
    """Every setting, with its default. The environment wins over the file."""

    off: bool = False
    """Cache, Share and Batch step aside; Limit, Retry and Timeout stay. ``HEADWAY=off``."""
    log: str = ""
    """Levels by room for the ``headway`` command, such as ``"stores=debug"``. ``HEADWAY_LOG``."""
    folder: str = ".headway"
    """Where runs are kept, and the disk store. ``HEADWAY_FOLDER``."""
    store: str = "memory"
    """Where ``open_store()`` keeps answers: memory, disk, disk:PATH, a URL. ``HEADWAY_STORE``."""
    prices: dict[str, OwnPrice] = {}
    """By ``provider/model``: instead of, or beside, what the built-in table says."""
    tools: dict[str, ToolSettings] = {}
    """By the name of a tool, or a pattern such as ``get_*``; a name wins over a pattern."""
    gateway: GatewaySettings | None = None
    """What the file says of the gateway; ``load_gateway`` adds the defaults and environment."""


_MUST_BE = {
    "off": "true or false",
    "log": 'text such as "debug" or "stores=debug,runs=info"',
    "folder": 'the path of a folder, such as ".headway"',
    "store": f"one of {WAYS}",
    "prices": 'tables by provider and model, such as [prices."openai/gpt-x"]',
    "tools": 'tables by the name of a tool or a pattern, such as [tools."get_*"]',
    "gateway": 'a table [gateway], such as listen = "127.0.0.1:8080"',
}


def checked(values: Mapping[str, object]) -> Settings:
    """The settings that a file's *values* are.

    Raises:
        WrongValue: one of them is none.
    """
    known = Settings.__struct_fields__
    for name, value in values.items():
        if name not in known:
            raise WrongValue((name,), f"there is no setting `{name}`; {near(name, known)}")
        is_wrong = name not in _TABLES and type(value) is not type(getattr(Settings(), name))
        if is_wrong or (name == "folder" and not value):
            said = type(value).__name__ if name == "store" else repr(value)
            raise WrongValue((name,), f"`{name}` must be {_MUST_BE[name]}, not {said}")
        if name == "store" and (wrong := wrong_store(str(value))):
            raise WrongValue((name,), f"`store` {wrong}")
    tables = {name: read(values[name]) for name, read in _TABLES.items() if name in values}
    return msgspec.structs.replace(Settings(), **{**values, **tables})


def wrong_store(where: str) -> str | None:
    """What is wrong with *where* as the name of a store, its password left out."""
    why = why_no_store(where)
    return None if why is None else f"is {without_password(where)!r}: {why}"


def _own_prices(tables: object) -> dict[str, OwnPrice]:
    if not isinstance(tables, dict):
        raise WrongValue(("prices",), f"`prices` must be {_MUST_BE['prices']}, not {tables!r}")
    return {name: _own_price(name, table) for name, table in tables.items()}


def _own_price(name: str, table: object) -> OwnPrice:
    path = ("prices", name)
    provider, _, model = name.partition("/")
    if not (provider and model and isinstance(table, dict)):
        raise WrongValue(path, f'`prices."{name}"` must be a table [prices."provider/model"]')
    for field, value in table.items():
        if field not in OwnPrice.__struct_fields__:
            way_out = near(field, OwnPrice.__struct_fields__)
            raise WrongValue((*path, field), f'a price has no `{field}` (of "{name}"); {way_out}')
        if field == "as_of":
            table = {**table, field: _day((*path, field), value)}
        elif type(value) not in (int, float) or not 0 <= value < float("inf"):
            raise WrongValue(
                (*path, field),
                f'`{field}` of "{name}" must be US dollars per million tokens, such as 2.5, '
                f"not {value!r}",
            )
    return msgspec.convert(table, OwnPrice)


def _tools(tables: object) -> dict[str, ToolSettings]:
    if not isinstance(tables, dict):
        raise WrongValue(("tools",), f"`tools` must be {_MUST_BE['tools']}, not {tables!r}")
    return {name: _tool(name, table) for name, table in tables.items()}


def _tool(name: str, table: object) -> ToolSettings:
    path = ("tools", name)
    if not (name and isinstance(table, dict)):
        raise WrongValue(path, f'`tools."{name}"` must be a table [tools."name or pattern"]')
    for field, value in table.items():
        if field not in ToolSettings.__struct_fields__:
            way_out = near(field, ToolSettings.__struct_fields__)
            raise WrongValue((*path, field), f'a tool has no `{field}` (of "{name}"); {way_out}')
        if not _TOOL_FIELDS[field][0](value):
            raise WrongValue(
                (*path, field),
                f'`{field}` of "{name}" must be {_TOOL_FIELDS[field][1]}, not {value!r}',
            )
    if table.get("exclusive") and ("reads" in table or "writes" in table):
        raise WrongValue(
            (*path, "exclusive"),
            f'"{name}" is exclusive, so it may write anything; leave out `reads` and `writes`, '
            "or `exclusive`",
        )
    if table.get("exclusive") is False and not ("reads" in table or "writes" in table):
        raise WrongValue(
            (*path, "exclusive"),
            f'"{name}" is not exclusive: say what it reads or writes with `reads`, `writes`',
        )
    return msgspec.convert(table, ToolSettings)


def _are_resources(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _is_ttl(value: object) -> bool:
    try:
        return clock.seconds(value) > 0  # type: ignore[arg-type]
    except ValueError:
        return False


_RESOURCES = (_are_resources, 'a list of resources, such as ["company:{symbol}"]')
_YES_OR_NO = (lambda value: isinstance(value, bool), "true or false")
_TOOL_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "reads": _RESOURCES,
    "writes": _RESOURCES,
    "exclusive": _YES_OR_NO,
    "ttl": (_is_ttl, 'a time above zero, such as "15m"'),
    "cache": _YES_OR_NO,
}


def _gateway(table: object) -> GatewaySettings:
    if not isinstance(table, dict):
        raise WrongValue(("gateway",), f"`gateway` must be {_MUST_BE['gateway']}, not {table!r}")
    from .gateway_schema import read_gateway  # only the gateway need pay for it

    return read_gateway(table)


_TABLES: dict[str, Callable[[object], object]] = {
    "prices": _own_prices,
    "tools": _tools,
    "gateway": _gateway,
}


def _day(path: tuple[str, ...], value: object) -> str:
    try:
        return msgspec.convert(value, date).isoformat()
    except msgspec.ValidationError:
        raise WrongValue(path, f"`as_of` must be a day such as 2026-11-05, not {value!r}") from None
