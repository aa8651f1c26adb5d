"""``wrap``: an official client, as it is, with its requests going through policies."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from ...call import Policy
from ...errors import BadSetup, UpstreamFailed
from ...policies import Cache, Retry
from .answer import Head, Whole
from .door import covers
from .through import through
from .upstream import ClientTransports

C = TypeVar("C")

_KEPT_OPTIONS = (
    "auth",
    "base_url",
    "cookies",
    "event_hooks",
    "follow_redirects",
    "headers",
    "max_redirects",
    "params",
    "timeout",
    "trust_env",
)


def wrap(client: C, *policies: Policy) -> C:
    """A copy of *client* whose requests go through *policies*; default: ``Cache("1h")``.

    Takes ``AsyncOpenAI``, ``OpenAI``, ``AsyncAnthropic``, ``Anthropic`` and what derives from them,
    with all their settings, proxies and certificates included. The copy and the original have the
    same connections: closing one closes both. If a ``Retry`` covers what the client would repeat,
    the copy repeats nothing itself.

    Only repeatable exchanges are kept: for Anthropic that takes ``temperature: 0`` in the request,
    which its newer clients want in ``extra_body``.

    Raises:
        BadSetup: *client* is no such client.
    """
    http = getattr(client, "_client", None)
    module, sync = _module_of(http, client)
    given = policies or (Cache("1h"),)
    options = {name: _option(http, name) for name in _KEPT_OPTIONS if hasattr(http, name)}
    options = {name: value for name, value in options.items() if value is not None}
    base: Any = ClientTransports(http)
    if sync:
        changed: dict[str, Any] = {
            "http_client": through(module, *given, base=base, sync=True, **options)
        }
    else:
        changed = {"http_client": through(module, *given, base=base, **options)}
    if _repeats(given, module):
        changed["max_retries"] = 0
    copy: C = client.with_options(**changed)  # type: ignore[attr-defined]
    return copy


def _module_of(http: Any, client: object) -> tuple[Any, bool]:
    for kind in type(http).__mro__:
        module = sys.modules.get(kind.__module__.partition(".")[0])
        for name, sync in (("AsyncClient", False), ("Client", True)):
            if module is not None and getattr(module, name, None) is kind:
                return module, sync
    raise BadSetup(
        f"wrap({type(client).__name__}): give an OpenAI or Anthropic client; "
        "for another, hand it the client that headway.adapters.http.through(...) makes"
    )


def _option(http: Any, name: str) -> Any:
    return getattr(http, name)


def _repeats(policies: tuple[Policy, ...], module: Any) -> bool:
    """Whether they ask again both after a refusal that may pass and when no answer came."""
    refusal = UpstreamFailed("wrap", Whole(Head(503, [], {}), b""))
    lost = module.ConnectError("wrap")
    retries = [policy for policy in policies if isinstance(policy, Retry)]
    return all(any(covers(retry, error) for retry in retries) for error in (refusal, lost))
