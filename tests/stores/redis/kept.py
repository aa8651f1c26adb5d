"""Entries for the tests, and waiting for what other processes do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from headway import clock
from headway.stores import Entry, Key
from headway.stores.redis import RedisStore


def entry(
    value: object = "value", ttl_s: float = 60, tags: tuple[str, ...] = (), mark: int = 0
) -> Entry:
    """An entry made now."""
    now = clock.now()
    return Entry(value, made_at=now, fresh_until=now + ttl_s, tags=tags, mark=mark)


async def value(store: RedisStore, key: Key) -> object:
    """The value under *key*, or None."""
    found = await store.get(key)
    return None if found is None else found.value


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Return once *condition* holds; fail if it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline, "it did not come to that"
        await asyncio.sleep(0.002)
