"""``through``: a client of httpx2 or httpx whose requests go through policies."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal, overload

from ...call import Policy
from ...errors import BadSetup
from ...policies import Batch
from ...stores.size import parse_bytes
from .door import Door
from .faces import AsyncFace, SyncFace
from .plumbing import AsyncClientT, AsyncTransport, ClientT, HttpModule, SyncTransport
from .upstream import ClientTransports, OneTransport, OnLoops, OnThreads, Upstream

_OF_TRANSPORTS: Final = frozenset(
    {"verify", "cert", "http1", "http2", "limits", "mounts", "proxy", "trust_env"}
)
_OF_BOTH: Final = frozenset({"trust_env"})


@overload
def through(
    module: HttpModule[AsyncClientT, ClientT],
    *policies: Policy,
    base: AsyncTransport | None = None,
    sync: Literal[False] = False,
    max_bytes: int | str = "10MB",
    **options: object,
) -> AsyncClientT: ...
@overload
def through(
    module: HttpModule[AsyncClientT, ClientT],
    *policies: Policy,
    base: SyncTransport | None = None,
    sync: Literal[True],
    max_bytes: int | str = "10MB",
    **options: object,
) -> ClientT: ...
def through(
    module: HttpModule[Any, Any],
    *policies: Policy,
    base: Any = None,
    sync: bool = False,
    max_bytes: int | str = "10MB",
    **options: Any,
) -> Any:
    """A client of *module* whose requests go through *policies*; its bytes are never changed.

    The official clients take it: ``AsyncOpenAI(http_client=through(httpx2, Cache("1d")))``.
    Exchanges with a model that are repeatable are kept and shared; all others pass, and so do
    requests to anything else. Every answer says in ``x-headway-cache`` whether it is a hit, miss,
    joined, stale or bypass.

    Args:
        module: ``httpx2`` or ``httpx``, the module itself.
        base: a transport to use instead of the module's own.
        sync: give a ``Client``, not an ``AsyncClient``.
        max_bytes: answers larger than this pass through and are not kept.
        options: anything else the module's client takes: ``timeout``, ``proxy``, ``verify`` ...

    Raises:
        BadSetup: a policy that cannot stand around requests, or ``transport=`` beside ``base=``.
    """
    _refuse(policies, options)
    outer = {k: v for k, v in options.items() if k not in _OF_TRANSPORTS or k in _OF_BOTH}
    inner = {k: v for k, v in options.items() if k in _OF_TRANSPORTS}
    if sync:
        transport = ClientTransports(module.Client(**inner)) if base is None else base
        door = _door(policies, OnThreads(transport), max_bytes)
        return module.Client(transport=SyncFace(module, door, transport), **outer)
    upstream: Upstream
    if base is None:
        upstream = OnLoops(partial(module.AsyncClient, **inner))
    else:
        upstream = OneTransport(base)
    return module.AsyncClient(
        transport=AsyncFace(module, _door(policies, upstream, max_bytes)), **outer
    )


def _door(policies: tuple[Policy, ...], upstream: Upstream, max_bytes: int | str) -> Door:
    return Door(policies, upstream, max_bytes=parse_bytes(max_bytes))


def _refuse(policies: tuple[object, ...], options: dict[str, Any]) -> None:
    for policy in policies:
        if isinstance(policy, type) or not (hasattr(policy, "around") and hasattr(policy, "place")):
            raise BadSetup(f"through(...): {policy!r} is no policy; use one such as Cache('15m')")
        if isinstance(policy, Batch):
            raise BadSetup("through(...): Batch cannot make one request of many; leave it out")
    if "transport" in options:
        raise BadSetup("through(transport=...): the transport is the door; give yours as base=")
