"""Listeners hear of exchanges in their order, a few at a time while others are served."""

import asyncio
from collections.abc import Callable

from headway.gateway.conversations import Conversations
from headway.gateway.told import AT_ONCE, MOST_UNTOLD, Telling


def noting(told: list[int], number: int) -> Callable[[], None]:
    return lambda: told.append(number)


async def test_a_few_are_told_between_two_turns_of_others() -> None:
    telling, told = Telling(Conversations()), list[int]()
    for number in range(5 * AT_ONCE):
        telling.later(noting(told, number))
    assert told == []
    seen: list[int] = []
    async with asyncio.timeout(30):
        while len(told) < 5 * AT_ONCE:
            await asyncio.sleep(0)
            seen.append(len(told))
    assert told == list(range(5 * AT_ONCE))
    assert max(later - before for before, later in zip([0, *seen], seen, strict=False)) == AT_ONCE


async def test_what_is_untold_is_bounded() -> None:
    telling, told = Telling(Conversations()), list[int]()
    for number in range(3 * MOST_UNTOLD + 5):
        telling.later(noting(told, number))
    assert told == list(range(3 * MOST_UNTOLD))
    telling.now()
    assert told == list(range(3 * MOST_UNTOLD + 5))
    is_told = asyncio.Event()
    telling.later(is_told.set)  # and it begins anew
    await asyncio.wait_for(is_told.wait(), 30)


async def test_a_step_that_fails_holds_up_no_other() -> None:
    telling, told = Telling(Conversations()), list[int]()
    telling.later(lambda: told.__getitem__(7) and None)
    telling.later(noting(told, 1))
    telling.now()
    assert told == [1]
