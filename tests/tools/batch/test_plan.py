"""The order of a batch: who waits for whom, who shares a run, who goes first."""

from headway.tools import UNKNOWN, Effects
from headway.tools.plan import Ask, Frontier, Plan, planned, tails


def reads(*resources: str) -> Effects:
    return Effects(reads=resources)


def writes(*resources: str) -> Effects:
    return Effects(writes=resources)


def needs(*effects: Effects) -> list[tuple[int, ...]]:
    return planned([Ask(one) for one in effects]).needs


def test_reads_wait_for_nobody() -> None:
    assert needs(reads("a"), reads("a"), reads("*")) == [(), (), ()]


def test_read_after_write_write_after_read_write_after_write() -> None:
    assert needs(writes("a"), reads("a")) == [(), (0,)]
    assert needs(reads("a"), writes("a")) == [(), (0,)]
    assert needs(writes("a"), writes("a")) == [(), (0,)]
    assert needs(writes("a"), reads("b"), writes("c")) == [(), (), ()]


def test_a_star_stands_for_all_below() -> None:
    assert needs(writes("a:1"), reads("a:*"), reads("b:*"), reads("*")) == [(), (0,), (), (0,)]
    assert needs(reads("a:1"), reads("a:2"), writes("a:*"), reads("a:1")) == [(), (), (0, 1), (2,)]


def test_what_nobody_declared_runs_alone() -> None:
    assert needs(reads("a"), reads("b"), UNKNOWN, reads("a"), Effects()) == [
        (),
        (),
        (0, 1),
        (2,),
        (2,),
    ]


def test_a_repeated_write_is_shared_until_another_one_stands_between() -> None:
    write, other, far, look = writes("a"), writes("a"), writes("b"), reads("a")
    asks = [Ask(write, "w"), Ask(look), Ask(far), Ask(write, "w"), Ask(other, "o"), Ask(write, "w")]
    assert planned(asks).same_as == [None, None, None, 0, None, None]


def test_a_repeated_read_is_shared_until_somebody_writes() -> None:
    look = Ask(reads("a"), "r")
    assert planned([look, look, Ask(writes("b")), look]).same_as == [None, 0, None, 0]
    assert planned([look, Ask(writes("a")), look, look]).same_as == [None, None, None, 2]


def test_who_refers_to_a_shared_run_waits_for_that() -> None:
    look = Ask(reads("a"), "r")
    assert planned([look, look, Ask(reads("b"), None, (1,))]).needs[2] == (0,)


def test_the_longest_remaining_path_goes_first() -> None:
    plan = Plan([(), (), (), (2,)], [None] * 4)
    longest = tails(plan, [1, 2, 1, 3])
    assert longest == [1, 2, 4, 3]
    frontier = Frontier(plan, longest)
    assert [frontier.take() for _ in range(3)] == [2, 1, 0]
    assert not frontier
    frontier.settle(2)
    assert frontier.take() == 3


def test_ties_go_as_given() -> None:
    plan = Plan([()] * 4, [None] * 4)
    frontier = Frontier(plan, [1.0] * 4)
    assert [frontier.take() for _ in range(4)] == [0, 1, 2, 3]


def test_the_plan_of_many_writes_is_made_in_linear_time() -> None:
    asks = [Ask(writes(f"a:{place % 50}")) for place in range(20_000)]
    plan = planned(asks)
    assert plan.needs[50:] == [(place,) for place in range(19_950)]
