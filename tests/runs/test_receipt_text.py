import io
import re

import pytest

from headway.events import Event, PolicyActed
from headway.prices import Price
from headway.runs import Receipt, compare, render, write_receipt
from headway.runs.text_table import cells, dollars_text, seconds_text, shortened, table, wrapped
from tests.runs.by_hand import RUN, START, acted, answered, begun, call, planned, settled, whole_run


@pytest.fixture(scope="module")
def receipt() -> Receipt:
    return Receipt.from_events(
        whole_run(
            planned({"gather": [], "write": ["gather"]}),
            call("get_quote", 0, 2, agent="quill", key="abcdef0123456789"),
            call("get_quote", 2, 8, agent="news", key="abcdef0123456789", error="TimeoutError"),
            call("get_quote", 8, 8, "hit", agent="news", key="abcdef0123456789", age_s=6.0),
            call("news.get_filings", 2, 2, "hit", agent="风险"),
            acted("get_quote", "waited", seconds=0.5),
            settled("gather", 0, 8),
            settled("write", 8, 10),
            seconds=10,
            name="NVDA",
        )
    )


def row_of(text: str, *beginning: str) -> list[str]:
    """The numbers of the row that begins so."""
    pattern = r"^ +" + r" +".join(map(re.escape, beginning)) + r" +(.*)$"
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, text
    return re.split(r" {2,}", found.group(1).strip())


def test_the_rows_of_the_table(receipt: Receipt) -> None:
    text = render(receipt)
    assert "10.0 s  ·  NVDA  ·  run run1" in text.splitlines()[0]
    assert row_of(text, "agent", "tool")[:5] == ["asked", "ran", "hit", "joined", "failed"]
    assert row_of(text, "quill", "get_quote") == [
        *("1", "1", "0", "0", "0", "0", "0"),
        *("2.00 s", "2.00 s", "-"),
    ]
    assert row_of(text, "agent", "tool")[5:7] == ["again", "rerun"]
    assert row_of(text, "news", "get_quote")[5:7] == ["2", "1"]
    assert row_of(text, "news", "get_quote")[-1] == "~2.00 s"  # the good run took 2 s


def test_what_is_estimated_or_unknown_says_so(receipt: Receipt) -> None:
    text = render(receipt)
    assert "saved est." in text
    assert row_of(text, "风险", "news.get_filings")[-1] == "unknown"
    assert "10.0 s (graph report): gather 8.00 s → write 2.00 s" in text
    assert "(estimated, if independent)" in text
    assert "unknown for 1 calls without a key" in text


def test_what_is_counted(receipt: Receipt) -> None:
    text = render(receipt)
    told = "2 asked again, 1 run again · get_quote abcdef012345: 3 asked, 2 run (news 2, quill 1)"
    assert told in " ".join(text.split())
    assert "1 waits at limits (500 ms)" in text
    assert "1 TimeoutError" in text
    assert "get_quote 6.00 s !" in text


def test_columns_without_a_figure_are_left_out() -> None:
    text = render(Receipt.from_events(whole_run(call("a", 0, 1), seconds=1)))
    assert "stale" not in text
    assert "unfinished" not in text


def test_a_receipt_of_nothing_can_be_read() -> None:
    text = render(Receipt.from_events([]))
    assert "unknown" in text
    assert "no call was recorded" in text


def test_ascii_if_the_stream_can_do_no_more(receipt: Receipt) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write_receipt(receipt, stream)
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "gather 8.00 s > write" in text
    assert len(text.splitlines()) == len(render(receipt).splitlines())
    assert max(map(len, text.splitlines())) <= 100


def test_the_signs_stay_if_the_stream_can_show_them(receipt: Receipt) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    write_receipt(receipt, stream)
    stream.flush()
    assert raw.getvalue().decode() == render(receipt)


def test_colour_only_if_asked(receipt: Receipt) -> None:
    assert "\x1b" not in render(receipt)
    painted = render(receipt, colour=True)
    assert "\x1b[1m" in painted
    assert re.sub(r"\x1b\[\d*m", "", painted) == render(receipt)


def test_names_cannot_move_the_cursor() -> None:
    events = whole_run(call("a\x1b[2J", 0, 1, agent="b\rc"), seconds=1, name="x\n\x07")
    receipt = Receipt.from_events(events)
    for text in (render(receipt), compare(receipt, receipt)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_wider_than_asked_even_with_long_names_and_great_numbers(width: int) -> None:
    calls = [
        call(
            f"some_package.some_module.operation_{number}",
            0,
            4_000 + number,
            source,
            agent="the one with a very long name 风险",
            error="SomeQuiteLongErrorName" if number % 3 == 0 else "ValueError",
            key="k",
        )
        for number in range(60)
        for source in ("ran", "hit", "joined", "stale")
        for _ in range(2)
    ]
    text = render(
        Receipt.from_events(whole_run(*calls, begun("operation", 1), seconds=4_100)), width=width
    )
    assert max(map(cells, text.splitlines())) <= width
    assert "and 21 more" in text
    assert "operation_59" in text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (None, "unknown"),
        (0, "$0"),
        (0.00002, "<$0.0001"),
        (0.000123, "$0.00012"),
        (0.0412, "$0.041"),
        (0.0996, "$0.10"),
        (3.456, "$3.46"),
        (12345.6, "$12,345.60"),
    ],
)
def test_money_for_people(dollars: float | None, text: str) -> None:
    assert dollars_text(dollars) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.0000254, "25 us"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (5.754, "5.75 s"),
        (19.52, "19.5 s"),
        (390.2, "390 s"),
        (605, "10 min 05 s"),
    ],
)
def test_durations_for_people(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_long_name_keeps_its_end() -> None:
    assert shortened("package.module.get_quote", 11) == "….get_quote"
    assert cells(shortened("风险风险风险", 7)) <= 7


def test_a_long_sentence_is_broken_between_words() -> None:
    note = "the record on disk is incomplete: " + "very " * 20 + "sad"
    lines = wrapped("note", [note, "more"], width=60, between=" · ", indent=10)
    assert max(map(cells, lines)) <= 60
    assert " ".join(line.strip() for line in lines) == f"note      {note} · more"


def test_columns_stand_below_each_other_also_with_wide_signs() -> None:
    lines = table(["agent", "n"], [["风险", "1"], ["quill", "12"]], width=40, words=1)
    assert len({cells(line) for line in lines}) == 1


# --- steps, tools and models ----------------------------------------------------------------------


def test_steps_stand_apart_without_the_name_of_their_graph() -> None:
    text = render(
        Receipt.from_events(
            whole_run(
                call("research.gather", 0, 9, kind="step", agent="quill"),
                call("research.write", 9, 10, kind="step", agent="quill"),
                call("get_quote", 0, 2, agent="quill"),
                seconds=10,
            )
        )
    )
    tools, steps = text.index("agent  tool"), text.index("agent  step of research")
    assert tools < text.index("get_quote") < steps < text.index("quill  gather")
    assert row_of(text, "quill", "write")[:2] == ["1", "1"]
    assert "research.gather" not in text[:steps]


@pytest.mark.parametrize("other", ["write", "chat.write"])
def test_steps_of_several_graphs_keep_their_whole_names(other: str) -> None:
    text = render(
        Receipt.from_events(
            whole_run(
                call("research.gather", 0, 1, kind="step"),
                call(other, 1, 2, kind="step"),
                seconds=2,
            )
        )
    )
    assert row_of(text, "agent", "step")[0] == "asked"
    assert row_of(text, "-", "research.gather")
    assert row_of(text, "-", other)


TABLE = {
    "openai/gpt-x": (
        Price(input=20.0, cache_read=10.0, cache_write=20.0, output=160.0, as_of="2023-11-01"),
    )
}


def model_receipt(*more: Event) -> Receipt:
    """One answer of 0.032 dollars, and *more*."""
    return Receipt.from_events(
        whole_run(
            call(
                "openai.chat gpt-x", 0, 2, kind="model", call="a", agent="quill", first_chunk_s=0.5
            ),
            answered("a", agent="quill"),
            *more,
            seconds=4,
        ),
        table=TABLE,
    )


def told(text: str) -> str:
    """What stands behind ``models``, on one line."""
    found = re.search(r"^models +(.*?)^\S", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return " ".join(found.group(1).split())


def test_models_have_a_row_for_each_agent_and_a_sum() -> None:
    text = render(model_receipt(answered("b", "hit", agent="news")))
    head = row_of(text, "agent", "model")
    assert head[:4] == ["calls", "ran", "hit", "joined"]
    quill = dict(zip(head, row_of(text, "quill", "gpt-x")))
    assert quill == {
        "calls": "1",
        "ran": "1",
        "hit": "0",
        "joined": "0",
        "in": "1,000",
        "cached": "400",
        "out": "100",
        "reasoning": "20",
        "first token": "500 ms",
        "spent": "$0.032",
        "saved": "-",
    }
    news = dict(zip(head, row_of(text, "news", "gpt-x")))
    assert (news["in"], news["spent"], news["saved"]) == ("0", "-", "$0.032")
    assert told(text) == (
        "2 calls, 1 run · 1,000 tokens in (40% cached) · 100 out (20 reasoning) · $0.032 spent · "
        "$0.032 saved by 1 · prices of 2023-11-01 · "
        "first token after 500 ms (median), 500 ms at most"
    )
    assert "model 2.00 s · tools 0 s · own 2.00 s" in " ".join(text.split())


def test_what_is_unknown_of_models_is_told() -> None:
    said_nothing = answered("c", agent="quill", tokens_in=None, tokens_cached=None, tokens_out=None)
    text = render(model_receipt(answered("b", model="stand-in-1", agent="news"), said_nothing))
    head = row_of(text, "agent", "model")
    quill = dict(zip(head, row_of(text, "quill", "gpt-x")))
    assert (quill["in"], quill["cached"], quill["spent"]) == ("≥1,000", "≥400", "≥$0.032")
    assert dict(zip(head, row_of(text, "news", "stand-in-1")))["spent"] == "unknown"
    sentence = told(text)
    assert "≥2,000 tokens in · ≥200 out" in sentence  # no share of what is not known
    assert "≥$0.032 spent" in sentence
    assert "2 calls without a price (openai/stand-in-1)" in sentence
    assert "1 call that did not say what was used" in sentence


def test_failed_attempts_are_told_beside_the_money() -> None:
    acts = [
        PolicyActed(at=START, run=RUN, operation="openai.chat gpt-x", action=action, agent="quill")
        for action in ("retried", "refreshed", "refreshed")
    ]
    sentence = told(render(model_receipt(*acts)))
    assert "1 failed attempt retried (used: unknown) · 2 runs in the background" in sentence


def test_without_models_nothing_is_said_of_them(receipt: Receipt) -> None:
    text = render(receipt)
    assert "tokens" not in text
    assert "model" not in text
    assert "$" not in text


# --- two runs side by side ----------------------------------------------------------------------


def difference(text: str, figure: str) -> list[str]:
    return row_of(text, figure)


def test_compare_puts_what_was_saved_side_by_side() -> None:
    plain = Receipt.from_events(
        whole_run(
            call("fetch", 0, 10, key="k"),
            call("fetch", 10, 20, key="k"),
            call("fetch", 20, 30, key="k"),
            call("write", 30, 40, kind="section", key="k"),
            seconds=40,
        )
    )
    headway = Receipt.from_events(
        whole_run(
            call("fetch", 0, 10, key="k"),
            call("fetch", 0, 10, "joined", key="k"),
            call("fetch", 10, 10, "hit", key="k"),
            call("write", 10, 20, kind="section", key="k"),
            seconds=20,
        )
    )
    text = compare(plain, headway)
    assert difference(text, "wall time") == ["40.0 s", "20.0 s", "2.00× shorter"]
    assert difference(text, "first section") == ["40.0 s", "20.0 s", "2.00× shorter"]
    assert difference(text, "tool calls asked") == ["3", "3", "same"]
    assert difference(text, "tool calls run") == ["3", "1", "−2"]
    assert difference(text, "duplicates run") == ["2", "0", "−2"]
    assert difference(text, "answered from cache") == ["0", "1", "+1"]
    assert difference(text, "joined a call under way") == ["0", "1", "+1"]
    assert difference(text, "fetch") == ["3", "3", "3", "1"]
    assert max(map(cells, text.splitlines())) <= 100


def test_compare_leaves_out_what_neither_knows_and_names_what_one_does_not() -> None:
    receipt = Receipt.from_events(whole_run(call("a", 0, 1), seconds=1))
    assert "first section" not in compare(receipt, receipt)
    timed = Receipt.from_events(whole_run(call("a", 0, 1), seconds=1), first_output_s=0.5)
    assert difference(compare(receipt, timed), "first section") == ["unknown", "500 ms", "unknown"]


def test_compare_counts_all_calls_if_there_are_no_tools() -> None:
    receipt = Receipt.from_events(whole_run(call("a", 0, 1, kind="call"), seconds=1))
    assert difference(compare(receipt, receipt), "calls asked") == ["1", "1", "same"]


def test_compare_tells_of_models_if_one_run_asked_some() -> None:
    again = [answered(name, "hit", agent="quill") for name in "bc"]
    without = Receipt.from_events(
        whole_run(answered("a"), answered("b"), answered("c"), seconds=4), table=TABLE
    )
    text = compare(without, model_receipt(*again))
    assert difference(text, "model calls asked") == ["3", "3", "same"]
    assert difference(text, "model calls run") == ["3", "1", "−2"]
    assert difference(text, "tokens in") == ["3,000", "1,000", "−2,000"]
    assert difference(text, "of these cached by provider") == ["1,200", "400", "−800"]
    assert difference(text, "tokens out") == ["300", "100", "−200"]
    assert difference(text, "money spent") == ["$0.096", "$0.032", "−$0.064"]
    assert difference(text, "time in models") == ["0 s", "2.00 s", "-"]


def test_compare_takes_no_sum_that_misses_something() -> None:
    text = compare(model_receipt(), model_receipt(answered("b", model="stand-in-1")))
    assert difference(text, "money spent") == ["$0.032", "unknown", "unknown"]
    assert difference(text, "tokens in") == ["1,000", "2,000", "+1,000"]


def test_compare_of_runs_without_models_says_nothing_of_them() -> None:
    receipt = Receipt.from_events(whole_run(call("a", 0, 1), seconds=1))
    assert "model" not in compare(receipt, receipt)
