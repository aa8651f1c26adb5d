import asyncio
import os
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup, Retry, operation
from headway.policies.retry_budget import RetryBudget
from headway.testing import FakeClock
from tests.policies.test_retry import Flaky, decorated, outcome
from tests.policies.work import actions, on_threads


def repeats(budget: RetryBudget, most: int = 10_000) -> int:
    """How often *budget* lets repeat until it is spent."""
    for number in range(most):
        if not budget.may_repeat():
            return number
    return most


def test_each_first_attempt_earns_its_share() -> None:
    budget = RetryBudget(0.2, least_per_second=0)
    assert repeats(budget) == 0
    for _ in range(4):
        budget.asked()
    assert not budget.may_repeat()  # and asking whether one may earns nothing
    budget.asked()
    assert repeats(budget) == 1
    for _ in range(50):
        budget.asked()
    assert repeats(budget) == 10


def test_looking_again_and_again_earns_nothing() -> None:
    budget = RetryBudget(1, least_per_second=0)
    assert [budget.may_repeat() for _ in range(5)] == [False] * 5
    budget.asked()
    assert [budget.may_repeat() for _ in range(3)] == [True, False, False]


async def test_time_alone_earns_some(time: FakeClock) -> None:
    budget = RetryBudget(0, least_per_second=2)
    assert repeats(budget) == 20  # ten seconds' worth to begin with
    await time.advance(0.4)
    assert not budget.may_repeat()
    await time.advance(0.1)
    assert repeats(budget) == 1
    await time.advance(3)
    assert repeats(budget) == 6


async def test_what_is_saved_is_bounded(time: FakeClock) -> None:
    budget = RetryBudget(1, least_per_second=1, most_saved=7)
    await time.advance("1h")
    for _ in range(1000):
        budget.asked()
    assert repeats(budget) == 7


@pytest.mark.usefixtures("time")
def test_what_one_call_earns_is_never_cut() -> None:
    budget = RetryBudget(3000, least_per_second=0, most_saved=2)
    assert repeats(budget) == 0
    budget.asked()
    assert repeats(budget) == 3000


@pytest.mark.usefixtures("time")
def test_an_endless_share_is_no_bound() -> None:
    assert repeats(RetryBudget(float("inf"), least_per_second=0), 5000) == 5000


@pytest.mark.usefixtures("time")
@given(st.lists(st.booleans(), max_size=200), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]))
def test_no_more_than_the_share_is_ever_repeated(asks: list[bool], share: float) -> None:
    budget = RetryBudget(share, least_per_second=0)
    asked = repeated = 0
    for is_first in asks:
        if is_first:
            budget.asked()
            asked += 1
        else:
            repeated += budget.may_repeat()
        assert repeated <= asked * share + 1e-6


def test_threads_lose_no_credit_and_make_none(time: FakeClock) -> None:
    budget = RetryBudget(0.5, least_per_second=0, most_saved=10_000)
    spent: list[int] = []

    def ask(number: int) -> None:
        for _ in range(2000):
            budget.asked()
        spent.append(repeats(budget))

    on_threads(4, ask)
    assert sum(spent) + repeats(budget) == 4000


def test_a_forked_child_does_not_wait_for_a_lock_that_nobody_gives_back() -> None:
    budget = RetryBudget()
    with budget._lock:
        child = os.fork()
        if child == 0:  # pragma: no cover
            threading.Timer(5, os._exit, (1,)).start()
            os._exit(0 if budget.may_repeat() else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"share": -0.1}, r"share=-0.1"),
        ({"share": float("nan")}, "share=nan"),
        ({"share": "0.2"}, "share='0.2'"),
        ({"share": True}, "share=True"),
        ({"least_per_second": -1}, "least_per_second=-1"),
        ({"least_per_second": float("inf")}, "least_per_second=inf"),
        ({"most_saved": float("inf")}, "most_saved=inf"),
        ({"most_saved": 0.5}, "never holds a whole repetition"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        RetryBudget(**arguments)


@pytest.mark.parametrize("budget", ["0.2", True, [0.2]])
def test_what_is_no_budget_is_refused(budget: Any) -> None:
    with pytest.raises(BadSetup, match=r"Retry\(budget="):
        Retry(on=OSError, budget=budget)


async def test_a_spent_budget_raises_the_failure_at_once_and_says_so(time: FakeClock) -> None:
    flaky = Flaky(9)
    find = decorated(flaky, Retry(5, on=ConnectionError, budget=RetryBudget(2, least_per_second=0)))
    with actions() as seen:
        error = await outcome(time, find())
    assert (type(error), error.args) == (ConnectionError, (3,))
    assert error.__notes__ == [
        "shop.find: not asked again, for the retry budget is spent; too many calls fail",
        "shop.find: gave up after 3 of 5 attempts",
    ]
    assert [(one.action, one.count, one.detail) for one in seen] == [
        ("retried", 1, "ConnectionError"),
        ("retried", 2, "ConnectionError"),
        ("not retried", 3, "ConnectionError, the retry budget is spent"),
    ]


async def test_the_last_attempt_spends_nothing(time: FakeClock) -> None:
    budget = RetryBudget(2, least_per_second=0)
    await outcome(time, decorated(Flaky(9), Retry(2, on=ConnectionError, budget=budget))())
    assert repeats(budget) == 1


async def test_an_outage_is_repeated_by_the_share_only(time: FakeClock) -> None:
    asked = 0

    @operation(Retry(3, on=ConnectionError, budget=0.2))
    async def find() -> None:
        nonlocal asked
        asked += 1
        raise ConnectionError

    callers = [asyncio.ensure_future(find()) for _ in range(500)]
    await time.advance("1m")
    await asyncio.gather(*callers, return_exceptions=True)
    assert 600 < asked <= 500 * 1.2 + 10 + 60  # the share, what it began with, and that of time


async def test_several_policies_spend_one_budget(time: FakeClock) -> None:
    budget = RetryBudget(0.5, least_per_second=0)
    first, second = Flaky(9), Flaky(9)
    for flaky in (first, second):
        await outcome(time, decorated(flaky, Retry(3, on=ConnectionError, budget=budget))())
    assert (len(first.asked_at), len(second.asked_at)) == (1, 2)


async def test_who_does_not_fail_spends_nothing(time: FakeClock) -> None:
    budget = RetryBudget(0.5, least_per_second=0)
    find = decorated(Flaky(0), Retry(3, on=ConnectionError, budget=budget))
    for _ in range(6):
        await outcome(time, find())
    assert repeats(budget) == 3
