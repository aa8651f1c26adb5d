"""The way to the model's endpoint: an HTTP client whose exchanges go through Headway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headway import (
    Cache,
    ModelAnswered,
    Policy,
    Retry,
    Store,
    UpstreamFailed,
    clock,
    cost_of,
    through,
)

from .address import ModelAddress, WrongModel

if TYPE_CHECKING:
    import httpx2

MISSING = "a model is asked over HTTP, which needs httpx2: pip install 'headway[http]'"
ATTEMPTS, KEPT_FOR = 4, "1h"


def policies(store: Store | None = None) -> tuple[Policy, ...]:
    """What stands around each exchange: kept answers, and the one layer of retries that there is.

    Kept in *store*, or in memory.

    Repeated is what may pass: 408, 409, 429, 5xx and broken connections, after the time that the
    endpoint asks for, if it does.
    """
    from httpx2 import TransportError

    return (Cache(KEPT_FOR, store=store), Retry(ATTEMPTS, on=(UpstreamFailed, TransportError)))


@asynccontextmanager
async def opened(
    given: httpx2.AsyncClient | None, store: Store | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """The client given, which stays open, or one of its own on *store*, closed at the end.

    Raises:
        WrongModel: httpx2 is not installed.
    """
    if given is not None:
        yield given
        return
    try:
        import httpx2
    except ModuleNotFoundError as missing:
        if missing.name != "httpx2":
            raise
        raise WrongModel(MISSING) from None
    async with through(httpx2, *policies(store)) as http:
        yield http


def has_price(address: ModelAddress) -> bool:
    """Whether it can be told what an answer of this model costs."""
    answer = ModelAnswered(
        at=clock.now(),
        run=None,
        call=None,
        operation=str(address),
        provider=address.provider,
        model=address.model,
        source="ran",
        tokens_in=1,
        tokens_cached=0,
        tokens_cache_written=0,
        tokens_out=1,
    )
    return cost_of(answer) is not None
