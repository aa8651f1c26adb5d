"""A tool keeps the types of its function, and says what it reads and writes."""

from collections.abc import AsyncIterator
from typing import assert_type

from headway import Stream
from headway.tools import Effects, Guard, Session, SessionStatistics, session, tool


@tool(reads=["company:{symbol}"], ttl="15m")
async def get_price(symbol: str, *, currency: str = "USD") -> float:
    return 1.0


@tool(writes=lambda number: [f"item:{number}"])
def put_item(number: int) -> str:
    return "done"


@tool()
async def write_words(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield "word"


class Shop:
    @tool(reads=["item:{number}"])
    async def find_item(self, number: int) -> list[str]:
        return []


async def run() -> None:
    return None


async def use() -> None:
    async with session("report") as shared:
        assert_type(shared, Session)
        assert_type(await get_price("KO", currency="EUR"), float)
        assert_type((await get_price.answer("KO")).value, float)
        assert_type(shared.statistics(), SessionStatistics)
        await shared.invalidate("company:KO")
    assert_type(get_price.effects("KO"), Effects)
    assert_type(put_item(3), str)
    assert_type(put_item.effects(number=3), Effects)
    assert_type(await write_words(3), Stream[str])
    assert_type(await Shop().find_item(3), list[str])
    guard = Guard("get", lambda arguments: Effects())
    assert_type(await guard.call({}, run), None)
    assert_type(guard.call_sync({}, lambda: 3), int)
    await get_price(3)  # error: arg-type
    get_price.effects(symbol=3)  # error: arg-type
