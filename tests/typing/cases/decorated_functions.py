"""A decorated function keeps its types: arguments, answer, and what it carries."""

from collections.abc import AsyncIterator
from typing import assert_type

from headway import Cache, Stream, operation


@operation(Cache("15m"))
async def get_price(symbol: str, *, currency: str = "USD") -> float:
    return 1.0


@operation()
def square(number: int) -> int:
    return number * number


@operation()
async def write_words(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield "word"


class Shop:
    @operation(Cache("15m"))
    async def find_item(self, number: int) -> list[str]:
        return []


async def ask() -> None:
    assert_type(await get_price("NVDA", currency="EUR"), float)
    assert_type((await get_price.answer("NVDA")).value, float)
    await get_price(7)  # error: arg-type
    await get_price("NVDA", "EUR")  # error: call-arg
    await get_price.answer(7)  # error: arg-type
    await get_price.invalidate()  # error: call-arg

    assert_type(square(2), int)
    assert_type(square.answer(2).value, int)
    square("2")  # error: arg-type

    assert_type(await write_words(3), Stream[str])
    async for word in await write_words(3):
        assert_type(word, str)

    assert_type(await Shop().find_item(1), list[str])
    await Shop().find_item("one")  # error: arg-type


operation("15m")  # error: arg-type
