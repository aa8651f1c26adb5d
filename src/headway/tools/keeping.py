"""How results of a tool are kept: checked where it is declared, not where it is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from .. import clock
from ..call import Place, Policy
from ..errors import BadSetup
from ..policies import Cache
from ..policies.freshness import Ttl
from .overrides import Override
from .results import Keeping
from .session import ScopeOfResults


def keeping_of(name: str, ttl: Ttl, copy: bool, override: Override | None) -> Keeping | None:
    """How to keep results; None if ``headway.toml`` says that none are."""
    if not callable(ttl):
        _refuse_wrong_ttl(name, ttl)
    if copy not in (True, False):
        raise BadSetup(f"{name}: copy={copy!r}; use True or False")
    if override is None:
        return Keeping(ttl, copy)
    if not override.cache:
        return None
    return Keeping(ttl if override.ttl is None else override.ttl, copy)


def _refuse_wrong_ttl(name: str, ttl: float | str) -> None:
    try:
        seconds = clock.seconds(ttl)
    except ValueError as wrong:
        raise BadSetup(f"{name}: ttl: {wrong}") from None
    if seconds <= 0:
        raise BadSetup(f"{name}: ttl={ttl!r} would keep nothing; use more than 0")


def refuse_scope(name: str, scope: object) -> None:
    """Raise ``BadSetup`` for a *scope* that there is not."""
    if scope not in get_args(ScopeOfResults):
        known = ", ".join(map(repr, get_args(ScopeOfResults)))
        raise BadSetup(f"{name}: scope={scope!r}; use one of {known}")


def refuse_policies(name: str, policies: Iterable[Policy]) -> None:
    """Raise ``BadSetup`` for a policy that keeps or merges calls by itself.

    A session does that for reads, and no write may be answered for another.
    """
    for policy in policies:
        if isinstance(policy, Cache) or getattr(policy, "place", None) in (
            Place.CACHE,
            Place.SHARE,
        ):
            raise BadSetup(
                f"{name}: {type(policy).__name__} among the policies of a tool would answer past "
                "the session; declare what it reads, and say how long by ttl="
            )
