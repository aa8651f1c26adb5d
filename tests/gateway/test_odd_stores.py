"""Stores that fail, or hold what no gateway put there: a miss, and never a client left waiting."""

from typing import Any

import pytest

from headway import clock
from headway.gateway import kept
from headway.gateway.kept import Kept
from headway.stores import NO_MARK, Entry, MemoryStore
from tests.gateway.raw_rig import chat, rig

pytestmark = pytest.mark.anyio


def entry_of(value: object) -> Entry:
    now = clock.now()
    return Entry(value, made_at=now, fresh_until=now + 100)


class OneEntry:
    """A store that is not in memory, and has the same for every key."""

    name, is_shared = "test", False

    def __init__(self, value: object = None) -> None:
        self._entry = None if value is None else entry_of(value)

    def peek(self, key: bytes) -> Entry | None:
        return None

    async def get(self, key: bytes) -> Entry | None:
        return self._entry

    async def set(self, key: bytes, entry: Entry) -> None:
        pass

    def mark(self) -> int:
        return NO_MARK

    def statistics(self) -> dict[str, object]:
        return {}


NO_FACTS: Any = None


@pytest.mark.parametrize(
    "value",
    [
        Kept("200", "HTTP/1.1 200 OK\r\n", b"", NO_FACTS),
        Kept(200, b"HTTP/1.1 200 OK\r\n", "text", NO_FACTS),
        Kept(200, None, None, NO_FACTS),
    ],
    ids=["a head of text", "a body of text", "nothing"],
)
async def test_an_entry_of_odd_types_is_a_miss(value: Any) -> None:
    async with rig(store=OneEntry(value)) as here:
        answer = await here.ask(chat())
    assert (answer.status, answer.mark) == (200, "miss")


async def test_an_entry_of_another_process_that_is_no_answer_is_a_miss() -> None:
    class Leases:
        async def turn(self, key: bytes, known: Entry | None) -> Entry:
            return entry_of({"not": "ours"})

    async with rig() as here:
        here.gateway._leases = Leases()
        answer = await here.ask(chat())
    assert (answer.status, answer.mark) == (200, "miss")


def test_the_codec_refuses_odd_types() -> None:
    with pytest.raises((TypeError, ValueError)):
        kept._read(["200", "HTTP/1.1 200 OK", "x", {}])


class UnmarkedEntry(OneEntry):
    def mark(self) -> int:
        raise OSError("the store is gone")


class UnmarkedMemory(MemoryStore):
    def mark(self) -> int:
        raise RuntimeError("a fault of the store")


@pytest.mark.parametrize("store", [UnmarkedEntry, UnmarkedMemory])
async def test_a_store_that_gives_no_mark_is_a_miss(store: Any) -> None:
    async with rig(store=store()) as here:
        answer = await here.ask(chat())
    assert (answer.status, answer.mark) == (200, "miss")


class TakesNothing(MemoryStore):
    """A store in memory that fails at each answer."""

    def keep(self, key: object, entry: Entry) -> None:
        raise MemoryError("no room at all")


async def test_an_answer_that_memory_cannot_take_is_not_joined_for_ever() -> None:
    async with rig(store=TakesNothing()) as here:
        marks = [(await here.ask(chat())).mark for _ in range(2)]
        assert not here.gateway.flights
    assert marks == ["miss", "miss"]
