"""Methods keep their types: async, plain, streaming, class and static."""

from collections.abc import AsyncIterator
from typing import assert_type

from headway import Cache, Stream, operation


class Shop:
    @operation(Cache("15m"))
    async def find(self, name: str, *, currency: str = "USD") -> float:
        return 1.0

    @operation(Cache("15m"))
    def price(self, name: str) -> int:
        return 1

    @operation()
    async def describe(self, name: str) -> AsyncIterator[str]:
        yield name

    @staticmethod
    @operation()
    async def count(name: str) -> int:
        return 1


class Corner(Shop):
    pass


async def ask(shop: Shop, corner: Corner) -> None:
    assert_type(await shop.find("x", currency="EUR"), float)
    assert_type(shop.price("x"), int)
    assert_type(await shop.describe("x"), Stream[str])
    assert_type(await Shop.count("x"), int)
    assert_type(await corner.find("x"), float)
    assert_type((await Shop.find.answer(shop, "x")).value, float)
    assert_type(Shop.price.answer(shop, "x").value, int)
    await Shop.find.invalidate(shop, "x")
    await shop.find(1)  # error: arg-type
    await shop.find("x", "EUR")  # error: call-arg
    shop.price()  # error: call-arg
    await Shop.find(shop)  # error: call-arg
