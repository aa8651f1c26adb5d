"""Time that stands still, a shelf, and stores of two processes over it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from headway import clock, events
from headway.events import Event, StoreStateChanged
from headway.stores import Entry, MemoryStore
from headway.stores.tiered import TieredStore
from headway.testing import FakeClock
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf


@pytest.fixture
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def store(time: FakeClock, shelf: Shelf) -> AsyncIterator[TieredStore]:
    """Has asked its second tier already."""
    store = TieredStore(MemoryStore(), ScriptedSecond(shelf))
    await store.get("nothing")
    yield store
    shelf.thaw()
    await store.aclose()


@pytest.fixture
async def other(time: FakeClock, shelf: Shelf) -> AsyncIterator[TieredStore]:
    """Another process."""
    store = TieredStore(MemoryStore(), ScriptedSecond(shelf))
    await store.get("nothing")
    yield store
    shelf.thaw()
    await store.aclose()


@pytest.fixture
def states() -> Iterator[list[StoreStateChanged]]:
    seen: list[StoreStateChanged] = []

    def hear(event: Event) -> None:
        if isinstance(event, StoreStateChanged):
            seen.append(event)

    with events.listen(hear):
        yield seen


def entry(
    value: object,
    mark: int = 0,
    *,
    ttl_s: float = 60,
    stale_for_s: float = 0,
    tags: tuple[str, ...] = (),
    is_private: bool = False,
) -> Entry:
    """An entry made now."""
    now = clock.now()
    return Entry(
        value,
        made_at=now,
        fresh_until=now + ttl_s,
        stale_until=now + ttl_s + stale_for_s,
        tags=tags,
        mark=mark,
        is_private=is_private,
    )


async def put(store: TieredStore, key: str, value: object, **more: object) -> None:
    """Keep *value*, made by work that began now."""
    await store.set(key, entry(value, store.mark(), **more))  # type: ignore[arg-type]


async def read(store: TieredStore, key: str) -> object:
    """As a cache looks: without waiting, then with."""
    found = store.peek(key) or await store.get(key)
    return None if found is None else found.value
