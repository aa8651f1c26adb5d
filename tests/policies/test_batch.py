import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from headway import (
    BadSetup,
    Batch,
    Cache,
    CallCancelled,
    CallTimedOut,
    Limit,
    Retry,
    Timeout,
    batched,
    clock,
    off,
    operation,
)
from headway.testing import FakeClock
from headway.testing.clock import settle
from tests.policies.work import actions, nothing_left_behind, on_threads


class Asked:
    """A function written for many that notes what it was asked, and when."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.at: list[float] = []

    async def __call__(self, words: list[str]) -> list[str]:
        self.batches.append(list(words))
        self.at.append(clock.monotonic())
        await asyncio.sleep(0)
        return [word.upper() for word in words]


def decorated(asked: Any, *policies: Any, **options: Any) -> Any:
    @batched(*policies, **options)
    async def shout(words: list[str]) -> Iterable[Any]:
        return await asked(words)

    return shout


async def test_a_batch_goes_when_it_is_full(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_items=3, max_wait="1s")
    async with nothing_left_behind():
        callers = [asyncio.create_task(shout(word)) for word in "abcdefg"]
        await settle()
        assert asked.batches == [["a", "b", "c"], ["d", "e", "f"]]
        await time.advance("1s")
        assert asked.batches[2] == ["g"]
        assert await asyncio.gather(*callers) == list("ABCDEFG")
    assert time.waiting == 0


async def test_a_batch_goes_when_its_first_item_has_waited_long_enough(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_wait="1s")
    callers = [asyncio.create_task(shout("a"))]
    for word in "bcd":
        await time.advance(0.3)
        callers.append(asyncio.create_task(shout(word)))
    await time.advance(0.1)
    assert (asked.batches, asked.at) == ([["a", "b", "c", "d"]], [pytest.approx(1.0)])
    late = asyncio.create_task(shout("e"))
    await time.advance(0.9)
    assert len(asked.batches) == 1
    await time.advance(0.1)
    assert asked.at[1] == pytest.approx(2.0)
    assert await asyncio.gather(*callers, late) == list("ABCDE")


async def test_equal_items_are_asked_as_they_came(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_items=3)
    assert await asyncio.gather(*(shout(word) for word in "aba")) == ["A", "B", "A"]
    assert asked.batches == [["a", "b", "a"]]


async def test_an_error_for_one_item_is_its_callers_alone(time: FakeClock) -> None:
    wrong = ValueError("no such word")

    async def some(words: list[str]) -> list[object]:
        return [wrong if word == "b" else word for word in words]

    shout = decorated(some, max_items=3)
    outcomes = await asyncio.gather(*(shout(word) for word in "abc"), return_exceptions=True)
    assert outcomes == ["a", wrong, "c"]


async def test_an_error_of_the_whole_reaches_all(time: FakeClock) -> None:
    wrong = ConnectionError("lost")

    async def none(words: list[str]) -> list[str]:
        raise wrong

    shout = decorated(none, max_items=3)
    async with nothing_left_behind():
        outcomes = await asyncio.gather(*(shout(word) for word in "abc"), return_exceptions=True)
    assert all(outcome is wrong for outcome in outcomes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "asked 2 items and gave 0 answers"),
        (["a", "b", "c"], "asked 2 items and gave 3"),
        (None, "must return a list, not NoneType"),
        ("ab", "must return a list, not str"),
        (b"ab", "must return a list, not bytes"),
        ({"a": 1, "b": 2}, "must return a list, not dict"),
        ({"a", "b"}, "must return a list, not set"),
        (7, "must return a list, not int"),
    ],
)
async def test_what_is_not_one_answer_an_item_is_an_error_for_all(
    time: FakeClock, given: object, said: str
) -> None:
    async def wrong(words: list[str]) -> object:
        return given

    shout = decorated(wrong, max_items=2)
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(shout("a"), shout("b"), return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, BadSetup)
        assert said in str(outcome)
        assert "shout" in str(outcome)


async def test_answers_may_come_as_any_sequence(time: FakeClock) -> None:
    async def lazily(words: list[str]) -> Iterable[str]:
        return (word.upper() for word in words)

    shout = decorated(lazily, max_items=2)
    assert await asyncio.gather(shout("a"), shout("b")) == ["A", "B"]


async def test_answers_that_fail_while_they_are_listed_reach_all(time: FakeClock) -> None:
    async def lazily(words: list[str]) -> Iterable[str]:
        return (word.missing for word in words)  # type: ignore[attr-defined]

    shout = decorated(lazily, max_items=2)
    outcomes = await asyncio.gather(shout("a"), shout("b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AttributeError] * 2


async def test_an_answer_no_future_can_hold_hangs_nobody(time: FakeClock) -> None:
    async def odd(words: list[str]) -> list[object]:
        return [StopIteration("end"), "b", "c"]

    shout = decorated(odd, max_items=3)
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(shout(word) for word in "abc"), return_exceptions=True)
    assert isinstance(outcomes[0], RuntimeError)
    assert isinstance(outcomes[0].__cause__, StopIteration)
    assert outcomes[1:] == ["b", "c"]


async def test_who_leaves_before_it_goes_is_not_in_it(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_wait="1s")
    async with nothing_left_behind():
        callers = [asyncio.create_task(shout(word)) for word in "abc"]
        await settle()
        callers[1].cancel()
        await time.advance("1s")
        assert asked.batches == [["a", "c"]]
        assert await asyncio.gather(callers[0], callers[2]) == ["A", "C"]


async def test_when_all_leave_before_it_goes_nothing_is_asked(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_wait="1s")
    async with nothing_left_behind():
        callers = [asyncio.create_task(shout(word)) for word in "ab"]
        await settle()
        for caller in callers:
            caller.cancel()
        await settle()
        assert time.waiting == 0
        late = asyncio.create_task(shout("c"))
        await time.advance("1s")
        assert await late == "C"
    assert asked.batches == [["c"]]


async def test_who_leaves_after_it_went_harms_nobody_and_when_all_leave_it_is_cancelled(
    time: FakeClock,
) -> None:
    cancelled: list[bool] = []
    go = asyncio.Event()

    async def slow(words: list[str]) -> list[str]:
        try:
            await go.wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return words

    shout = decorated(slow, max_items=2)
    async with nothing_left_behind():
        leaves, stays = asyncio.create_task(shout("a")), asyncio.create_task(shout("b"))
        await settle()
        leaves.cancel()
        await settle()
        assert cancelled == []
        go.set()
        assert await stays == "b"
        go.clear()
        both = [asyncio.create_task(shout(word)) for word in "cd"]
        await settle()
        for caller in both:
            caller.cancel()
        await asyncio.gather(*both, return_exceptions=True)
    assert cancelled == [True]


async def test_all_may_leave_in_the_moment_it_goes(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, max_items=2)
    async with nothing_left_behind():
        callers = [asyncio.create_task(shout(word)) for word in "ab"]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert await asyncio.gather(shout("c"), shout("d")) == ["C", "D"]


async def test_a_call_that_cancels_itself_is_an_error_for_those_who_wait(time: FakeClock) -> None:
    async def cancels(words: list[str]) -> list[str]:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    shout = decorated(cancels, max_items=2, name="shop.shout")
    async with nothing_left_behind():
        outcomes = await asyncio.gather(shout("a"), shout("b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [CallCancelled] * 2


async def test_with_a_cache_every_item_is_kept_for_itself(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked, Cache("15m"), max_wait="1s")
    first = asyncio.gather(*(shout.answer(word) for word in "aab"))
    await time.advance("1s")
    assert [answer.source for answer in await first] == ["ran", "joined", "ran"]
    assert asked.batches == [["a", "b"]]
    second = asyncio.gather(*(shout.answer(word) for word in "abc"))
    await time.advance("1s")
    assert [(one.value, one.source) for one in await second] == [
        ("A", "hit"),
        ("B", "hit"),
        ("C", "ran"),
    ]
    assert asked.batches[1:] == [["c"]]
    await shout.invalidate("a")
    third = asyncio.ensure_future(shout.answer("a"))
    await time.advance("1s")
    assert (await third).source == "ran"


async def test_with_a_cache_an_error_for_one_item_is_not_kept(time: FakeClock) -> None:
    async def once(words: list[str]) -> list[object]:
        fails = not seen
        seen.extend(words)
        return [ValueError(word) if fails and word == "a" else word for word in words]

    seen: list[str] = []
    shout = decorated(once, Cache("15m"), max_items=2)
    outcomes = await asyncio.gather(shout("a"), shout("b"), return_exceptions=True)
    assert isinstance(outcomes[0], ValueError)
    again = asyncio.gather(shout("a"), shout("b"))
    await time.advance("1s")
    assert await again == ["a", "b"]
    assert seen == ["a", "b", "a"]


async def test_what_stands_inside_sees_one_call(time: FakeClock) -> None:
    runs = 0

    async def flaky(words: list[str]) -> list[str]:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ConnectionError
        return words

    limit = Limit(at_once=1)
    shout = decorated(flaky, Retry(2, on=ConnectionError), limit, Timeout("1m"), max_items=3)
    both = asyncio.gather(*(shout(word) for word in "abc"))
    await time.advance("1s")
    assert await both == ["a", "b", "c"]
    assert runs == 2


async def test_a_timeout_of_the_one_call_reaches_all(time: FakeClock) -> None:
    async def never(words: list[str]) -> list[str]:
        await asyncio.Event().wait()
        return words

    shout = decorated(never, Timeout("10s"), max_items=2)
    async with nothing_left_behind():
        both = asyncio.gather(shout("a"), shout("b"), return_exceptions=True)
        await time.advance("10s")
        assert [type(outcome) for outcome in await both] == [CallTimedOut] * 2


async def test_it_says_how_many_went_together(time: FakeClock) -> None:
    shout = decorated(Asked(), max_wait="2s")
    with actions() as seen:
        both = asyncio.gather(shout("a"), shout("b"))
        await time.advance("2s")
        await both
    assert [(one.action, one.count, one.seconds) for one in seen] == [
        ("batched", 2, pytest.approx(2.0))
    ]


async def test_switched_off_every_item_goes_alone(time: FakeClock) -> None:
    asked = Asked()
    shout = decorated(asked)
    with off():
        assert await asyncio.gather(shout("a"), shout("b")) == ["A", "B"]
    assert asked.batches == [["a"], ["b"]]


async def test_one_batch_around_two_operations_keeps_them_apart(time: FakeClock) -> None:
    batch = Batch(max_items=2)
    asked: list[tuple[str, list[str]]] = []

    def make(name: str) -> Any:
        @operation(batch, name=name)
        async def many(words: list[str]) -> list[str]:
            asked.append((name, words))
            return words

        return many

    one, two = make("one"), make("two")
    await asyncio.gather(one("a"), two("b"), one("c"), two("d"))
    assert asked == [("one", ["a", "c"]), ("two", ["b", "d"])]


class Speaker:
    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.batches: list[list[str]] = []

    @batched(max_items=2)
    async def shout(self, words: list[str]) -> list[str]:
        self.batches.append(words)
        return [word + self.mark for word in words]


async def test_a_method_is_batched_for_each_object(time: FakeClock) -> None:
    loud, quiet = Speaker("!"), Speaker(".")
    both = (loud.shout("a"), quiet.shout("b"), loud.shout("c"), quiet.shout("d"))
    assert await asyncio.gather(*both) == ["a!", "b.", "c!", "d."]
    assert (loud.batches, quiet.batches) == ([["a", "c"]], [["b", "d"]])


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("a", "b"), {}), (("a",), {"x": 1})])
async def test_it_is_asked_with_one_item(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(BadSetup, match="one positional item"):
        await decorated(Asked())(*args, **kwargs)


def test_a_stream_is_refused_where_it_is_written() -> None:
    with pytest.raises(BadSetup, match="returns a stream"):

        @operation(Batch())
        async def write(words: list[str]) -> AsyncIterator[str]:
            yield "a"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_items": 0}, r"Batch\(max_items=...\): 0 will not do"),
        ({"max_wait": "soon"}, r"Batch\(max_wait"),
        ({"max_wait": -1}, r"Batch\(max_wait"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        Batch(**arguments)


def test_plain_functions_on_threads_are_batched_too() -> None:
    batches: list[int] = []

    @operation(Batch(max_items=10, max_wait="5s"))
    def shout(words: list[int]) -> list[int]:
        batches.append(len(words))
        return [word * 2 for word in words]

    ask: Any = shout
    assert on_threads(20, lambda number: ask(number)) == [number * 2 for number in range(20)]
    assert batches == [10, 10]


def test_two_loops_have_batches_of_their_own() -> None:
    asked: list[list[int]] = []

    @batched(max_items=2, max_wait="5s")
    async def double(numbers: list[int]) -> list[int]:
        asked.append(sorted(numbers))
        return [number * 2 for number in numbers]

    async def both(first: int) -> list[int]:
        return await asyncio.gather(double(first), double(first + 1))

    assert on_threads(2, lambda number: asyncio.run(both(number * 10))) == [[0, 2], [20, 22]]
    assert sorted(asked) == [[0, 1], [10, 11]]
