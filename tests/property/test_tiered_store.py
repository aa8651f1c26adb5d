"""Two processes over one second tier that fails as it likes: nothing void is served in the end.

Values are numbers that only grow, so what was made before an invalidation is known by its number.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import clock
from headway.stores import Entry, MemoryStore
from headway.stores.tiered import TieredStore
from headway.testing import FakeClock
from tests.stores.tiered.scripted_second import ScriptedSecond, Shelf

KEYS, TAGS = ("one", "two", "three"), ("a", "b")
TAG_OF = {"one": "a", "two": "b", "three": "a"}

USES = ("put", "put", "read", "read", "invalidate", "delete", "clear")
FAULTS = ("refuse", "freeze", "slow", "heal", "heal", "lose", "trim", "deafen", "wait", "long")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*USES, *USES, *FAULTS]),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    max_size=40,
)


class Two:
    """The stores, and for each key the least number that may still be served."""

    def __init__(self, time: FakeClock, *, strict: bool) -> None:
        self.time, self.shelf, self.strict = time, Shelf(), strict
        self.stores = [
            TieredStore(MemoryStore(), ScriptedSecond(self.shelf), strict=strict) for _ in "ab"
        ]
        self.number = 0
        self.acknowledged = dict.fromkeys(KEYS, 0)
        self.own = [dict.fromkeys(KEYS, 0) for _ in self.stores]
        self.wished = dict.fromkeys(KEYS, 0)

    async def in_time(self, work: Awaitable[object]) -> object:
        """What *work* gives, or raises; the clock goes on while it waits."""
        task = asyncio.ensure_future(work)
        for _ in range(200):
            await self.time.advance(0.01)
            if task.done():
                return task.result()
        raise AssertionError("a caller waited for two seconds")

    async def put(self, who: int, key: str) -> None:
        self.number += 1
        store, now = self.stores[who], clock.now()
        mark = store.mark()
        entry = Entry(
            self.number, made_at=now, fresh_until=now + 1e6, tags=(TAG_OF[key],), mark=mark
        )
        await self.in_time(store.set(key, entry))

    async def make_void(self, who: int, keys: list[str], work: Awaitable[None]) -> None:
        for key in keys:
            self.own[who][key] = self.wished[key] = self.number + 1
        try:
            await self.in_time(work)
        except ConnectionError:
            assert self.strict
        else:
            if self.strict:
                self.acknowledged.update(dict.fromkeys(keys, self.number + 1))

    async def read(self, who: int, key: str) -> int | None:
        store = self.stores[who]
        found = store.peek(key) or await self.in_time(store.get(key))
        return found.value if isinstance(found, Entry) else None

    async def step(self, what: str, who: int, which: int) -> None:
        key, tag, store = KEYS[which], TAGS[which % 2], self.stores[who]
        if what == "put":
            await self.put(who, key)
        elif what == "read":
            value = await self.read(who, key)
            assert value is None or value >= self.own[who][key]
            assert value is None or value >= self.acknowledged[key]
        elif what == "invalidate":
            await self.make_void(
                who, [k for k in KEYS if TAG_OF[k] == tag], store.invalidate([tag])
            )
        elif what == "delete":
            await self.make_void(who, [key], store.delete(key))
        elif what == "clear":
            await self.make_void(who, list(KEYS), store.clear())
        else:
            await self.fault(what, who)

    async def fault(self, what: str, who: int) -> None:
        shelf, second = self.shelf, self.stores[who].second
        assert isinstance(second, ScriptedSecond)
        if what == "refuse":
            shelf.refuses = True
        elif what == "freeze":
            shelf.is_frozen = True
        elif what == "slow":
            shelf.slow_s = 0.08
        elif what == "lose":
            # What memory holds is given to it again; a loss unseen by all is beyond mending.
            if not self.strict:
                shelf.begin()
        elif what == "trim":
            shelf.trim_log()
        elif what == "deafen":
            second.is_deaf = not second.is_deaf
        elif what in ("wait", "long"):
            await self.time.advance(0.1 if what == "wait" else 2)
        else:
            await self.heal()

    async def heal(self) -> None:
        self.shelf.refuses, self.shelf.slow_s = False, 0.0
        self.shelf.thaw()

    async def close(self) -> None:
        await self.heal()
        for store in self.stores:
            await self.in_time(store.aclose())


def run(
    strict: bool, steps: list[tuple[str, int, int]], end: Callable[[Two], Awaitable[None]]
) -> None:
    time = FakeClock()

    async def whole() -> None:
        two = Two(time, strict=strict)
        for store in two.stores:  # what happened before a process first met it cannot be heard
            await store.get("nothing")
        try:
            for what, who, which in steps:
                await two.step(what, who, which)
            await end(two)
        finally:
            await two.close()

    with clock.use(time):
        asyncio.run(whole())


async def nothing_more(two: Two) -> None:
    """All was checked on the way."""


async def all_is_mended(two: Two) -> None:
    """A while after the last fault every process knows of every invalidation, and both are up."""
    await two.heal()
    for store in two.stores:
        assert isinstance(store.second, ScriptedSecond)
        store.second.is_deaf = False
    for _ in range(8):
        for who, store in enumerate(two.stores):
            for key in KEYS:
                await two.read(who, key)
            await two.in_time(store.refetch("nothing"))
        await two.time.advance(1)
    assert [store.state for store in two.stores] == ["up", "up"]
    for who in (0, 1):
        for key in KEYS:
            value = await two.read(who, key)
            assert value is None or value >= two.wished[key]


@settings(max_examples=150)
@given(STEPS)
def test_strict_serves_nothing_older_than_the_last_acknowledgement(
    steps: list[tuple[str, int, int]],
) -> None:
    run(True, steps, nothing_more)


@settings(max_examples=150)
@given(STEPS.map(lambda steps: [step for step in steps if step[0] != "lose"]))
def test_after_the_last_fault_all_is_mended(steps: list[tuple[str, int, int]]) -> None:
    run(False, steps, all_is_mended)


@settings(max_examples=100)
@given(STEPS)
def test_own_invalidations_hold_even_if_the_data_are_lost(
    steps: list[tuple[str, int, int]],
) -> None:
    run(False, steps, nothing_more)


@pytest.mark.parametrize("strict", [False, True])
def test_the_walk_can_be_walked_without_faults(strict: bool) -> None:
    run(
        strict, [("put", 0, 0), ("read", 1, 0), ("invalidate", 1, 0), ("read", 0, 0)], all_is_mended
    )
