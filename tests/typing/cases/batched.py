"""Written for many, asked with one: a batched function and a batched method."""

from collections.abc import Iterator, Sequence
from typing import assert_type

from headway import Cache, batched


@batched(Cache("1d"), max_items=100, max_wait="5ms")
async def embed(texts: list[str]) -> list[tuple[float, ...]]:
    return [(0.0,) for _ in texts]


@batched()
async def count(texts: Sequence[str]) -> Iterator[int]:
    return iter([len(text) for text in texts])


class Model:
    @batched()
    async def embed(self, texts: list[str]) -> list[float]:
        return [0.0 for _ in texts]


async def ask() -> None:
    assert_type(await embed("text"), tuple[float, ...])
    assert_type((await embed.answer("text")).value, tuple[float, ...])
    assert_type(await count("text"), int)
    assert_type(await Model().embed("text"), float)
    await embed(["text"])  # error: arg-type
    await embed("text", "more")  # error: call-arg
    await Model().embed(["text"])  # error: arg-type


@batched()  # error: arg-type
async def one(text: str) -> list[int]:
    return [1]
