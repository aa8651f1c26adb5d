"""From the settings and the environment to a plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256

from ..errors import BadSetup
from ..settings.gateway_settings import (
    GatewaySettings,
    KeySettings,
    RuleSettings,
    TimeoutSettings,
    UpstreamSettings,
    Written,
)
from ..settings.wrong_value import title
from .plan import ClientKey, Limits, Plan, Route, Rules, Target, Timeouts, Upstream


def plan_of(settings: GatewaySettings, environment: Mapping[str, str]) -> Plan:
    """What the gateway does by *settings*, credentials filled in from *environment*.

    Where the settings leave the store open, answers are kept in memory; ``load_gateway`` leaves
    nothing open.

    Raises:
        BadSetup: an environment variable with a key is not set or holds no key, or two client keys
            are the same.
    """
    usual = settings.rules.timeouts
    return Plan(
        upstreams=tuple(
            _upstream(name, spec, _timeouts(usual), settings.written, environment)
            for name, spec in settings.upstreams.items()
        ),
        routes=tuple(_routes(settings)),
        rules=_rules(settings.rules, usual),
        keys=_keys(settings.keys, settings.written, environment),
        max_body_bytes=_bytes(settings.max_body_bytes),
        namespace=settings.namespace or None,
        store=settings.store or "memory",
        memory_bytes=settings.memory_bytes,
    )


# --- servers and keys -------------------------------------------------------------------------


def _upstream(
    name: str,
    spec: UpstreamSettings,
    timeouts: Timeouts,
    written: Written,
    environment: Mapping[str, str],
) -> Upstream:
    at = ("gateway", "upstreams", name)
    return Upstream(
        name=name,
        url=spec.url,
        provider=spec.provider,
        key=None if spec.key_env is None else _secret(spec.key_env, at, written, environment),
        key_header=spec.key_header,
        probe=spec.probe or "",
        timeouts=timeouts,
    )


def _keys(
    keys: Mapping[str, KeySettings], written: Written, environment: Mapping[str, str]
) -> tuple[ClientKey, ...]:
    by_digest: dict[str, str] = {}
    for name, spec in keys.items():
        at = ("gateway", "keys", name)
        digest = spec.sha256 or ""
        if spec.key_env is not None:
            digest = sha256(_secret(spec.key_env, at, written, environment).encode()).hexdigest()
        if (other := by_digest.setdefault(digest, name)) != name:
            raise BadSetup(
                f"{written.at(*at)}the client keys `{other}` and `{name}` are the same; "
                "give each client a key of its own"
            )
    return tuple(ClientKey(name, digest) for digest, name in by_digest.items())


def _secret(
    variable: str, at: tuple[str, ...], written: Written, environment: Mapping[str, str]
) -> str:
    """What *variable* holds; no message ever says it."""
    key = environment.get(variable, "").strip()
    where = f"{written.at(*at, 'key_env')}`key_env` of {title(at)}"
    if not key:
        raise BadSetup(
            f"{where}: the environment variable {variable} is not set; "
            f"set it, or leave out `key_env`"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadSetup(
            f"{where}: what the environment variable {variable} holds is no key: it has blanks or "
            "letters that no header can carry"
        )
    return key


# --- routes -----------------------------------------------------------------------------------


def _routes(settings: GatewaySettings) -> Iterator[Route]:
    """Those of aliases first: their targets count, whatever route decides over the rest."""
    usual = settings.rules.timeouts
    rules = _rules(settings.rules, usual)
    routes = [
        Route(
            path=route.path,
            model=route.model,
            targets=_targets(route.targets),
            rules=_rules(route.rules, usual),
        )
        for route in settings.routes
    ]
    for alias, targets in settings.models.items():
        yield from _routes_of(alias, _targets(targets), routes, rules)
    yield from routes


def _routes_of(
    alias: str, targets: tuple[Target, ...], routes: list[Route], usual: Rules
) -> Iterator[Route]:
    """The way of *alias* by each route that fits it, down to one that fits all paths."""
    for route in routes:
        if not route.model or fnmatchcase(alias, route.model):
            yield Route(path=route.path, model=alias, targets=targets, rules=route.rules)
            if not route.path.rstrip("/"):
                return
    yield Route(model=alias, targets=targets, rules=usual)


def _targets(targets: tuple[str, ...]) -> tuple[Target, ...]:
    parts = (target.partition("/") for target in targets)
    return tuple(Target(upstream, model or None) for upstream, _, model in parts)


def _rules(rules: RuleSettings, usual: TimeoutSettings) -> Rules:
    limits = rules.limits
    return Rules(
        ttl_s=rules.cache_s,
        jitter=rules.jitter,
        every=rules.every,
        share=rules.share,
        attempts=rules.attempts,
        first_wait_s=rules.first_wait_s,
        max_wait_s=rules.max_wait_s,
        retry_share=rules.retry_share,
        passes_over=rules.passes_over,
        max_kept_bytes=_bytes(rules.max_kept_bytes),
        limits=Limits(
            at_once=limits.at_once,
            per_minute=limits.per_minute,
            burst=limits.burst,
            max_waiting=limits.max_waiting,
        ),
        timeouts=None if rules.timeouts == usual else _timeouts(rules.timeouts),
    )


def _bytes(most: int | None) -> int:
    return sys.maxsize if most is None else most


def _timeouts(timeouts: TimeoutSettings) -> Timeouts:
    return Timeouts(
        connect_s=timeouts.connect_s,
        first_byte_s=timeouts.first_byte_s,
        between_chunks_s=timeouts.between_chunks_s,
        total_s=timeouts.total_s,
    )
