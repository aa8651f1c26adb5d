"""Whatever a run did, the figures of its receipt agree with each other and with the events."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headway.events import CallEnded, Event, ModelAnswered, RunEnded, RunStarted
from headway.prices import Price
from headway.runs import Receipt, compare, render
from headway.runs.text_table import cells

START, WALL_S, HAIR_S = 1_700_000_000.0, 100.0, 1e-3


@st.composite
def calls(draw: st.DrawFn) -> list[CallEnded]:
    """A random tree of calls: each inside the run, or inside the call that it names as parent."""
    made: list[CallEnded] = []
    within: dict[str, tuple[float, float]] = {}
    for number in range(draw(st.integers(0, 25))):
        parent = draw(st.one_of(st.none(), st.sampled_from(sorted(within)))) if within else None
        low, high = within[parent] if parent else (0.0, WALL_S)
        began, ended = sorted(draw(st.tuples(*[st.floats(0, 1)] * 2)))
        began, ended = low + began * (high - low), low + ended * (high - low)
        source = draw(st.sampled_from(["ran", "ran", "hit", "joined", "stale"]))
        name = f"c{number}"
        if source == "ran":
            within[name] = (began, ended)
        made.append(
            CallEnded(
                at=START + ended,
                run="r",
                call=name,
                operation=draw(st.sampled_from(["get_quote", "get_news", "think"])),
                kind=draw(st.sampled_from(["tool", "model", "step"])),
                source=source,
                seconds=ended - began,
                key=draw(st.sampled_from([None, "k1", "k2", "k3"])),
                agent=draw(st.sampled_from([None, "quill", "news"])),
                parent=parent,
                error=draw(st.sampled_from([None, None, None, "TimeoutError"])),
            )
        )
    return draw(st.permutations(made))


@st.composite
def answers(draw: st.DrawFn, made: Sequence[CallEnded]) -> list[ModelAnswered]:
    """What models used for some of the calls of kind model that were *made*."""
    asked = [call for call in made if call.kind == "model"]
    tokens = st.one_of(st.none(), st.integers(0, 10_000))
    return [
        ModelAnswered(
            at=call.at,
            run="r",
            call=call.call,
            operation=call.operation,
            provider="openai",
            model=draw(st.sampled_from(["gpt-x", "gpt-y", "stand-in"])),
            source=call.source,
            agent=call.agent,
            tokens_in=draw(tokens),
            tokens_cached=draw(tokens),
            tokens_cache_written=draw(st.sampled_from([None, 0, 10])),
            tokens_out=draw(tokens),
            tokens_reasoning=draw(tokens),
        )
        for call in asked
        if draw(st.booleans())
    ]


TABLE = {
    "openai/gpt-x": (Price(input=2.0, cache_read=0.5, cache_write=2.5, output=8.0),),
    "openai/gpt-y": (Price(input=1.0, output=2.0, long_above=5_000),),
}


def receipt_of(made: Sequence[Event]) -> Receipt:
    started = RunStarted(at=START, run="r", name="random")
    ended = RunEnded(at=START + WALL_S, run="r", seconds=WALL_S)
    whole: list[Event] = [started, *made, ended]
    return Receipt.from_events(whole, table=TABLE)


@given(calls())
def test_every_call_is_counted_once(made: list[CallEnded]) -> None:
    receipt = receipt_of(made)
    for rows in (receipt.lines, receipt.kinds):
        for row in rows:
            assert row.asked == row.ran + row.hit + row.joined + row.stale
            assert row.failed <= row.asked
        assert sum(row.asked for row in rows) == len(made)
        assert sum(row.ran for row in rows) == sum(call.source == "ran" for call in made)
        assert sum(row.failed for row in rows) == sum(call.error is not None for call in made)


@given(calls())
def test_duplicates_are_what_was_asked_or_run_beyond_once(made: list[CallEnded]) -> None:
    receipt = receipt_of(made)
    asked = Counter((call.operation, call.key) for call in made if call.key)
    ran = Counter((call.operation, call.key) for call in made if call.key and call.source == "ran")
    assert receipt.duplicates_asked == sum(asked.values()) - len(asked)
    assert receipt.duplicates_run == sum(ran.values()) - len(ran)
    without_key = [call for call in made if call.key is None and call.kind != "step"]
    assert receipt.calls_without_key == len(without_key)


@given(calls())
def test_the_critical_path_is_no_shorter_than_a_call_and_no_longer_than_the_run(
    made: list[CallEnded],
) -> None:
    path = receipt_of(made).critical_path
    if not made:
        assert path is None
        return
    assert path is not None
    outermost = [call.seconds for call in made if call.parent is None]
    assert max(outermost) - HAIR_S <= path.seconds <= WALL_S + HAIR_S
    if not path.links_left_out:
        assert abs(sum(link.seconds for link in path.links) - path.seconds) < HAIR_S


@given(calls())
def test_no_time_exceeds_the_run(made: list[CallEnded]) -> None:
    receipt = receipt_of(made)
    for kind in receipt.kinds:
        assert 0 <= kind.own_s <= kind.busy_s + HAIR_S
        assert kind.busy_s <= receipt.time.in_calls_s + HAIR_S
    assert receipt.time.in_calls_s <= WALL_S + HAIR_S
    assert receipt.time.outside_calls_s is not None
    assert abs(receipt.time.in_calls_s + receipt.time.outside_calls_s - WALL_S) < HAIR_S
    if receipt.time.concurrency_mean is not None:
        assert 1 - 1e-6 <= receipt.time.concurrency_mean <= receipt.time.concurrency_peak + 1e-6


@given(calls())
def test_what_could_be_saved_leaves_the_longest_stretch_without_calls_inside(
    made: list[CallEnded],
) -> None:
    found = receipt_of(made).overlap
    if found is None:
        assert not made
        return
    parents = {call.parent for call in made}
    longest_leaf = max(call.seconds for call in made if call.call not in parents)
    assert 0 <= found.saved_s_estimated <= WALL_S - longest_leaf + HAIR_S
    for chance in found.chances:
        assert 0 < chance.saved_s_estimated <= WALL_S
        assert chance.calls >= 2


ADDED_UP = (
    *("calls", "ran", "hit", "joined", "stale", "other", "failed", "usage_unknown"),
    *("cached_unknown", "spent_unknown", "saved_unknown", "tokens_in", "tokens_cached"),
    *("tokens_cache_written", "tokens_out", "tokens_reasoning", "tokens_in_saved"),
    *("tokens_out_saved", "spent_usd", "saved_usd"),
)


@given(st.data())
def test_tokens_and_money_add_up(data: st.DataObject) -> None:
    made = data.draw(calls())
    said = data.draw(answers(made))
    use = receipt_of([*made, *said]).models
    if use is None:
        assert not said
        assert not any(call.kind == "model" for call in made)
        return
    for row in (use.total, *use.lines):
        assert row.calls == row.ran + row.hit + row.joined + row.stale + row.other
        assert row.spent_unknown <= row.ran + row.other
        assert row.saved_unknown <= row.hit + row.joined + row.stale
        assert (row.spent_usd is None) == (0 < row.ran + row.other == row.spent_unknown)
        assert (row.saved_usd is None) == (
            0 < row.hit + row.joined + row.stale == row.saved_unknown
        )
    for name in ADDED_UP:
        parts = [getattr(row, name) for row in use.lines]
        whole = getattr(use.total, name)
        if whole is None:  # nothing of it is known: not where it was asked for
            assert None in parts
            assert not any(parts)
        else:
            assert abs(whole - sum(part or 0 for part in parts)) < 1e-9
    of_models = [answer.tokens_in or 0 for answer in said if answer.source == "ran"]
    assert (use.total.tokens_in or 0) == sum(of_models)


@given(calls())
def test_time_in_models_and_tools_and_neither_is_the_whole_run(made: list[CallEnded]) -> None:
    time = receipt_of(made).time
    assert time.own_s is not None
    assert min(time.model_s, time.tools_s, time.model_and_tools_s, time.own_s) >= 0
    assert time.model_and_tools_s <= min(time.model_s, time.tools_s) + HAIR_S
    assert time.model_s + time.tools_s - time.model_and_tools_s <= time.in_calls_s + HAIR_S
    parts = time.model_s + time.tools_s - time.model_and_tools_s + time.own_s
    assert abs(parts - WALL_S) < HAIR_S


@given(st.data(), st.integers(80, 120))
def test_it_can_be_read_and_kept(data: st.DataObject, width: int) -> None:
    made = data.draw(calls())
    receipt = receipt_of([*made, *data.draw(answers(made))])
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=Receipt) == receipt
    text = render(receipt, width=width)
    assert max(map(cells, text.splitlines())) <= width
    assert compare(receipt, receipt)
