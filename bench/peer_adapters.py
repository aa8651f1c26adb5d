"""Headway as the cache peers want it: ``PEER_EXTRA=peer_adapters`` of stampede and keys."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from adapters import register_async, register_sync

from headway import Cache, DiskStore, MemoryStore, RedisStore, TieredStore, operation

Wrap = Callable[[Callable[..., Any], float], Callable[..., Any]]

# Made on import, so that processes which the bench forks later have it in common.
_folder = tempfile.mkdtemp(prefix="headway-peers-")
_owner = os.getpid()


@atexit.register
def _remove_folder() -> None:
    if os.getpid() == _owner:
        shutil.rmtree(_folder, ignore_errors=True)


def _on_redis(url: str) -> TieredStore:
    return TieredStore(MemoryStore(), RedisStore(url))


def _on_disk(url: str, kind: str) -> TieredStore:
    """Each case of the bench has a server, and so a port, of its own: it names the folder too."""
    port = url.rsplit(":", 1)[-1].split("/")[0]
    return TieredStore(MemoryStore(), DiskStore(Path(_folder, f"{kind}-{port}")))


def _behind(store: TieredStore) -> Wrap:
    """``wrap(function, ttl)``; the bench's functions stand inside others, so they need a name."""

    def wrap(function: Callable[..., Any], ttl: float) -> Callable[..., Any]:
        named = f"{function.__module__}.{function.__qualname__}"
        return operation(Cache(ttl, store=store, copy=True), name=named)(function)

    return wrap


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


@register_async("headway redis", needs_redis=True)
async def make_async_redis(url: str) -> tuple[Wrap, Callable[[], Awaitable[None]]]:
    """An async function behind memory, with Redis behind it."""
    store = _on_redis(url)
    return _behind(store), store.aclose


@register_async("headway disk", needs_redis=True)
async def make_async_disk(url: str) -> tuple[Wrap, Callable[[], Awaitable[None]]]:
    """An async function behind memory, with a folder behind it; Redis stands idle."""
    store = _on_disk(url, "async")
    return _behind(store), store.aclose


@register_sync("headway redis", needs_redis=True)
def make_sync_redis(url: str) -> tuple[Wrap, Callable[[], None]]:
    """A plain function behind memory, with Redis behind it."""
    return _behind(_on_redis(url)), lambda: None


@register_sync("headway disk", needs_redis=True)
def make_sync_disk(url: str) -> tuple[Wrap, Callable[[], None]]:
    """A plain function behind memory, with a folder behind it; Redis stands idle."""
    return _behind(_on_disk(url, "sync")), lambda: None
