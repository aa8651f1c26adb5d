"""Requests sent ahead of their turn: each gets its own answer, in its order, whatever happens."""

import asyncio

import pytest

from headway.gateway.plan import OBSERVE
from tests.gateway.clients_at_work import until
from tests.gateway.raw_client import GOOD, GOOD_BODY, RawServer, connected
from tests.gateway.raw_rig import answer_of, asked_in, chat, rig, said_in, saying

pytestmark = pytest.mark.anyio


async def test_answers_keep_the_order_of_their_requests() -> None:
    """The third request comes in the turn of the loop in which the first one is answered."""
    waiting: list[asyncio.StreamWriter] = []

    async def says(server: RawServer, writer: asyncio.StreamWriter) -> None:
        if asked_in(server) == "first":
            waiting.append(writer)
        else:
            writer.write(answer_of(saying(asked_in(server))))

    async with rig(says, rules=OBSERVE) as here:
        for _ in range(20):
            waiting.clear()
            async with connected(here.gateway.url) as client:
                client.writer.write(chat("first") + chat("second"))
                await until(lambda: bool(waiting))
                waiting[0].write(answer_of(saying("first")))
                client.writer.write(chat("third"))
                answers = [said_in(await client.answer()) for _ in range(3)]
            assert answers == ["first", "second", "third"]


async def test_a_drain_in_the_turn_of_a_hit_does_not_lose_it() -> None:
    async with rig() as here:
        await here.ask(chat())
        here.connection.data_received(chat())  # a hit, written at the end of this turn
        here.connection.end_if_idle()
        assert (await here.client.answer()).body == GOOD_BODY
        assert await here.client.rest() == b""


async def says_unless_silent(server: RawServer, writer: asyncio.StreamWriter) -> None:
    if asked_in(server) != "silent":
        writer.write(GOOD)


async def test_a_drain_serves_the_request_that_is_next() -> None:
    async with rig(says_unless_silent) as here:
        await here.ask(chat())
        await here.client.send(chat("silent") + chat())
        await until(lambda: len(here.server.requests) == 2)
        (flight,) = here.gateway.flights.values()
        assert flight.connection is not None
        flight.connection.data_received(GOOD)
        here.connection.end_if_idle()
        for _ in range(2):
            assert (await here.client.answer()).body == GOOD_BODY


async def test_one_broken_connection_does_not_silence_those_written_to_after_it() -> None:
    async with rig(says_unless_silent) as here:
        await here.ask(chat())
        healthy = here.connection
        async with connected(here.gateway.url) as other:
            await other.send(chat("silent") + chat())
            await until(lambda: len(here.server.requests) == 2)
            (broken,) = here.gateway.connections - {healthy}
            (flight,) = here.gateway.flights.values()
            assert flight.connection is not None
            flight.connection.data_received(GOOD)
            broken.data_received(b"GARBAGE \x00\r\n\r\n")
            await asyncio.sleep(0)
            healthy.data_received(chat())  # both are written to at the end of this turn
            assert (await here.client.answer()).body == GOOD_BODY


async def test_long_requests_ahead_of_their_turn_stop_the_reading() -> None:
    async def says_nothing(server: RawServer, writer: asyncio.StreamWriter) -> None:
        pass

    size = 1_500_000
    async with rig(says_nothing) as here:
        try:
            for number in range(12):
                here.client.writer.write(chat(f"{number}" + "x" * size))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(here.client.writer.drain(), 0.1)
            held = sum(len(request[4]) for request in here.connection._waiting)
        finally:
            here.client.reset()
    assert held < 3 * size


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"GARBAGE \x00\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
    ],
    ids=["garbage", "an unknown coding"],
)
async def test_what_came_before_garbage_is_answered_first(garbage: bytes, status: int) -> None:
    async with rig() as here:
        await here.ask(chat())
        here.client.writer.write(chat() + chat() + garbage)
        answers = [(await here.client.answer()).status for _ in range(3)]
        rest = await here.client.rest()
    assert answers == [200, 200, status]
    assert rest == b""
