"""Effects that look at what is not there yet, and references of no use to anyone."""

import asyncio

from headway.tools import ToolCall, execute_batch, tool

done: list[str] = []


@tool(reads=["place"])
async def find_place() -> str:
    return "a"


def _written(where: object) -> list[str]:
    if isinstance(where, str):
        return [f"files/{where}"]
    return [f"files/{one}" for one in where] if isinstance(where, list) else []


@tool(writes=_written)
async def write(where: str) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done.append("write")


@tool(reads=["files/a"])
async def read() -> None:
    done.append("read")


async def test_effects_that_ask_what_a_value_is_are_not_known_before_it_is_there() -> None:
    done.clear()
    calls = [ToolCall("1", "find_place"), ToolCall("2", "write", {"where": "$1"})]
    await execute_batch([*calls, ToolCall("3", "read")], tools=[find_place, write, read])
    assert done == ["write", "read"]


async def test_a_number_that_no_batch_has_is_text() -> None:
    told: list[object] = []

    @tool(reads=["nothing"])
    async def hear(text: str) -> None:
        told.append(text)

    long = "$" + "9" * 5_000
    outcome = await execute_batch([ToolCall("1", "hear", {"text": long})], tools=[hear])
    assert [result.status for result in outcome.results] == ["done"]
    assert told == [long]
