from pathlib import Path

import pytest

from headway.events import Event
from headway.runs import earlier, earlier_durations, history
from headway.runs.median import median
from tests.runs.by_hand import START, answered, call, near, planned, settled, whole_run
from tests.runs.test_recorded import write


def keep(folder: Path, number: int, *inside: Event, name: str = "research", **more: str) -> None:
    """Record the run of that *number*; higher ones are later."""
    events = whole_run(*inside, seconds=10 * number, name=name, error=more.get("error"))
    path = write(folder, name, run=f"r{number}", started_at=START + number, events=events)
    path.rename(path.with_name(f"{number}.jsonl"))


@pytest.mark.parametrize(
    ("values", "middle"), [([], None), ([3], 3), ([9, 1, 2], 2), ([4, 1, 2, 9], 3)]
)
def test_median(values: list[float], middle: float | None) -> None:
    assert median(values) == middle


def test_nothing_recorded_gives_no_estimate(tmp_path: Path) -> None:
    assert earlier_durations(tmp_path, "research") == {}
    seen = earlier(tmp_path / "absent")
    assert (seen.runs, seen.seconds, seen.wall_s) == (0, {}, None)


def test_medians_over_the_calls_that_ran(tmp_path: Path) -> None:
    keep(tmp_path, 1, call("a", 0, 2), call("a", 0, 9), call("b", 0, 1))
    keep(tmp_path, 2, call("a", 0, 3), call("a", 0, 0.001, "hit"), call("a", 0, 70, "joined"))
    keep(tmp_path, 3, call("a", 0, 99, error="TimeoutError"), error="TimeoutError")
    seen = earlier(tmp_path, "research")
    assert seen.seconds == {"a": near(3), "b": near(1)}
    assert seen.runs == 3
    assert seen.wall_s == near(15)  # of the runs of 10 and 20 s; the failed one does not count
    assert earlier_durations(tmp_path, "research") == seen.seconds


def test_only_runs_of_that_name(tmp_path: Path) -> None:
    keep(tmp_path, 1, call("a", 0, 2))
    keep(tmp_path, 2, call("a", 0, 4), name="other")
    assert earlier_durations(tmp_path, "research") == {"a": near(2)}
    assert earlier_durations(tmp_path, "never") == {}
    assert earlier_durations(tmp_path) == {"a": near(3)}


def test_only_the_last_runs_and_not_the_one_that_asks(tmp_path: Path) -> None:
    for number in range(1, 5):
        keep(tmp_path, number, call("a", 0, number))
    assert earlier_durations(tmp_path, "research", last=2) == {"a": near(3.5)}
    assert earlier(tmp_path, "research", last=1, leaving_out="r4").seconds == {"a": near(3)}


def test_old_runs_are_left_unread_when_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 5):
        keep(tmp_path, number, call("a", 0, number))
    monkeypatch.setattr(history, "MOST_BYTES", 1)
    assert earlier(tmp_path).runs == 1


def test_steps_of_a_graph_that_were_done(tmp_path: Path) -> None:
    keep(
        tmp_path,
        1,
        planned({"a": [], "b": [], "c": []}),
        settled("a", 0, 4),
        settled("b", 0, 5, "failed"),
        call("report.c", 0, 0.001, "hit", kind="step"),
        settled("c", 0, 0.001),  # answered from a cache: says nothing about how long it takes
        settled("a", 0, 9, graph="other"),
    )
    assert earlier_durations(tmp_path, graph="report") == {"a": near(4)}
    assert earlier_durations(tmp_path)["a"] == near(6.5)
    assert "c" not in earlier_durations(tmp_path)


def test_broken_lines_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, events=[call("a", 0, 2)], tail=b'{"type":"CallEnded",broken\n\xff\n{"type":"Ca')
    assert earlier_durations(tmp_path) == {"a": near(2)}


GPT_4O_MINI_USD = (600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6


def test_tokens_and_cost_of_earlier_runs(tmp_path: Path) -> None:
    keep(tmp_path, 1, answered("a", model="gpt-4o-mini"))
    keep(tmp_path, 2, *(answered(f"a{n}", model="gpt-4o-mini") for n in range(3)))
    keep(tmp_path, 3, answered("a", "hit", model="gpt-4o-mini"), call("b", 0, 1))
    keep(tmp_path, 4, call("b", 0, 1))  # asked no model: says nothing of what that costs
    keep(tmp_path, 5, answered("a", tokens_in=70_000), error="CapReached")  # cut short
    seen = earlier(tmp_path, "research")
    assert (seen.runs, seen.cost_runs) == (5, 3)
    assert (seen.tokens_in, seen.tokens_out) == (1_000, 100)
    assert seen.cost_usd == near(GPT_4O_MINI_USD)


def test_runs_of_which_the_cost_is_not_wholly_known_do_not_count(tmp_path: Path) -> None:
    keep(tmp_path, 1, answered("a", model="gpt-4o-mini"), answered("b", model="stand-in-1"))
    seen = earlier(tmp_path)
    assert (seen.cost_usd, seen.cost_runs) == (None, 0)
    assert (seen.tokens_in, seen.tokens_out) == (2_000, 200)
    keep(tmp_path, 2, answered("a", tokens_in=None, tokens_out=None))
    assert earlier(tmp_path).tokens_in == 2_000


def test_without_models_there_is_no_cost(tmp_path: Path) -> None:
    keep(tmp_path, 1, call("a", 0, 2))
    seen = earlier(tmp_path)
    assert (seen.tokens_in, seen.tokens_out, seen.cost_usd, seen.cost_runs) == (None, None, None, 0)
