from pathlib import Path

import msgspec
import pytest

from headway import settings
from headway.events import Event
from headway.prices import Price, Table
from headway.runs import ModelCounts, ModelLine, ModelUse, Receipt, cost_of
from headway.runs.receipt import receipt_of
from headway.runs.tally import Tally
from tests.runs.by_hand import START, Used, acted, answered, call, near, whole_run

# in 2 $, cached 0.50 $, written 4 $, out 10 $ per million tokens
TABLE: Table = {
    "openai/gpt-x": (
        Price(input=2.0, cache_read=0.5, cache_write=4.0, output=10.0, as_of="2023-11-01"),
    )
}
ONCE_USD = (600 * 2.0 + 400 * 0.5 + 100 * 10.0) / 1e6
DAY_S = 86_400.0


def use_of(*events: Event, table: Table = TABLE) -> ModelUse:
    receipt = Receipt.from_events(whole_run(*events, seconds=20), table=table)
    assert receipt.models is not None
    return receipt.models


def line(use: ModelUse, agent: str | None, model: str | None = "gpt-x") -> ModelLine:
    (found,) = [row for row in use.lines if (row.agent, row.model) == (agent, model)]
    return found


def figures(counts: ModelCounts, *names: str) -> list[object]:
    return [getattr(counts, name) for name in names]


def test_without_models_there_is_nothing_to_tell() -> None:
    receipt = Receipt.from_events(whole_run(call("get_quote", 0, 1), seconds=2))
    assert receipt.models is None


def test_what_ran_spends_and_what_was_spared_saves_it_once() -> None:
    use = use_of(
        answered("a", agent="quill"),
        answered("b", "hit", agent="quill"),
        answered("c", "joined", agent="quill"),
        answered("d", "stale", agent="quill"),
    )
    quill = line(use, "quill")
    names = ("calls", "ran", "hit", "joined", "stale", "other", "failed")
    assert figures(quill, *names) == [4, 1, 1, 1, 1, 0, 0]
    assert quill.spent_usd == near(ONCE_USD)
    assert quill.saved_usd == near(3 * ONCE_USD)
    assert (quill.spent_unknown, quill.saved_unknown) == (0, 0)


def test_tokens_are_those_that_the_provider_has_counted() -> None:
    use = use_of(
        answered("a", agent="quill", tokens_cache_written=50),
        answered("b", agent="quill", tokens_in=3_000, tokens_out=7),
        answered("c", "hit", agent="quill", tokens_in=90_000, tokens_out=9_000),
    )
    quill = line(use, "quill")
    used = ("tokens_in", "tokens_cached", "tokens_cache_written", "tokens_out", "tokens_reasoning")
    assert figures(quill, *used) == [4_000, 800, 50, 107, 40]
    assert figures(quill, "tokens_in_saved", "tokens_out_saved") == [90_000, 9_000]
    assert figures(quill, "usage_unknown", "cached_unknown") == [0, 0]


def test_lines_by_agent_and_model_and_their_total() -> None:
    use = use_of(
        answered("a", agent="quill"),
        answered("b", agent="news"),
        answered("c", agent="news", model="gpt-y"),
        answered("d", "hit"),
    )
    rows = [(row.agent, row.provider, row.model, row.calls) for row in use.lines]
    assert rows == [
        ("news", "openai", "gpt-x", 1),
        ("news", "openai", "gpt-y", 1),
        ("quill", "openai", "gpt-x", 1),
        (None, "openai", "gpt-x", 1),
    ]
    assert figures(use.total, "calls", "ran", "hit", "tokens_in") == [4, 3, 1, 3_000]
    assert use.total.spent_usd == near(2 * ONCE_USD)
    assert (use.total.spent_unknown, use.unpriced) == (1, ("openai/gpt-y",))
    assert use.prices == {"openai/gpt-x": "2023-11-01"}


def test_nothing_known_is_unknown_and_not_nothing() -> None:
    use = use_of(answered("a", model="stand-in-1"), answered("b", "hit", model="stand-in-1"))
    assert figures(use.total, "spent_usd", "saved_usd") == [None, None]
    assert figures(use.total, "spent_unknown", "saved_unknown") == [1, 1]
    assert use.total.tokens_in == 1_000


def test_a_sum_of_some_says_how_many_are_missing() -> None:
    use = use_of(
        answered("a"),
        answered("b", tokens_in=None, tokens_cached=None, tokens_out=None),
    )
    assert use.total.spent_usd == near(ONCE_USD)
    assert figures(use.total, "tokens_in", "tokens_cached", "tokens_out") == [1_000, 400, 100]
    assert figures(use.total, "spent_unknown", "usage_unknown", "cached_unknown") == [1, 1, 1]
    assert use.unpriced == ()


def test_a_provider_that_does_not_tell_of_its_cache_leaves_the_cost_unknown() -> None:
    use = use_of(answered("a", tokens_cached=None))
    assert figures(use.total, "tokens_in", "tokens_cached", "spent_usd") == [1_000, None, None]
    assert figures(use.total, "usage_unknown", "cached_unknown") == [0, 1]


def test_the_price_of_the_day_of_the_answer_counts() -> None:
    dear, cheap = Price(input=4.0, output=0.0), Price(input=1.0, output=0.0)
    table = {
        "openai/gpt-x": (
            msgspec.structs.replace(cheap, since="2023-11-16"),
            msgspec.structs.replace(dear, until="2023-11-15"),
        )
    }
    counts: Used = {"tokens_in": 1_000_000, "tokens_cached": 0, "tokens_cache_written": 0}
    # the run began at 22:13:20 UTC on 14 November 2023
    for days, dollars in ((0.0, 4.0), (1.0, 4.0), (1.08, 1.0), (2.0, 1.0)):
        use = use_of(answered("a", at=days * DAY_S, **counts), table=table)
        assert use.total.spent_usd == near(dollars), days


def test_a_failed_answer_is_counted_and_its_cost_unknown() -> None:
    nothing: Used = {"tokens_in": None, "tokens_cached": None, "tokens_out": None}
    use = use_of(
        answered("a", status=429, **nothing),
        answered("b", complete=False, **nothing),
        answered("c", status=200),
    )
    assert figures(use.total, "calls", "ran", "failed", "spent_unknown") == [3, 3, 2, 2]
    assert use.total.spent_usd == near(ONCE_USD)


def test_a_retried_call_costs_once_and_its_failed_attempts_are_told() -> None:
    use = use_of(
        acted("openai.chat gpt-x", "retried", seconds=0.5),
        acted("openai.chat gpt-x", "retried", seconds=1.0),
        acted("get_quote", "retried", seconds=1.0),
        call("openai.chat gpt-x", 0, 3, kind="model", call="a"),
        answered("a"),
    )
    assert (use.total.calls, use.retried, use.refreshed) == (1, 2, 0)
    assert use.total.spent_usd == near(ONCE_USD)


def test_what_was_renewed_in_the_background_is_told() -> None:
    use = use_of(
        acted("openai.chat gpt-x", "refreshed"),
        acted("openai.chat gpt-x", "refresh failed"),
        answered("a", "stale"),
    )
    assert (use.total.calls, use.retried, use.refreshed) == (1, 0, 2)


def test_an_answer_of_a_kind_unknown_here_is_counted_as_other() -> None:
    use = use_of(answered("a", "foreseen"))
    assert figures(use.total, "calls", "ran", "other", "spent_unknown") == [1, 0, 1, 1]
    assert figures(use.total, "tokens_in", "spent_usd") == [0, None]


def test_the_first_token_of_what_ran() -> None:
    def asked(number: int, first_s: float, source: str = "ran") -> list[Event]:
        made = call("m", 0, 9, source, kind="model", call=f"c{number}", first_chunk_s=first_s)
        return [made, answered(f"c{number}", source, agent="quill")]

    events = [*asked(1, 0.5), *asked(2, 1.5), *asked(3, 4.0), *asked(4, 0.001, "hit")]
    use = use_of(*events, call("m", 0, 1, kind="model", call="plain"), answered("plain"))
    assert figures(line(use, "quill"), "ttft_p50_s", "ttft_max_s") == [1.5, 4.0]
    assert figures(use.total, "ttft_p50_s", "ttft_max_s") == [1.5, 4.0]
    assert line(use, None).ttft_p50_s is None


def test_the_order_in_which_a_call_and_its_answer_are_told_does_not_matter() -> None:
    ended = call("m", 0, 9, kind="model", call="a", first_chunk_s=0.5)
    for events in ([ended, answered("a")], [answered("a"), ended]):
        assert figures(use_of(*events).total, "calls", "ttft_max_s") == [1, 0.5]


def test_a_model_call_that_says_nothing_of_tokens_is_counted_as_unknown() -> None:
    use = use_of(
        call("ask_own_model", 0, 1, kind="model", agent="quill", first_chunk_s=0.25),
        call("ask_own_model", 1, 1, "hit", kind="model", agent="quill"),
        call("ask_own_model", 1, 2, kind="model", agent="quill", error="TimeoutError"),
    )
    row = line(use, "quill", None)
    assert (row.provider, row.calls, row.ran, row.hit, row.failed) == (None, 3, 2, 1, 1)
    assert figures(row, "tokens_in", "spent_usd", "saved_usd") == [None, None, None]
    assert figures(row, "usage_unknown", "spent_unknown", "saved_unknown") == [2, 2, 1]
    assert row.ttft_max_s == 0.25
    assert use.unpriced == ()


def test_an_operation_of_kind_model_around_an_exchange_is_not_counted_twice() -> None:
    use = use_of(
        call("ask", 0, 4, kind="model", call="outer"),
        call("prepare", 0, 3, kind="step", call="between", parent="outer"),
        call("openai.chat gpt-x", 1, 3, kind="model", call="inner", parent="between"),
        answered("inner"),
        call("ask", 5, 9, kind="model", call="outer 2"),
        call("embed", 5, 9, kind="model", parent="outer 2"),
    )
    assert [(row.model, row.calls) for row in use.lines] == [("gpt-x", 1), (None, 1)]


def test_beyond_the_bound_the_receipt_says_that_money_is_missing() -> None:
    tally = Tally(most_calls=2)
    for number in range(5):
        tally.add(answered(f"a{number}"))
    receipt = receipt_of(tally)
    assert receipt.models is not None
    assert receipt.models.total.calls == 2
    assert "3 answers of models are not in tokens and money" in receipt.notes
    assert not receipt.complete


def test_json_and_back() -> None:
    events = whole_run(answered("a", agent="quill"), answered("b", "hit"), seconds=1)
    receipt = Receipt.from_events(events, table=TABLE)
    data = msgspec.json.encode(receipt)
    assert msgspec.json.decode(data, type=Receipt) == receipt
    models = msgspec.json.decode(data)["models"]
    assert {"total", "lines", "retried", "refreshed", "prices", "unpriced"} == models.keys()
    documented = {
        *("calls", "ran", "hit", "joined", "stale", "other", "failed"),
        *("tokens_in", "tokens_cached", "tokens_cache_written", "tokens_out", "tokens_reasoning"),
        *("usage_unknown", "cached_unknown", "tokens_in_saved", "tokens_out_saved"),
        *("spent_usd", "spent_unknown", "saved_usd", "saved_unknown", "ttft_p50_s", "ttft_max_s"),
    }
    assert models["total"].keys() == documented
    assert models["lines"][0].keys() == documented | {"agent", "provider", "model"}


# --- the prices of headway.toml -------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_kept", None)
    return tmp_path


def receipt_here() -> Receipt:
    return Receipt.from_events(whole_run(answered("a", model="stand-in-1"), seconds=1))


def test_own_prices_count(here: Path) -> None:
    (here / "headway.toml").write_text(
        '[prices."openai/stand-in-1"]\ninput = 2\ncache_read = 0.5\noutput = 10\n'
    )
    models = receipt_here().models
    assert models is not None
    assert models.total.spent_usd == near(ONCE_USD)
    assert models.prices == {"openai/stand-in-1": ""}
    assert cost_of(answered("a", model="stand-in-1")) == near(ONCE_USD)


def test_built_in_prices_count_without_a_file(here: Path) -> None:
    known = answered("a", model="gpt-4o-mini", at=700 * DAY_S)
    assert cost_of(known) == near((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6)
    assert cost_of(answered("a", model="stand-in-1")) is None


def test_a_wrong_file_does_not_cost_the_receipt(here: Path) -> None:
    (here / "headway.toml").write_text('[prices."openai/stand-in-1"]\nimput = 2\n')
    receipt = receipt_here()
    assert receipt.models is not None
    assert receipt.models.total.spent_unknown == 1
    (note,) = receipt.notes
    assert note.startswith("built-in prices only: headway.toml, line 2")


def test_a_run_without_models_needs_no_prices(here: Path) -> None:
    (here / "headway.toml").write_text("broken")
    assert Receipt.from_events(whole_run(call("a", 0, 1), seconds=1)).complete


def test_the_day_is_that_of_the_run_start(here: Path) -> None:
    """The events made by hand are of 2023: before the day from which o3 had its price."""
    assert START < 1_749_513_600  # 2025-06-10
    assert cost_of(answered("a", model="o3")) is None
    assert cost_of(answered("a", model="o3", at=1_749_513_600 - START)) is not None
