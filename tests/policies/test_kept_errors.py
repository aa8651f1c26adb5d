import asyncio
import traceback
from typing import Any

import pytest

from headway import Cache, CallTimedOut, Event, LimitExceeded, events, listen, operation
from headway.policies.kept_errors import anew, seconds_for
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.shared_store import Server, SharedView
from tests.policies.work import Work

pytestmark = pytest.mark.usefixtures("time")


class Odd(Exception):
    """An error whose arguments are not those of its class."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{why} ({code})")
        self.code, self.why = code, why


async def test_a_chosen_error_is_kept_for_its_time(time: FakeClock) -> None:
    cache = Cache("15m", errors={LookupError: "30s"})
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run(KeyError(name) if work.runs < 1 else None)

    seen: list[Event] = []
    for _ in range(3):
        with listen(seen.append), pytest.raises(KeyError, match="x"):
            await find("x")
        await time.advance("5s")
    assert work.runs == 1
    ended = [event for event in seen if isinstance(event, events.CallEnded)]
    assert [(one.source, one.age_s, one.error, one.tier) for one in ended] == [
        ("ran", None, "KeyError", None),
        ("hit", 5.0, "KeyError", "memory"),
        ("hit", 10.0, "KeyError", "memory"),
    ]
    counted = cache.statistics()
    assert (counted.hits, counted.errors_served, counted.misses) == (2, 2, 1)
    await time.advance("15s")
    assert await find("x") == 2


async def test_other_errors_are_not_kept() -> None:
    work = Work()

    @operation(Cache("15m", errors={LookupError: "30s"}))
    async def find(name: str) -> int:
        return await work.run(ConnectionError("down") if work.runs < 1 else None)

    with pytest.raises(ConnectionError):
        await find("x")
    assert await find("x") == 2


async def test_each_caller_gets_an_error_of_its_own() -> None:
    @operation(Cache("15m", errors={Odd: "30s"}))
    async def find(name: str) -> int:
        raise Odd(404, "nothing there")

    async def failure() -> Odd:
        with pytest.raises(Odd) as raised:
            await find("x")
        return raised.value

    first = await failure()
    first.add_note("mine")
    later = [await failure() for _ in range(20)]
    assert len({id(error) for error in [first, *later]}) == 21
    assert {(str(error), error.code, error.why) for error in later} == {
        ("nothing there (404)", 404, "nothing there")
    }
    assert not any(hasattr(error, "__notes__") for error in later)
    lengths = [len(traceback.extract_tb(error.__traceback__)) for error in later]
    assert len(set(lengths)) == 1
    assert all(error.__cause__ is None and error.__context__ is None for error in later)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        OSError(2, "no such file", "x.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ExceptionGroup("both", [ValueError("a"), OSError("b")]),
        Odd(1, "why"),
        LimitExceeded("full", retry_after_s=3.0),
        CallTimedOut("shop.find", 1.0, "answer"),
    ],
)
def test_an_error_made_anew_is_equal_and_bare(error: Exception) -> None:
    error.add_note("a note")
    try:
        raise error
    except Exception as caught:
        again = anew(caught)
    assert again is not error
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert again.__dict__ == error.__dict__
    assert again.__traceback__ is None
    again.add_note("another")
    assert error.__notes__ == ["a note"]


def test_the_nearest_class_counts() -> None:
    seconds: dict[type[Exception], float] = {Exception: 1.0, LookupError: 2.0, KeyError: 3.0}
    given = (KeyError(), IndexError(), ValueError())
    assert [seconds_for(error, seconds) for error in given] == [3.0, 2.0, 1.0]
    assert seconds_for(ValueError(), {LookupError: 2.0}) is None


@pytest.mark.parametrize("how", ["question", "tag", "prefix", "clear"])
async def test_it_is_dropped_as_answers_are(how: str) -> None:
    cache = Cache("15m", errors={LookupError: "30s"}, tags=("name:{name}",))
    work = Work()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run(KeyError(name) if work.runs < 1 else None)

    with pytest.raises(KeyError):
        await find("x")
    drops: dict[str, Any] = {
        "question": lambda: find.invalidate("x"),
        "tag": lambda: cache.invalidate("name:x"),
        "prefix": lambda: cache.invalidate("name:*"),
        "clear": cache.clear,
    }
    await drops[how]()
    assert await find("x") == 2


@pytest.mark.parametrize("how", ["question", "tag"])
async def test_an_error_that_was_under_way_at_an_invalidation_is_not_kept(how: str) -> None:
    cache = Cache("15m", errors={LookupError: "30s"}, tags=("all",))
    work = Work()
    work.hold()

    @operation(cache)
    async def find(name: str) -> int:
        return await work.run(KeyError(name) if work.runs < 1 else None)

    caller = asyncio.create_task(find("x"))
    await settle()
    await (find.invalidate("x") if how == "question" else cache.invalidate("all"))
    work.let_go()
    with pytest.raises(KeyError):
        await caller
    assert await find("x") == 2


async def test_a_stale_answer_goes_before_a_kept_error(time: FakeClock) -> None:
    work = Work()

    @operation(Cache("1m", stale_for="1h", errors={LookupError: "1h"}))
    async def find(name: str) -> int:
        return await work.run(KeyError(name) if work.runs == 1 else None)

    assert await find("x") == 1
    await time.advance("2m")
    await find("x")
    await settle()
    answer = await find.answer("x")
    assert (answer.value, answer.source) == (1, "stale")


@pytest.mark.parametrize("how", ["question", "tag", "clear"])
async def test_what_is_invalidated_in_another_process_is_dropped_here(how: str) -> None:
    server = Server()
    other = Cache("15m", store=SharedView(server))
    work = Work()

    @operation(
        Cache("15m", store=SharedView(server), errors={KeyError: "30s"}, tags=("all",)), name="find"
    )
    async def find(name: str) -> int:
        return await work.run(KeyError(name) if work.runs < 1 else None)

    with pytest.raises(KeyError):
        await find("x")
    if how == "question":
        await operation(other, name="find")(find.operation.run).invalidate("x")
    else:
        await (other.invalidate("all") if how == "tag" else other.clear())
    assert await find("x") == 2


async def test_an_error_never_reaches_another_process() -> None:
    server = Server()
    views = SharedView(server), SharedView(server)
    runs: list[int] = []

    def process(number: int) -> Any:
        @operation(Cache("15m", store=views[number], errors={KeyError: "30s"}), name="shop.find")
        async def find(name: str) -> int:
            runs.append(number)
            raise KeyError(name)

        return find

    one, two = process(0), process(1)
    for ask in (one, one, two, two):
        with pytest.raises(KeyError):
            await ask("x")
    assert runs == [0, 1]
    assert not server.entries
    assert views[0].asked["set"] == views[1].asked["set"] == 0
