import asyncio
import threading

import pytest

from headway.adapters.http.flow import Flow

pytestmark = pytest.mark.anyio


async def waits(flow: Flow) -> bool:
    task = asyncio.create_task(flow.has_room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_waiting = not task.done()
    task.cancel()
    return is_waiting


async def test_there_is_room_up_to_the_limit() -> None:
    flow = Flow(100)
    flow.received(100)
    assert not await waits(flow)
    flow.received(1)
    assert await waits(flow)
    flow.read(1)
    assert not await waits(flow)


async def test_the_fastest_reader_counts() -> None:
    flow = Flow(100)
    flow.received(150)
    flow.read(60)
    flow.read(10)
    assert not await waits(flow)


async def test_one_piece_larger_than_the_limit_passes() -> None:
    flow = Flow(100)
    flow.received(5_000)
    waiting = asyncio.create_task(flow.has_room())
    await asyncio.sleep(0)
    flow.read(5_000)
    await asyncio.wait_for(waiting, 30)


async def test_a_reader_on_another_thread_makes_room() -> None:
    flow = Flow(100)
    flow.received(150)
    waiting = asyncio.create_task(flow.has_room())
    await asyncio.sleep(0)
    thread = threading.Thread(target=flow.read, args=(120,))
    thread.start()
    await asyncio.wait_for(waiting, 30)
    thread.join()
