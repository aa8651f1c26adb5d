from headway.runs import Receipt
from headway.runs.critical_path import MOST_LINKS, CriticalPath, longest_chain
from tests.runs.by_hand import call, near, planned, settled, whole_run

RESEARCH = {
    "profile": [],
    "filings": [],
    "analyst": ["profile", "filings"],
    "news": ["filings"],
    "summary": ["analyst", "news"],
}


def path_of(receipt: Receipt) -> CriticalPath:
    assert receipt.critical_path is not None
    return receipt.critical_path


def names(path: CriticalPath) -> list[str]:
    return [link.name for link in path.links]


def test_in_a_graph_it_is_the_longest_chain_of_actual_durations_along_the_needs() -> None:
    receipt = Receipt.from_events(
        whole_run(
            planned(RESEARCH),
            settled("profile", 0, 1),
            settled("filings", 0, 2),
            settled("analyst", 2, 7),
            settled("news", 2, 12),  # longer than the analyst
            settled("summary", 12, 13),
            # calls that say something else are not asked
            call("else", 0, 13, kind="model"),
            seconds=13.5,
        )
    )
    path = path_of(receipt)
    assert (path.seconds, path.estimated, path.graph) == (near(13), False, "report")
    assert names(path) == ["filings", "news", "summary"]


def test_needs_that_are_inputs_are_no_steps() -> None:
    assert longest_chain({"a": ["ticker"], "b": ["a", "ticker"]}, {"a": 1, "b": 2}) == ["a", "b"]


def test_a_graph_that_did_not_settle_gives_an_estimate() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(planned({"a": [], "b": ["a"]}), settled("a", 0, 1), seconds=2)
        )
    )
    assert (path.seconds, path.estimated) == (near(1), True)


def test_of_several_graphs_the_longest_counts() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(
                planned({"a": []}, graph="short"),
                settled("a", 0, 1, graph="short"),
                planned({"a": []}, graph="long"),
                settled("a", 1, 9, graph="long"),
                seconds=9,
            )
        )
    )
    assert (path.graph, path.seconds, path.estimated) == ("long", near(8), False)


def test_one_graph_run_twice_in_turn_is_exact() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(
                planned({"a": [], "b": ["a"]}),
                settled("a", 0, 1),
                settled("b", 1, 2),
                planned({"a": [], "b": ["a"]}),
                settled("a", 2, 5),
                settled("b", 5, 6),
                seconds=6,
            )
        )
    )
    assert (path.seconds, path.estimated) == (near(4), False)


def test_one_graph_run_twice_at_once_is_a_guess_that_says_so() -> None:
    receipt = Receipt.from_events(
        whole_run(
            planned({"a": []}),
            planned({"a": []}),
            settled("a", 0, 1),
            settled("a", 0, 3),
            seconds=3,
        )
    )
    assert path_of(receipt).estimated
    assert any("estimated" in note for note in receipt.notes)


def test_needs_in_a_circle_give_no_exact_path() -> None:
    receipt = Receipt.from_events(
        whole_run(planned({"a": ["b"], "b": ["a"]}), settled("a", 0, 1), call("x", 0, 1), seconds=1)
    )
    assert path_of(receipt).estimated
    assert path_of(receipt).graph is None


def test_without_a_graph_it_is_estimated_from_who_followed_whom() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(
                call("gather", 0, 3),
                call("quill", 3, 8),
                call("news", 3, 5),
                call("write", 8, 10),
                call("log", 9, 9.5),
                seconds=11,
            )
        )
    )
    assert (path.seconds, path.estimated) == (near(10), True)
    assert names(path) == ["gather", "quill", "write"]


def test_a_path_of_one_call_shows_what_is_inside_without_counting_it_twice() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(
                call("research", 0, 10, kind="step", call="p"),
                call("fetch", 0, 3, parent="p"),
                call("fetch", 0, 2, parent="p"),
                call("think", 4, 9, parent="p"),
                seconds=10,
            )
        )
    )
    assert path.seconds == near(10)
    assert [(link.name, link.seconds) for link in path.links] == [
        ("fetch", near(3)),
        ("think", near(5)),
        ("research itself", near(2)),
    ]


def test_equal_neighbours_are_one_link() -> None:
    path = path_of(
        Receipt.from_events(
            whole_run(
                call("fetch", 0, 1, agent="a"),
                call("fetch", 1, 3, agent="a"),
                call("fetch", 3, 4, agent="b"),
                seconds=4,
            )
        )
    )
    assert [(link.agent, link.calls, link.seconds) for link in path.links] == [
        ("a", 2, near(3)),
        ("b", 1, near(1)),
    ]


def test_a_very_long_path_keeps_its_longest_links() -> None:
    calls = [call(f"op{n}", n, n + (0.9 if n % 2 else 0.1)) for n in range(4 * MOST_LINKS)]
    path = path_of(Receipt.from_events(whole_run(*calls, seconds=4 * MOST_LINKS)))
    assert len(path.links) == MOST_LINKS
    assert path.links_left_out == 3 * MOST_LINKS
    assert path.seconds == near(2 * MOST_LINKS)
    assert all(link.seconds == near(0.9) for link in path.links)


def test_without_calls_there_is_none() -> None:
    assert Receipt.from_events(whole_run(seconds=1)).critical_path is None
