"""Where requests go: models and their targets, routes and their rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from . import gateway_values as values
from .gateway_rules import Said, read_rules, rules_of
from .gateway_settings import RouteSettings, UpstreamSettings
from .gateway_values import read_values
from .wrong_value import WrongValue, near, title

Tables = Iterable[tuple[str, Mapping[str, object]]]
"""By their names, in the order of the file."""

TARGETS: Final = {"targets": values.TARGETS}
_PATTERN = re.compile(r"[*?\[]")


def read_models(
    tables: Tables, upstreams: Mapping[str, UpstreamSettings]
) -> dict[str, tuple[str, ...]]:
    """Targets by alias.

    Raises:
        WrongValue: an alias is a pattern, or has no targets or wrong ones.
    """
    models: dict[str, tuple[str, ...]] = {}
    for name, said in tables:
        path = ("gateway", "models", name)
        if _PATTERN.search(name):
            raise WrongValue(
                path,
                f"{title(path)}: an alias is one name, no pattern; write a route, "
                f'[gateway.routes."model:{name}"]',
            )
        models[name] = _targets(said, path, upstreams)
        if not models[name]:
            raise WrongValue(path, f"{title(path)} needs `targets`, {values.TARGETS.must_be}")
    return models


def _targets(
    table: Mapping[str, object],
    path: tuple[str, ...],
    upstreams: Mapping[str, UpstreamSettings],
) -> tuple[str, ...]:
    said = read_values(table, path, TARGETS).get("targets", ())
    targets: tuple[str, ...] = said if isinstance(said, tuple) else ()
    for number, target in enumerate(targets):
        upstream, slash, model = target.partition("/")
        what = f"`targets` of {title(path)}: {target!r}"
        if upstream not in upstreams:
            way_out = near(upstream, list(upstreams))
            raise WrongValue(
                (*path, "targets"), f"{what}: there is no upstream `{upstream}`; {way_out}"
            )
        if slash and not model.strip():
            raise WrongValue(
                (*path, "targets"),
                f'{what} names no model; write "{upstream}/MODEL" or "{upstream}"',
            )
        if target in targets[:number]:
            raise WrongValue((*path, "targets"), f"{what} stands there twice; once will do")
    return targets


def read_routes(
    tables: Tables,
    usual: Said,
    upstreams: Mapping[str, UpstreamSettings],
    models: Mapping[str, tuple[str, ...]],
) -> tuple[RouteSettings, ...]:
    """The routes; *usual* are the rules where a route says none.

    Raises:
        WrongValue: something about one is wrong, or none of its requests ever comes to it.
    """
    routes: list[RouteSettings] = []
    for name, said in tables:
        at = ("gateway", "routes", name)
        path, model = _path_and_model(name)
        targets = {key: value for key, value in said.items() if key == "targets"}
        own = {key: value for key, value in said.items() if key != "targets"}
        route = RouteSettings(
            name=name,
            path=path,
            model=model,
            targets=_targets(targets, at, upstreams),
            rules=rules_of(usual, read_rules(own, at, also=TARGETS), at),
        )
        _refuse_unless_reached(route, routes)
        _refuse_targets_said_twice(route, models)
        routes.append(route)
    return tuple(routes)


def _path_and_model(name: str) -> tuple[str, str]:
    first, _, rest = name.partition(" ")
    path, said = (first, rest) if first.startswith("/") else ("", name)
    prefix, colon, model = said.strip().partition(":")
    is_model = prefix == "model" and model.strip() != ""
    if not path.isascii() or "?" in path or "#" in path or (not is_model and prefix + colon):
        at = ("gateway", "routes", name)
        raise WrongValue(
            at,
            f'{title(at)}: write the end of a path, such as "/v1/embeddings", a model, such as '
            '"model:gpt-*", or both with a space between',
        )
    return path, model.strip()


def _refuse_unless_reached(route: RouteSettings, before: Iterable[RouteSettings]) -> None:
    for earlier in before:
        if _covers(earlier, route):
            path = ("gateway", "routes", route.name)
            raise WrongValue(
                path,
                f"{title(path)} is never reached, for the first route that fits decides, and "
                f'"{earlier.name}" stands before it; move it up',
            )


def _covers(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether *earlier* surely fits all that *later* fits."""
    if not later.path.rstrip("/").endswith(earlier.path.rstrip("/")):
        return False
    return earlier.model in ("", "*" if later.model else "", later.model)


def _refuse_targets_said_twice(route: RouteSettings, models: Mapping[str, tuple[str, ...]]) -> None:
    if route.targets and route.model in models:
        path = ("gateway", "routes", route.name)
        model = title(("gateway", "models", route.model))
        raise WrongValue(
            (*path, "targets"),
            f"`targets` of {title(path)} are said by {model} already; say them in one place",
        )
