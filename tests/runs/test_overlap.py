from headway.runs import Receipt
from headway.runs.overlap import Overlap
from tests.runs.by_hand import call, near, planned, settled, whole_run


def overlap_of(receipt: Receipt) -> Overlap:
    assert receipt.overlap is not None
    return receipt.overlap


def test_calls_in_turn_could_have_overlapped() -> None:
    found = overlap_of(
        Receipt.from_events(
            whole_run(
                call("a", 0, 2, agent="quill"),
                call("b", 2, 7, agent="quill"),
                call("c", 8, 9, agent="quill"),
                seconds=9,
            )
        )
    )
    assert found.saved_s_estimated == near(3)
    (chance,) = found.chances
    assert (chance.inside, chance.agent, chance.calls) == (None, "quill", 3)
    assert chance.operations == ("a", "b", "c")
    assert chance.saved_s_estimated == near(3)


def test_calls_side_by_side_leave_nothing_to_save() -> None:
    found = overlap_of(Receipt.from_events(whole_run(call("a", 0, 2), call("b", 1, 3), seconds=3)))
    assert (found.saved_s_estimated, found.chances) == (near(0), ())


def test_hits_and_other_instants_are_not_worth_it() -> None:
    found = overlap_of(
        Receipt.from_events(whole_run(call("a", 0, 2), call("a", 2, 2.0001, "hit"), seconds=3))
    )
    assert found.chances == ()


def test_what_is_saved_inside_is_not_saved_again_outside() -> None:
    found = overlap_of(
        Receipt.from_events(
            whole_run(
                call("quill", 0, 10, kind="agent", call="p"),
                call("fetch", 0, 4, parent="p"),
                call("fetch", 4, 8, parent="p"),
                call("news", 10, 15, kind="agent", call="q"),
                seconds=15,
            )
        )
    )
    # inside: 8 becomes 4, so quill takes 6; side by side with news (5) the run takes 6 of 15
    assert found.saved_s_estimated == near(9)
    assert [(c.inside, c.saved_s_estimated) for c in found.chances] == [
        (None, near(5)),
        ("quill", near(4)),
    ]


def test_steps_of_a_graph_that_needed_each_other_could_not() -> None:
    found = overlap_of(
        Receipt.from_events(
            whole_run(
                planned({"a": [], "b": ["a"]}),
                call("report.a", 0, 2, kind="step"),
                settled("a", 0, 2),
                call("report.b", 2, 5, kind="step"),
                settled("b", 2, 5),
                seconds=5,
            )
        )
    )
    assert (found.saved_s_estimated, found.chances) == (near(0), ())


def test_steps_of_a_graph_that_waited_for_no_need_could_have() -> None:
    found = overlap_of(
        Receipt.from_events(
            whole_run(
                planned({"a": [], "b": [], "c": ["a"]}),
                settled("a", 0, 2),
                settled("b", 2, 5),
                settled("c", 5, 6),
                seconds=6,
            )
        )
    )
    assert found.saved_s_estimated == near(3)  # a, then c beside b: 3 s of 6
    (chance,) = found.chances
    assert (chance.inside, chance.calls) == ("report", 3)


def test_calls_inside_a_step_are_looked_at_like_any() -> None:
    found = overlap_of(
        Receipt.from_events(
            whole_run(
                planned({"a": []}),
                call("fetch", 0, 1, parent="s"),
                call("fetch", 1, 2, parent="s"),
                call("report.a", 0, 2, kind="step", call="s"),
                settled("a", 0, 2),
                seconds=2,
            )
        )
    )
    assert [chance.inside for chance in found.chances] == ["report.a"]
    assert found.saved_s_estimated == near(1)


def test_without_calls_it_is_unknown() -> None:
    assert Receipt.from_events(whole_run(seconds=1)).overlap is None
