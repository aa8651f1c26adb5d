"""Headway as the cache peers want it: ``PEER_EXTRA=peer_adapters`` of stampede and keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from adapters import register_async, register_sync

from headway import Cache, operation

Wrap = Callable[[Callable[..., Any], float], Callable[..., Any]]


async def _nothing_to_close() -> None:
    return None


@register_async("headway")
async def make_async(url: str) -> tuple[Wrap, Callable[[], Awaitable[None]]]:
    """An async function behind a cache whose answers are copied, as keys.py asks."""
    return (lambda run, ttl: operation(Cache(ttl, copy=True))(run)), _nothing_to_close


@register_async("headway, answers frozen")
async def make_async_frozen(url: str) -> tuple[Wrap, Callable[[], Awaitable[None]]]:
    """An async function behind a cache with the default: everybody gets the same object."""
    return (lambda run, ttl: operation(Cache(ttl))(run)), _nothing_to_close


@register_sync("headway")
def make_sync(url: str) -> tuple[Wrap, Callable[[], None]]:
    """A plain function behind the same cache, called from threads."""
    return (lambda run, ttl: operation(Cache(ttl))(run)), lambda: None
