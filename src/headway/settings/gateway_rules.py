"""The rules of routes: those of ``[gateway]`` are for all, a route says what is otherwise there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from . import gateway_values as values
from .gateway_settings import LimitSettings, RuleSettings, TimeoutSettings
from .gateway_values import Value, or_off, read_values, whole
from .wrong_value import WrongValue, near, title

Said = Mapping[str, object]
"""Rules as far as a table says some, by the names under which they are kept."""

TIMEOUTS: Final = {
    name: or_off(values.SECONDS._replace(kept_as=f"{name}_s"))
    for name in ("connect", "first_byte", "between_chunks", "total")
}
LIMITS: Final = {
    "at_once": or_off(whole(1)),
    "per_minute": or_off(values.RATE),
    "burst": or_off(whole(1)),
    "max_waiting": or_off(whole(0)),
}
SINGLE: Final = {
    "cache": or_off(values.SECONDS._replace(kept_as="cache_s")),
    "jitter": values.JITTER,
    "max_kept": or_off(values.SIZE._replace(kept_as="max_kept_bytes")),
    "share": values.YES_OR_NO,
    "every": values.YES_OR_NO,
    "attempts": whole(1),
    "first_wait": values.WAIT._replace(kept_as="first_wait_s"),
    "max_wait": values.WAIT._replace(kept_as="max_wait_s"),
    "retry_share": or_off(values.SHARE),
    "passes_over": values.YES_OR_NO,
}
TABLES: Final[dict[str, dict[str, Value]]] = {"timeouts": TIMEOUTS, "limits": LIMITS}

RULES: Final = (*SINGLE, *TABLES)


def read_rules(table: Said, path: tuple[str, ...], also: Mapping[str, Value] = {}) -> Said:
    """The rules that *table* says; *also* are options which may stand beside them.

    Raises:
        WrongValue: one of them is none.
    """
    for name in table:
        if name not in RULES:
            way_out = near(name, (*RULES, *also))
            raise WrongValue((*path, name), f"{title(path)} has no `{name}`; {way_out}")
    single = {name: said for name, said in table.items() if name in SINGLE}
    rules = read_values(single, path, SINGLE)
    for name, known in TABLES.items():
        if name in table:
            rules[name] = _inner(table[name], (*path, name), known)
    return rules


def _inner(said: object, path: tuple[str, ...], known: Mapping[str, Value]) -> Said:
    if said == "off":
        return {value.kept_as or name: None for name, value in known.items()}
    if not isinstance(said, dict):
        example = f"{path[-1]} = {{ {next(iter(known))} = ... }}"
        raise WrongValue(path, f'{title(path)} must be a table, {example}, or "off", not {said!r}')
    return read_values(said, path, known)


def rules_of(usual: Said, own: Said, path: tuple[str, ...]) -> RuleSettings:
    """The rules of a route that says *own*, and for the rest *usual*.

    Raises:
        WrongValue: they do not fit together.
    """
    timeouts = {**_part(usual, "timeouts"), **_part(own, "timeouts")}
    limits = {**_part(usual, "limits"), **_part(own, "limits")}
    said = _part(own, "limits") if own else _part(usual, "limits")
    if said.get("burst") is not None and limits.get("per_minute") is None:
        raise WrongValue(
            (*path, "limits", "burst"),
            f"`burst` of {title((*path, 'limits'))} belongs to a rate; give `per_minute` too",
        )
    return msgspec.structs.replace(
        RuleSettings(),
        **{
            **usual,
            **own,
            "timeouts": msgspec.structs.replace(TimeoutSettings(), **timeouts),
            "limits": msgspec.structs.replace(LimitSettings(), **limits),
        },
    )


def _part(rules: Said, name: str) -> Said:
    part = rules.get(name, {})
    return part if isinstance(part, dict) else {}
