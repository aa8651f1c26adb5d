"""What is decided about a graph before it runs."""

import random

import pytest

from headway.errors import BadSetup
from headway.graph import Plan, next_ready, timetable

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def test_a_tail_is_the_longest_way_to_the_end_with_the_step_itself() -> None:
    plan = Plan(DIAMOND, {"a": 1, "b": 5, "c": 2, "d": 3})
    assert plan.tails == {"a": 9, "b": 8, "c": 5, "d": 3}


def test_the_critical_path_is_the_longest_chain() -> None:
    path = Plan(DIAMOND, {"a": 1, "b": 2, "c": 5, "d": 3}).critical_path()
    assert path == (("a", "c", "d"), 9)


def test_the_critical_path_may_leave_out_steps_that_others_need() -> None:
    path = Plan({"a": (), "b": ("a",), "long": ()}, {"a": 1, "b": 1, "long": 5}).critical_path()
    assert path == (("long",), 5)


def test_an_unknown_duration_counts_one() -> None:
    assert Plan(DIAMOND, {"b": 4}).critical_path() == (("a", "b", "d"), 6)


def test_an_empty_plan_is_a_plan() -> None:
    plan = Plan({})
    assert plan.critical_path() == ((), 0.0)
    assert next_ready(plan, settled=set(), running=set(), at_once=None) == ()
    assert timetable(plan) == {}


def test_steps_may_be_declared_before_what_they_need() -> None:
    plan = Plan({"late": ("middle",), "middle": ("early",), "early": ()})
    assert plan.order == ("early", "middle", "late")
    assert plan.tails == {"early": 3, "middle": 2, "late": 1}


def test_a_need_named_twice_is_one_need() -> None:
    plan = Plan({"a": (), "b": ("a", "a")})
    assert plan.needs["b"] == ("a",)
    assert plan.order == ("a", "b")


def test_downstream_are_all_that_cannot_do_without() -> None:
    plan = Plan({**DIAMOND, "other": (), "e": ("d", "other")})
    assert set(plan.downstream("b")) == {"d", "e"}
    assert plan.downstream("other") == ("e",)
    assert plan.downstream("e") == ()


def test_a_plan_does_not_change_with_the_mapping_it_was_made_from() -> None:
    needs, duration = {"a": ()}, {"a": 2.0}
    plan = Plan(needs, duration)
    needs["b"], duration["a"] = ("a",), 7.0
    assert list(plan.needs) == ["a"]
    assert plan.tails == {"a": 2}
    with pytest.raises(TypeError):
        plan.needs["b"] = ()  # type: ignore[index]


def test_an_unknown_need_is_refused_by_name() -> None:
    with pytest.raises(BadSetup, match="b needs 'nobody', which is no step; the steps are a, b"):
        Plan({"a": (), "b": ("nobody",)})


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ("a",)}, "a needs a"),
        ({"a": ("b",), "b": ("a",)}, "a needs b needs a"),
        (
            {"in": (), "a": ("c",), "b": ("a",), "c": ("in", "b"), "out": ("a",)},
            "a needs c needs b needs a",
        ),
        ({"tail": ("x",), "x": ("y",), "y": ("x",)}, "x needs y needs x"),
    ],
)
def test_a_circle_is_refused_and_drawn(needs: dict[str, tuple[str, ...]], circle: str) -> None:
    with pytest.raises(BadSetup, match=f"circle: {circle};"):
        Plan(needs)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_an_odd_duration_is_refused(seconds: float) -> None:
    with pytest.raises(BadSetup, match="a cannot take"):
        Plan({"a": ()}, {"a": seconds})


def test_a_chain_of_thousands_is_no_recursion() -> None:
    needs = {"s0": ()} | {f"s{i}": (f"s{i - 1}",) for i in range(1, 5000)}
    assert Plan(needs).critical_path().seconds == 5000
    with pytest.raises(BadSetup, match="circle"):
        Plan({**needs, "s0": ("s4999",)})


def test_only_steps_whose_needs_are_settled_are_ready() -> None:
    plan = Plan(DIAMOND)
    assert next_ready(plan, settled=set(), running=set(), at_once=None) == ("a",)
    assert next_ready(plan, settled=set(), running={"a"}, at_once=None) == ()
    assert next_ready(plan, settled={"a"}, running=set(), at_once=None) == ("b", "c")
    assert next_ready(plan, settled={"a", "b"}, running={"c"}, at_once=None) == ()
    assert next_ready(plan, settled={"a", "b", "c"}, running=set(), at_once=None) == ("d",)
    assert next_ready(plan, settled=set(DIAMOND), running=set(), at_once=None) == ()


def test_the_longest_way_goes_first_and_ties_as_declared() -> None:
    plan = Plan(
        {"x": (), "y": (), "z": (), "after_z": ("z",)}, {"x": 2, "y": 2, "z": 1, "after_z": 9}
    )
    assert next_ready(plan, settled=set(), running=set(), at_once=None) == ("z", "x", "y")
    assert next_ready(plan, settled=set(), running=set(), at_once=2) == ("z", "x")
    assert next_ready(plan, settled=set(), running={"z"}, at_once=2) == ("x",)
    assert next_ready(plan, settled=set(), running={"z", "x"}, at_once=2) == ()


def test_a_timetable_keeps_to_the_limit() -> None:
    plan = Plan(DIAMOND, {"a": 1, "b": 5, "c": 2, "d": 3})
    assert timetable(plan) == {"a": (0, 1), "b": (1, 6), "c": (1, 3), "d": (6, 9)}
    one_by_one = timetable(plan, at_once=1)
    assert one_by_one == {"a": (0, 1), "b": (1, 6), "c": (6, 8), "d": (8, 11)}
    assert list(one_by_one) == ["a", "b", "c", "d"]


def test_timetables_of_random_graphs_break_no_rule() -> None:
    chance = random.Random(3)
    for _ in range(60):
        size, limit = chance.randint(1, 30), chance.randint(1, 5)
        needs = {
            f"s{i}": tuple(f"s{j}" for j in chance.sample(range(i), min(i, chance.randint(0, 3))))
            for i in range(size)
        }
        plan = Plan(needs, {step: chance.uniform(0, 5) for step in needs})
        times = timetable(plan, limit)
        assert set(times) == set(needs)
        for step, (start, end) in times.items():
            assert end == start + plan.duration[step]
            assert all(times[need][1] <= start for need in needs[step])
            others = sum(begin <= start < over for begin, over in times.values())
            assert others <= limit
        whole = max(end for _, end in times.values())
        path, work = plan.critical_path().seconds, sum(plan.duration.values())
        # Graham: no list schedule is worse than this.
        assert max(path, work / limit) - 1e-9 <= whole <= path + work / limit + 1e-9
