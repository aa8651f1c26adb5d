"""What policies take, and what answers and streams are, as a type checker sees them."""

from collections.abc import AsyncIterator
from typing import Literal, assert_type

from headway import (
    Answer,
    Batch,
    Cache,
    CacheStatistics,
    Fallback,
    Limit,
    Policy,
    Retry,
    Share,
    Stream,
    Timeout,
    Watch,
    operation,
    without,
)

every: list[Policy] = [
    Watch(),
    Cache("15m"),
    Share(),
    Batch(),
    Fallback(print, on=OSError),
    Retry(on=OSError),
    Limit(at_once=1),
    Timeout(1),
]

Cache()  # error: call-arg
Cache(None)  # error: arg-type
Retry(3)  # error: call-arg
Retry(3, on="OSError")  # error: arg-type
Fallback(print)  # error: call-arg
Limit(at_once="3")  # error: arg-type
Timeout()  # error: call-arg
Batch(10, "1ms", 3)  # error: call-arg
Cache("1m", 5)  # error: call-arg
Limit(3)  # error: call-arg


@operation(
    Cache("15m"), Retry(on=OSError), key=without("request"), name="find", version=2, kind="tool"
)
async def find(name: str, request: int = 0) -> dict[str, int]:
    return {name: request}


@operation()
async def write(name: str) -> AsyncIterator[bytes]:
    yield name.encode()


@operation()
async def nothing() -> None:
    pass


async def ask() -> None:
    answer = await find.answer("x")
    assert_type(answer, Answer[dict[str, int]])
    assert_type(answer.source, Literal["ran", "hit", "joined", "stale"])
    assert_type(answer.age_s, float | None)
    answer.source = "hit"  # error: misc

    stream = await write("x")
    assert_type(stream, Stream[bytes])
    assert_type(await stream.collect(), list[bytes])
    assert_type(stream.again(), Stream[bytes])
    async with stream as opened:
        assert_type(opened, Stream[bytes])
    async for chunk in write("x"):  # error: attr-defined
        chunk.decode()

    assert_type(await nothing(), None)
    assert_type(find.explain(), str)
    assert_type(find.policies, tuple[Policy, ...])
    assert_type(Cache("1m").statistics(), CacheStatistics)
    await find.forget("x")  # error: attr-defined
