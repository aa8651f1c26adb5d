"""The page of a run without a browser: what is in it, whatever the run was called or did."""

import json
import re
import time
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headway import CallStarted, ModelAnswered, PolicyActed, Receipt, record
from headway.events import Event
from headway.runs import read_run
from headway.runs.spans import tree
from headway.runs.tally import Tally
from headway.runs.timeline import timeline
from headway.runs.timeline_chart import MOST_BARS, Bar, Chart, chart_of
from headway.runs.timeline_findings import on_path
from headway.runs.timeline_header import letters_of, styles_of
from headway.runs.timeline_lanes import seated
from tests.runs.by_hand import RUN, START, begun, call, near, planned, settled, whole_run

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "{{style}}{{data}}",
    "\u2028\u2029",
    "\ud800 \x00 \x1b[31m \u202e",
    "'\"&amp;`${alert(1)}`",
]


class Reader(HTMLParser):
    """The elements and texts of a page, as a browser would take them apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.setdefault(self._inside[-1], []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def data(self) -> dict[str, Any]:
        drawn: dict[str, Any] = json.loads(self.texts["script"][0])
        return drawn


def chart(events: Sequence[Event]) -> Chart:
    tally = Tally()
    for event in events:
        tally.add(event)
    return chart_of(tally, events, Receipt.from_events(events))


def bars_of(events: Sequence[Event]) -> dict[str, Bar]:
    drawn = chart(events)
    return {bar.call: bar for bar in drawn.bars}


def nested(*, seconds: float = 10.0) -> list[Event]:
    """An agent's step with two tools at once and a third after them, and another agent's hit."""
    return whole_run(
        call("a.fetch", 1, 3, call="t1", parent="s", agent="ada", key="k1"),
        call("a.search", 1, 4, call="t2", parent="s", agent="ada", key="k2"),
        call("a.rank", 4, 5, call="t3", parent="s", agent="ada"),
        call("a.step", 0, 6, call="s", kind="step", agent="ada"),
        call("a.fetch", 6, 6, "hit", call="h", agent="bob", key="k1", age_s=3.0),
        seconds=seconds,
    )


def test_every_call_is_a_bar_with_its_time_and_its_agents_lane() -> None:
    page = Reader(timeline(nested()))
    drawn = page.data()["chart"]
    assert drawn["seconds"] == 10
    assert [lane["agent"] for lane in drawn["lanes"]] == ["ada", "bob"]
    assert len(drawn["bars"]) == 5
    (hit,) = [bar for bar in drawn["bars"] if bar["source"] == "hit"]
    assert (hit["lane"], hit["start"], hit["seconds"], hit["age_s"]) == (1, 6, 0, 3)
    assert drawn["names"][hit["name"]] == "a.fetch"
    assert drawn["kinds"][hit["kind"]] == "tool"


def test_calls_lie_below_the_call_around_them_and_never_over_each_other() -> None:
    bars = bars_of(nested())
    assert (bars["s"].row, bars["t1"].row, bars["t2"].row) == (0, 2, 1)  # the longer one first
    assert bars["t3"].row in (1, 2)
    assert bars["s"].inside == 3
    assert chart(nested()).lanes[0].rows == 3


def test_a_call_inside_another_agents_call_starts_at_the_top_of_its_own_lane() -> None:
    bars = bars_of(
        whole_run(
            call("sub", 1, 2, call="inner", parent="outer", agent="sub-agent"),
            call("main", 0, 3, call="outer", agent="main"),
            seconds=3,
        )
    )
    assert (bars["inner"].lane, bars["inner"].row) == (1, 0)
    assert bars["inner"].parent == 0


def test_no_two_bars_share_a_place() -> None:
    events = many_calls(400)
    drawn = chart(events)
    places: dict[tuple[int, int], list[Bar]] = {}
    for bar in drawn.bars:
        places.setdefault((bar.lane, bar.row), []).append(bar)
    for bars in places.values():
        for before, after in pairwise(bars):
            assert after.start >= before.start + before.seconds - 2e-4


def test_calls_that_only_seem_to_overlap_share_a_row() -> None:
    calls = [call("a", 0, 1), call("b", 0.99995, 2)]
    lanes, seats = seated(tree(calls, (START, START + 2)), 2.0)
    assert [lane.rows for lane in lanes] == [1]
    assert {seat.row for seat in seats.values()} == {0}


def test_the_graphs_critical_path_is_drawn_through_the_calls_of_its_steps() -> None:
    events = whole_run(
        planned({"a": [], "b": [], "c": ["a", "b"]}),
        call("report.a", 0, 1, kind="step", call="a"),
        settled("a", 0, 1),
        call("report.b", 0, 3, kind="step", call="b"),
        settled("b", 0, 3),
        call("report.c", 3, 4, kind="step", call="c"),
        settled("c", 3, 4),
        seconds=4,
    )
    drawn = chart(events)
    assert [drawn.bars[index].call for index in drawn.path] == ["b", "c"]
    assert drawn.shades == ()


def test_without_a_graph_the_path_is_that_of_the_receipt() -> None:
    drawn, receipt = chart(nested()), Receipt.from_events(nested())
    assert receipt.critical_path is not None
    on_it = [drawn.bars[index] for index in drawn.path]
    assert [bar.call for bar in on_it] == ["t2", "t3"]
    itself = receipt.critical_path.links[-1].seconds
    assert sum(bar.seconds for bar in on_it) + itself == near(receipt.critical_path.seconds)


def test_what_the_receipt_says_could_overlap_is_shaded() -> None:
    events = whole_run(*(call(f"op{n}", n, n + 1, call=f"c{n}") for n in range(4)), seconds=4)
    (shade,) = chart(events).shades
    receipt = Receipt.from_events(events)
    assert receipt.overlap is not None
    assert shade.seconds == near(receipt.overlap.chances[0].saved_s_estimated) == near(3)
    assert [chart(events).bars[index].call for index in shade.bars] == ["c0", "c1", "c2", "c3"]
    assert "4 calls in turn" in timeline(events)


def test_the_time_a_graph_lost_is_shaded() -> None:
    events = whole_run(
        planned({"a": [], "b": ["a"]}), settled("a", 0, 1), settled("b", 3, 4), seconds=4
    )
    (shade,) = chart(events).shades
    assert shade.lost == ((1.0, 3.0),)
    assert shade.seconds == near(2)


def test_waits_retries_and_models_are_with_their_calls() -> None:
    model = ModelAnswered(
        at=START + 5,
        run=RUN,
        call="m",
        operation="chat",
        provider="p",
        model="large",
        source="ran",
        tokens_in=1200,
        tokens_cached=900,
        tokens_out=80,
    )
    events = whole_run(
        *(
            PolicyActed(
                at=START + at, run=RUN, operation="chat", action=action, call="m", seconds=1.0
            )
            for at, action in ((2, "waited"), (3, "retried"))
        ),
        model,
        call("chat", 1, 5, kind="model", call="m", first_chunk_s=0.5),
        seconds=5,
    )
    bar = bars_of(events)["m"]
    assert [(act.action, act.start, act.end) for act in bar.acts] == [
        ("waited", 1.0, 2.0),
        ("retried", 3.0, 4.0),
    ]
    assert (bar.models[0].tokens_in, bar.models[0].tokens_cached) == (1200, 900)
    page = Reader(timeline(events))
    assert "1,200" in page.texts["b"]
    assert "80 out · 75% of input cached" in page.texts["small"]
    assert "waited" in page.texts["li"]


def test_the_header_has_the_receipts_figures() -> None:
    page = Reader(timeline(nested()))
    terms = dict(zip(page.texts["dt"], zip(page.texts["b"][1:], page.texts["small"])))
    assert terms["Wall time"][0] == "10.0 s"
    assert terms["Calls asked"] == ("5", "4 ran · 1 hit · 0 joined")
    assert terms["Duplicates left"] == ("0", "1 asked again")
    assert terms["Critical path"] == ("6.00 s", "estimated")
    assert "Tokens in" not in terms
    assert page.texts["h1"] == ["research"]


def test_an_unfinished_call_reaches_to_the_end_and_is_called_so() -> None:
    events = whole_run(begun("slow", 1, agent="ada"), call("quick", 0, 1, agent="ada"), seconds=5)
    (slow,) = [bar for bar in chart(events).bars if bar.source == "unfinished"]
    assert (slow.start, slow.seconds) == (near(1), near(4))
    assert "never ended" in timeline(events)


def test_a_run_without_an_end_says_so() -> None:
    page = timeline(nested()[:-1])
    assert "has not ended" in page
    assert len(Reader(page).data()["chart"]["bars"]) == 5


@pytest.mark.parametrize("events", [[], whole_run(seconds=1)], ids=["nothing", "no call"])
def test_an_empty_run_is_a_page(events: list[Event]) -> None:
    page = Reader(timeline(events))
    assert page.data()["chart"]["bars"] == []
    assert page.texts["h1"]


def test_one_call_is_one_bar() -> None:
    drawn = Reader(timeline(whole_run(call("only", 0, 1), seconds=1))).data()["chart"]
    assert len(drawn["bars"]) == 1
    assert drawn["lanes"] == [{"agent": None, "rows": 1, "use": "tools 1.00 s · neither 0 s"}]


def named_by(text: str) -> list[Event]:
    """A run in which everything that can have a name is called *text*."""
    started = CallStarted(at=START, run=text, call=text + "2", operation=text, kind=text)
    acted = PolicyActed(at=START + 1, run=RUN, operation=text, action=text, call=text, detail=text)
    return whole_run(
        started,
        acted,
        call(text, 0, 1, text, kind=text, call=text, key=text, agent=text, error=text),
        call(text, 1, 2, kind=text, agent=text, parent=text),
        seconds=2,
        name=text,
        error=text,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_a_text(text: str) -> None:
    harmless, page = Reader(timeline(named_by("name"))), Reader(timeline(named_by(text)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert page.named("img") == []
    assert len(page.data()["chart"]["bars"]) == 3
    printable = "".join(each if each.isprintable() else "?" for each in text)
    assert page.data()["chart"]["names"] == [printable]


def test_the_page_may_neither_load_nor_connect() -> None:
    page = timeline(nested())
    (policy,) = [
        str(meta["content"])
        for meta in Reader(page).named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?://|//[a-z]|@import|url\(", page)
    for forbidden in ("link", "iframe", "img", "object", "base", "form"):
        assert Reader(page).named(forbidden) == []


def test_a_table_stands_in_where_no_script_may_run() -> None:
    cells = Reader(timeline(nested())).texts["td"]
    assert cells.count("a.fetch") == 2
    assert "hit" in cells


def many_calls(number: int) -> list[Event]:
    """Ten agents, each with steps one after another of three tools at a time."""
    calls: list[Event] = []
    for index in range(number // 4):
        agent, began = f"agent {index % 10}", index // 10 * 1.1
        step = f"s{index}"
        calls += [
            call(f"tool{n}", began, began + 0.5, call=f"{step}.{n}", parent=step, agent=agent)
            for n in range(3)
        ]
        calls.append(call("step", began, began + 1, kind="step", call=step, agent=agent))
    return whole_run(*calls, seconds=number / 40 * 1.1)


def test_five_thousand_calls_make_a_page_of_a_megabyte_in_a_second_or_two() -> None:
    events = many_calls(5000)
    begun_s = time.process_time()
    page = timeline(events)
    assert time.process_time() - begun_s < 4
    assert len(page.encode()) < 1_500_000
    assert len(Reader(page).data()["chart"]["bars"]) == 5000


def test_calls_all_at_once_are_seated_in_time() -> None:
    events = whole_run(*(call("a", 0, 1 + n / 1e4) for n in range(5000)), seconds=2)
    begun_s = time.process_time()
    drawn = chart(events)
    assert time.process_time() - begun_s < 4
    assert drawn.lanes[0].rows == 5000


def test_of_a_very_long_run_the_longest_calls_are_drawn_and_the_rest_is_told() -> None:
    short = [call("short", n, n + 0.1) for n in range(MOST_BARS)]
    events = whole_run(*short, call("long", 0, 9, call="long"), seconds=MOST_BARS + 1)
    drawn = chart(events)
    assert len(drawn.bars) == MOST_BARS
    assert "long" in {bar.call for bar in drawn.bars}
    assert drawn.left_out == 1
    assert "1 of the shortest calls" in timeline(events)


def test_parents_that_go_in_a_circle_are_left_out_and_told() -> None:
    events = whole_run(
        call("a", 0, 1, call="a", parent="b"), call("b", 0, 1, call="b", parent="a"), seconds=1
    )
    assert chart(events).left_out == 2


def test_a_time_beyond_all_calendars_is_shown_as_a_number() -> None:
    events = [CallStarted(at=1e300, run=RUN, call="c", operation="op", kind="tool")]
    assert "1e+300 s after 1970" in timeline(events)


def test_a_path_of_nothing_is_empty() -> None:
    assert on_path(None, [], []) == []


def test_each_kind_has_a_letter_and_a_style_of_its_own() -> None:
    kinds = ["step", "tool", "model", "section", "query", "quote", "db"]
    assert letters_of(kinds) == ["S", "T", "M", "E", "Q", "U", "D"]
    assert styles_of(["model", "tool", "step"]) == [2, 1, 0]
    assert len(set(styles_of(kinds))) == 7


def test_a_recorded_run_is_drawn_with_what_its_record_lacks(tmp_path: Path) -> None:
    with record("to be read back", folder=tmp_path) as run:
        pass
    assert run.path is not None
    with run.path.open("a") as file:
        file.write('{"type":"CallEnded","torn')
    page = timeline(read_run(run.path))
    assert "to be read back" in page
    assert "a crash cut short" in page


@pytest.mark.parametrize("make", [list, tuple, iter])
def test_any_events_will_do(make: Callable[[list[Event]], Any]) -> None:
    assert len(Reader(timeline(make(nested()))).data()["chart"]["bars"]) == 5
