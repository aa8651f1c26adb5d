"""What is to be served, and where: the command line first, then the settings file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from .. import clock, settings
from ..errors import BadSetup
from ..settings.gateway_values import MOST_WORKERS
from .addresses import HostPort, host_and_port
from .options import Options
from .plan import Plan, Rules
from .planning import plan_of


class Chosen(NamedTuple):
    """All that can be chosen; ``admin`` is None where there is to be none."""

    plan: Plan
    listen: HostPort
    admin: HostPort | None
    workers: int
    drain_s: float
    log_levels: str
    folder: str


def choose(options: Options, environment: Mapping[str, str]) -> Chosen:
    """The choice of now: the settings file is read again.

    Raises:
        BadSetup: the file, an option or the environment will not do.
    """
    path = Path(options.config) if options.config else None
    loaded, said = settings.load(path, environment), settings.load_gateway(path, environment)
    admin = said.admin if options.admin is None else options.admin
    plan = plan_of(said, environment)
    return Chosen(
        plan=_off(plan) if loaded.off else plan,
        listen=host_and_port(options.listen or said.listen, "--listen"),
        admin=None if admin in (None, "off") else host_and_port(admin, "--admin"),
        workers=_workers(said.workers if options.workers is None else options.workers),
        drain_s=said.drain_s if options.drain is None else _drain_s(options.drain),
        log_levels=options.log_levels or loaded.log or "warning",
        folder=os.path.abspath(loaded.folder),
    )


def _off(plan: Plan) -> Plan:
    """The same plan, but nothing is kept or shared."""
    return msgspec.structs.replace(
        plan,
        rules=_apart(plan.rules),
        routes=tuple(
            msgspec.structs.replace(route, rules=_apart(route.rules)) for route in plan.routes
        ),
    )


def _apart(rules: Rules) -> Rules:
    return msgspec.structs.replace(rules, ttl_s=None, share=False)


def _workers(count: int) -> int:
    if not 1 <= count <= MOST_WORKERS:
        raise BadSetup(f"--workers {count}: use 1 to {MOST_WORKERS}")
    return count


def _drain_s(text: str) -> float:
    try:
        return clock.seconds(f"{text}s" if text.isdigit() else text)
    except ValueError as wrong:
        raise BadSetup(f"--drain: {wrong}") from None


def what_needs_a_restart(before: Chosen, now: Chosen) -> Iterator[str]:
    """What a reload cannot change, and did change."""
    pairs = {
        "where it listens": (before.listen, now.listen),
        "where the admin side listens": (before.admin, now.admin),
        "the number of workers": (before.workers, now.workers),
        "how long it drains": (before.drain_s, now.drain_s),
        "the folder": (before.folder, now.folder),
        "what is logged": (before.log_levels, now.log_levels),
        "the store": (before.plan.store, now.plan.store),
        "the memory of the store": (before.plan.memory_bytes, now.plan.memory_bytes),
    }
    for what, (was, is_now) in pairs.items():
        if was != is_now:
            yield what
