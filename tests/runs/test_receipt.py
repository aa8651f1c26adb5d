import msgspec

from headway.events import (
    CallStarted,
    Event,
    Progress,
    RunEnded,
    RunStarted,
    StoreFailed,
)
from headway.runs import Receipt
from headway.runs.receipt import receipt_of
from headway.runs.tally import Tally
from tests.runs.by_hand import RUN, START, acted, begun, call, near, planned, settled, whole_run


def line(receipt: Receipt, agent: str | None, operation: str) -> dict[str, object]:
    """One row of *receipt* as a dictionary."""
    (found,) = [row for row in receipt.lines if (row.agent, row.operation) == (agent, operation)]
    return msgspec.structs.asdict(found)


def test_the_head_of_a_receipt() -> None:
    receipt = Receipt.from_events(whole_run(seconds=12.5, error="ValueError"))
    assert (receipt.run, receipt.name, receipt.started_at) == (RUN, "research", START)
    assert (receipt.wall_s, receipt.ended, receipt.error) == (12.5, True, "ValueError")
    assert receipt.complete
    assert receipt.notes == ()


def test_a_line_counts_how_each_call_was_answered() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("get_quote", 0, 2, agent="quill"),
            call("get_quote", 2, 6, agent="quill"),
            call("get_quote", 2, 6, "joined", agent="quill"),
            call("get_quote", 6, 6, "hit", agent="quill", age_s=4.0),
            call("get_quote", 6, 6, "hit", agent="quill", age_s=1.0),
            call("get_quote", 7, 7, "stale", agent="quill", age_s=90.0),
            call("get_quote", 8, 9, agent="quill", error="TimeoutError"),
            begun("get_quote", 9, agent="quill"),
            call("get_quote", 0, 3, agent="news"),
            seconds=10,
        )
    )
    quill = line(receipt, "quill", "get_quote")
    expected = {
        "kind": "tool",
        "asked": 8,
        "ran": 3,
        "hit": 2,
        "joined": 1,
        "stale": 1,
        "unfinished": 1,
        "other": 0,
        "failed": 1,
        "seconds": near(7.0),
        "p50_s": near(2.0),
        "max_s": near(4.0),
        "max_age_s": 90.0,
        # good runs took 2, 4 (quill) and 3 s (news): the median 3 s, times 4 answers not run
        "saved_s_estimated": near(12.0),
    }
    assert {name: quill[name] for name in expected} == expected
    assert line(receipt, "news", "get_quote")["asked"] == 1


def test_what_never_ran_has_unknown_times_and_savings_not_zero() -> None:
    receipt = Receipt.from_events(whole_run(call("get_quote", 0, 0, "hit"), seconds=1))
    row = line(receipt, None, "get_quote")
    assert (row["p50_s"], row["max_s"], row["saved_s_estimated"]) == (None, None, None)
    tools = receipt.kind("tool")
    assert tools is not None
    assert (tools.saved_s_estimated, tools.saved_unknown) == (None, 1)


def test_savings_of_a_kind_leave_out_and_count_what_is_unknown() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("a", 0, 2),
            call("a", 2, 2, "hit"),
            call("b", 2, 2, "hit"),
            call("b", 2, 2, "hit"),
            seconds=3,
        )
    )
    tools = receipt.kind("tool")
    assert tools is not None
    assert (tools.saved_s_estimated, tools.saved_unknown) == (near(2.0), 2)


def test_an_answer_of_a_kind_unknown_here_is_counted_as_other() -> None:
    receipt = Receipt.from_events(whole_run(call("a", 0, 1, "foreseen"), seconds=1))
    row = line(receipt, None, "a")
    assert (row["asked"], row["other"], row["ran"]) == (1, 1, 0)


def test_duplicates_asked_and_duplicates_run() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("a", 0, 1, key="k1"),
            call("a", 0, 1, key="k1"),
            call("a", 1, 1, "hit", key="k1"),
            call("a", 1, 2, key="k2"),
            call("b", 1, 2, key="k1"),
            call("b", 2, 2, "hit", key="k3"),
            call("b", 2, 3, key="k3"),
            call("b", 2, 3, key=None),
            seconds=3,
        )
    )
    # a(k1) three times, two runs; b(k3) twice, one run: its first answer came from an earlier run
    assert (receipt.duplicates_asked, receipt.duplicates_run) == (3, 1)
    assert receipt.calls_without_key == 1
    assert [(d.operation, d.key, d.asked, d.ran) for d in receipt.top_duplicates] == [
        ("a", "k1", 3, 2),
        ("b", "k3", 2, 1),
    ]


def test_duplicates_by_kind() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("a", 0, 1, key="k"),
            call("a", 1, 2, key="k"),
            call("m", 0, 1, key="k", kind="model"),
            seconds=3,
        )
    )
    tools, models = receipt.kind("tool"), receipt.kind("model")
    assert tools is not None
    assert models is not None
    assert (tools.duplicates_asked, tools.duplicates_run) == (1, 1)
    assert (models.duplicates_asked, models.duplicates_run) == (0, 0)


def test_times_by_kind_count_shared_time_once_and_inner_time_apart() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("analyse", 0, 10, kind="step", call="p1"),
            call("analyse", 0, 10, kind="step", call="p2"),
            call("fetch", 1, 4, parent="p1"),
            call("fetch", 3, 5, parent="p2"),
            call("think", 5, 9, kind="model", parent="p2"),
            seconds=12,
        )
    )
    kinds = {kind.kind: (kind.seconds, kind.busy_s, kind.own_s) for kind in receipt.kinds}
    assert kinds["tool"] == (near(5), near(4), near(4))
    assert kinds["model"] == (near(4), near(4), near(4))
    # at work itself: p1 in 0-1 and 4-10, p2 in 0-3, 9-10: together 0-3 and 4-10
    assert kinds["step"] == (near(20), near(10), near(9))
    assert receipt.time.in_calls_s == near(10)
    assert receipt.time.outside_calls_s == near(2)


def test_concurrency_counts_who_is_at_work_not_who_waits() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("analyse", 0, 10, kind="step", call="p1"),
            call("fetch", 0, 10, parent="p1"),
            call("fetch", 0, 5, kind="tool"),
            call("fetch", 0, 5, "joined"),
            seconds=10,
        )
    )
    assert receipt.time.concurrency_peak == 2
    assert receipt.time.concurrency_mean == near(1.5)


def test_calls_of_threads_that_outlive_the_run_count_within_it_only() -> None:
    receipt = Receipt.from_events(whole_run(call("a", -3, 20), seconds=10))
    tools = receipt.kind("tool")
    assert tools is not None
    assert tools.busy_s == near(10)
    assert receipt.time.outside_calls_s == near(0)


def test_errors_count_where_they_arose() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("fetch", 0, 1, error="TimeoutError", call="inner", parent="outer"),
            call("fetch", 0, 1, "joined", error="TimeoutError", parent="other"),
            call("analyse", 0, 2, error="TimeoutError", call="outer", kind="step"),
            call("check", 0, 2, error="TimeoutError", call="apart"),
            call("fetch", 0, 1, error="ValueError", parent="third"),
            call("analyse", 0, 2, call="third", kind="step"),
            seconds=3,
        )
    )
    assert receipt.errors == {"TimeoutError": 2, "ValueError": 1}
    assert sum(row.failed for row in receipt.lines) == 5


def test_what_policies_did() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("a", 0, 1),
            acted("a", "retried", seconds=0.5),
            acted("a", "retried", seconds=1.0),
            acted("a", "fell back"),
            acted("a", "waited", seconds=0.25),
            acted("a", "waited", seconds=0.5),
            acted("a", "timed out"),
            acted("a", "refreshed"),
            acted("a", "refresh failed"),
            acted("a", "batched"),
            acted("a", "reserved"),
            StoreFailed(at=START, run=RUN, store="redis", error="ConnectionError"),
            seconds=2,
        )
    )
    acts = receipt.policies
    assert (acts.retries, acts.fallbacks, acts.timeouts, acts.batches) == (2, 1, 1, 1)
    assert (acts.waits, acts.waited_s) == (2, 0.75)
    assert (acts.refreshes, acts.refreshes_failed, acts.others) == (1, 1, {"reserved": 1})
    assert receipt.store_failures == {"redis": 1}
    row = line(receipt, None, "a")
    assert (row["retried"], row["refreshed"], row["kind"]) == (2, 2, "tool")


def test_the_six_figures_of_a_workflow() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("fetch", 0, 2, cached=True),
            call("fetch", 2, 2, "hit", cached=True),
            call("fetch", 3, 3, "stale", cached=True),
            call("fetch", 1, 2, "joined", cached=True),
            call("write_risk", 2, 5, kind="section", cached=False),
            call("write_summary", 4, 8, kind="section", cached=False),
            seconds=9,
        )
    )
    assert receipt.workflow_duration == 9
    assert receipt.tool_calls_made == 4
    assert (receipt.cache_hits, receipt.cache_misses) == (2, 1)
    assert receipt.time_to_first_output == near(5)
    assert receipt.report_generation_time == near(6)


def test_figures_of_a_workflow_that_cannot_be_derived_are_none() -> None:
    receipt = Receipt.from_events([RunStarted(at=START, run=RUN, name="x"), call("fetch", 0, 2)])
    assert receipt.workflow_duration is None
    assert receipt.cache_misses is None
    assert receipt.time_to_first_output is None
    assert receipt.report_generation_time is None


def test_without_a_cache_there_were_no_misses() -> None:
    receipt = Receipt.from_events(whole_run(call("fetch", 0, 2, cached=False), seconds=2))
    assert receipt.cache_misses == 0


def test_a_hit_proves_that_there_is_a_cache() -> None:
    receipt = Receipt.from_events(
        whole_run(call("fetch", 0, 2), call("fetch", 2, 2, "hit"), call("other", 0, 1), seconds=2)
    )
    assert receipt.cache_misses == 1


def test_the_caller_knows_best_when_the_first_output_was() -> None:
    events = whole_run(call("write", 0, 2, kind="section"), seconds=3)
    assert Receipt.from_events(events, first_output_s=1.5).time_to_first_output == 1.5


def test_slow_calls_are_marked_by_how_slow_they_are() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("analyse", 0, 60, kind="step", call="p"),
            call("slow", 0, 5.5, parent="p"),
            call("slowish", 6, 7.5, parent="p"),
            call("quick", 8, 8.9, parent="p"),
            seconds=60,
        )
    )
    assert [(slow.operation, slow.level) for slow in receipt.slowest] == [
        ("slow", "warning"),
        ("slowish", "notice"),
    ]


def test_steps_by_outcome() -> None:
    receipt = Receipt.from_events(
        whole_run(
            planned({"a": [], "b": [], "c": ["b"]}),
            settled("a", 0, 1),
            settled("b", 0, 1, "failed"),
            settled("c", 1, 1, "skipped"),
            seconds=1,
        )
    )
    assert receipt.steps == {"done": 1, "failed": 1, "skipped": 1}


def test_a_run_that_was_cut_short_says_so() -> None:
    events: list[Event] = [
        RunStarted(at=START, run=RUN, name="x"),
        CallStarted(at=START + 1, run=RUN, call="c", operation="a", kind="tool"),
        Progress(at=START + 4, run=RUN, text="still here"),
    ]
    receipt = Receipt.from_events(events)
    assert (receipt.wall_s, receipt.ended, receipt.complete) == (4, False, False)
    assert "has not ended" in receipt.notes[0]
    assert line(receipt, None, "a")["unfinished"] == 1


def test_two_processes_of_one_run_make_one_receipt() -> None:
    first = whole_run(call("a", 0, 1, key="k"), seconds=5)
    second: list[Event] = [
        RunStarted(at=START + 1, run=RUN, name="part"),
        call("a", 2, 3, key="k"),
        RunEnded(at=START + 8, run=RUN, seconds=7),
    ]
    receipt = Receipt.from_events([*first, *second])
    assert (receipt.name, receipt.wall_s, receipt.ended) == ("research", 8, True)
    assert receipt.duplicates_run == 1
    assert not Receipt.from_events([*first, *second[:-1]]).ended


def test_a_receipt_of_nothing_knows_nothing() -> None:
    receipt = Receipt.from_events([])
    assert (receipt.run, receipt.wall_s, receipt.critical_path, receipt.overlap) == (None,) * 4
    assert not receipt.complete


def test_beyond_the_bound_calls_are_counted_and_the_receipt_says_so() -> None:
    tally = Tally(most_calls=2, most_questions=1)
    for number in range(5):
        tally.add(call("a", number, number + 1, key=f"k{number}"))
    receipt = receipt_of(tally)
    assert line(receipt, None, "a")["asked"] == 5
    assert line(receipt, None, "a")["seconds"] == near(5)
    assert receipt.calls_not_timed == 3
    assert any("3 calls are counted but not timed" in note for note in receipt.notes)
    assert any("4 calls were not searched" in note for note in receipt.notes)


def test_json_and_back() -> None:
    receipt = Receipt.from_events(
        whole_run(
            call("a", 0, 1, key="k", agent="quill"),
            call("a", 1, 2, key="k"),
            planned({"a": []}),
            settled("a", 0, 1),
            seconds=2,
        )
    )
    data = msgspec.json.encode(receipt)
    assert msgspec.json.decode(data, type=Receipt) == receipt
    names = msgspec.json.decode(data)
    assert names["headway_receipt"] == 1
    assert {"run", "name", "wall_s", "lines", "kinds", "duplicates_run", "notes"} <= names.keys()


def test_a_call_that_names_itself_as_parent_is_an_outermost_call() -> None:
    receipt = Receipt.from_events(whole_run(call("a", 0, 1, call="x", parent="x"), seconds=1))
    assert receipt.time.in_calls_s == near(1)
