"""What is heard is counted once, under its name, whoever said it and from whichever thread."""

import asyncio
import gc
import threading
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from headway import Cache, Retry, clock, events, operation, settings
from headway.errors import BadSetup
from headway.events import Event, Progress, StoreFailed, StoreStateChanged
from headway.monitor import Gauge, Monitor, Snapshot, prometheus_text
from headway.monitor import monitor as monitor_file
from headway.prices import Price
from headway.testing import FakeClock
from tests.monitor.some_events import NOW, acted, answered, ended, started

PRICES = {"openai/gpt-x": (Price(input=2.0, output=8.0, cache_read=0.5, cache_write=2.5),)}


def heard(*said: Event) -> Snapshot:
    monitor = Monitor(prices=PRICES)
    for event in said:
        monitor.hear(event)
    return monitor.snapshot()


def test_calls_by_how_they_ended() -> None:
    seen = heard(
        ended("ask"),
        ended("ask", source="hit"),
        ended("ask", error="TimeoutError"),
        ended("get_filing", kind="tool"),
    )
    calls = "headway_calls_total"
    assert seen.total(calls) == 4
    assert seen.total(calls, operation="ask") == 3
    assert seen.total(calls, source="hit") == 1
    assert seen.total(calls, error="TimeoutError", kind="model") == 1
    assert seen.total(calls, error="") == 3
    assert seen.total(calls, operation="nobody") == 0


def test_seconds_by_operation_and_source() -> None:
    seen = heard(
        ended(seconds=1.0, first_chunk_s=0.2),
        ended(seconds=3.0, first_chunk_s=0.4),
        ended(seconds=0.001, source="hit"),
    )
    ran = seen.seconds("headway_call_seconds", source="ran")
    assert (ran.count, ran.sum, ran.max) == (2, 4.0, 3.0)
    assert seen.seconds("headway_call_seconds").count == 3
    first = seen.seconds("headway_first_chunk_seconds", operation="ask")
    assert (first.count, first.max) == (2, 0.4)


def test_tokens_of_what_ran_and_of_what_was_spared() -> None:
    seen = heard(
        answered(sent=1000, cached=600, written=100, made=50, reasoning=20),
        answered(sent=1000, cached=0, made=50),
        answered(source="hit", sent=1000, cached=600, made=50),
        answered(source="joined", sent=10, made=5),
    )
    used, saved = "headway_tokens_total", "headway_tokens_saved_total"
    found = {
        direction: seen.total(used, model="gpt-x", direction=direction)
        for direction in ("in", "cached", "cache_written", "out", "reasoning")
    }
    assert found == {"in": 2000, "cached": 600, "cache_written": 100, "out": 100, "reasoning": 20}
    assert seen.total(saved, direction="in") == 1010
    assert seen.total(saved, direction="out") == 55


def test_what_an_answer_did_not_say_is_unknown_and_not_zero() -> None:
    seen = heard(
        answered(),
        answered(sent=None, cached=None, written=None, made=None, reasoning=None, status=500),
    )
    assert seen.total("headway_usage_unknown_total") == 1
    assert seen.total("headway_cost_unknown_total", sum="spent") == 1
    assert seen.total("headway_tokens_total", direction="in") == 1000
    provider_cache = {
        result: seen.total("headway_provider_cache_total", result=result)
        for result in ("hit", "miss", "unknown")
    }
    assert provider_cache == {"hit": 0, "miss": 1, "unknown": 1}
    assert heard(answered(cached=1)).total("headway_provider_cache_total", result="hit") == 1


def test_dollars_spent_and_saved() -> None:
    seen = heard(
        answered(sent=1_000_000, made=0),
        answered(sent=1_000_000, made=0, source="hit"),
        answered(sent=1_000_000, made=0, source="stale"),
        answered(model="nobody-knows"),
    )
    assert seen.total("headway_spent_usd_total", model="gpt-x") == pytest.approx(2.0)
    assert seen.total("headway_saved_usd_total") == pytest.approx(4.0)
    assert seen.total("headway_cost_unknown_total", model="nobody-knows", sum="spent") == 1
    spent = next(one for one in seen.counters if one.name == "headway_spent_usd_total")
    assert [sample.labels["model"] for sample in spent.samples] == [
        "gpt-x"
    ]  # and no 0 for the other


def test_what_is_free_costs_zero_and_is_known() -> None:
    monitor = Monitor(prices={"other/home": (Price(input=0.0, output=0.0),)})
    monitor.hear(answered("home", provider="other", cached=None, written=None))
    spent = [one for one in monitor.snapshot().counters if one.name == "headway_spent_usd_total"]
    assert [sample.value for sample in spent[0].samples] == [0.0]


def test_failures_of_models() -> None:
    seen = heard(
        answered(),
        answered(status=429),
        answered(complete=False),
        answered(status=429, source="hit"),
    )
    assert seen.total("headway_model_failures_total") == 2
    assert seen.total("headway_model_answers_total", status="429", source="ran") == 1
    assert seen.total("headway_model_answers_total") == 4


def test_an_answer_from_nowhere_known_is_neither_spent_nor_saved() -> None:
    seen = heard(answered(source="beamed"))
    assert seen.total("headway_cost_unknown_total", sum="spent") == 1
    assert seen.total("headway_tokens_total") == seen.total("headway_tokens_saved_total") == 0


def test_agents() -> None:
    seen = heard(
        answered(agent="analyst", sent=1_000_000, made=0),
        answered(agent="analyst", source="hit"),
        answered(agent="writer", sent=5),
        answered(sent=7),
    )
    tokens = "headway_agent_tokens_total"
    assert seen.total(tokens, agent="analyst", direction="in") == 1_000_000
    assert seen.total(tokens, agent="writer", direction="in") == 5
    assert seen.total(tokens, agent="", direction="in") == 7
    assert seen.total("headway_agent_answers_total", agent="analyst") == 1
    assert seen.total("headway_agent_spent_usd_total", agent="analyst") == pytest.approx(2.0)


def test_policies_and_stores() -> None:
    def store(state: str, name: str = "redis") -> StoreStateChanged:
        return StoreStateChanged(at=NOW, run=None, store=name, state=state)

    monitor = Monitor()
    for event in (
        acted("retried"),
        acted("retried", "other_operation"),
        acted("refused"),
        StoreFailed(at=NOW, run=None, store="redis", error="gone"),
        store("down"),
        store("down", "disk"),
    ):
        monitor.hear(event)
    seen = monitor.snapshot()
    assert seen.total("headway_policy_actions_total", action="retried") == 2
    assert seen.total("headway_policy_actions_total", action="refused", operation="ask") == 1
    assert seen.total("headway_store_failures_total", store="redis") == 1
    assert seen.total("headway_store_down") == 2
    for state in ("up", "in doubt", "repaired"):
        monitor.hear(store(state))
    seen = monitor.snapshot()
    assert seen.total("headway_store_down", store="redis") == 0
    assert seen.total("headway_store_down", store="disk") == 1
    assert seen.total("headway_store_states_total", store="redis") == 4


def test_calls_in_flight() -> None:
    monitor = Monitor()
    for event in (started("a"), started("b"), started("c", "tool"), ended(call="a")):
        monitor.hear(event)
    monitor.hear(ended(call="began before anybody listened"))
    with clock.use(FakeClock(NOW)):
        seen = monitor.snapshot()
    assert seen.total("headway_calls_in_flight") == 2
    assert seen.total("headway_calls_in_flight", kind="tool") == 1


def test_calls_that_never_end_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_file, "MOST_IN_FLIGHT", 10)
    monitor = Monitor()
    for number in range(100):
        monitor.hear(started(str(number), kind=str(number), at=clock.now()))
        assert monitor.snapshot().total("headway_calls_in_flight") <= 10
    monitor.hear(ended(call="99"))
    assert 4 <= monitor.snapshot().total("headway_calls_in_flight") < 10


def test_slow_calls_are_told() -> None:
    with clock.use(FakeClock(NOW)):
        seen = heard(ended(seconds=1.0), ended(seconds=30.0, agent="analyst"))
    assert [(call.seconds, call.agent) for call in seen.slow] == [(30.0, "analyst"), (1.0, None)]


def test_other_events_change_nothing() -> None:
    monitor = Monitor()
    before = monitor.snapshot()
    monitor.hear(Progress(at=NOW, run=None, text="half way"))
    after = monitor.snapshot()
    assert msgspec.structs.replace(after, at=before.at) == before


def test_a_time_that_is_no_measurement_is_said() -> None:
    seen = heard(ended(seconds=float("nan")), ended(seconds=-1.0), ended())
    assert seen.total("headway_calls_total") == 3
    assert seen.seconds("headway_call_seconds").count == 1
    assert seen.total("headway_monitor_refused_total") == 2
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Snapshot) == seen


def test_hostile_names_cannot_grow_memory_and_nothing_is_lost() -> None:
    monitor = Monitor(prices=PRICES, most_label_sets=100, most_timings=20)

    def flood(rounds: range) -> None:
        for n in rounds:
            name = f"{n:06}" * 100
            monitor.hear(ended(name, error=name if n % 2 else None, agent=name, seconds=0.1))
            monitor.hear(answered(name, agent=name, status=n))
            monitor.hear(acted(name, name))
            monitor.hear(StoreFailed(at=NOW, run=None, store=name, error=name))
            monitor.hear(StoreStateChanged(at=NOW, run=None, store=name, state="down"))

    flood(range(1000))
    gc.collect()
    tracemalloc.start()
    flood(range(1000, 3000))
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
    seen = monitor.snapshot()
    assert seen.total("headway_calls_total") == 3000
    assert seen.total("headway_calls_total", error="", kind="model") == 1500
    assert seen.seconds("headway_call_seconds").count == 3000
    assert seen.total("headway_tokens_total", direction="in") == 3_000_000
    assert seen.total("headway_agent_tokens_total", direction="in") == 3_000_000
    assert seen.total("headway_policy_actions_total") == 3000
    assert seen.total("headway_store_failures_total") == 3000
    folded = "headway_monitor_folded_total"
    for family in ("calls", "timings", "models", "agents", "actions", "stores"):
        assert seen.total(folded, counted=family) >= 2900, family
    assert max(len(family.samples) for family in (*seen.counters, *seen.timings)) <= 500


def test_gauges_of_the_caller() -> None:
    gauges = [
        Gauge("headway_connections", 12, "Open connections."),
        Gauge("headway_upstream_up", True, labels={"upstream": "main"}),
        Gauge("headway_upstream_up", 0, labels={"upstream": "spare\n"}),
    ]
    seen = Monitor().snapshot(gauges)
    assert seen.total("headway_connections") == 12
    assert seen.total("headway_upstream_up", upstream="main") == 1
    assert seen.total("headway_upstream_up", upstream="spare?") == 0
    assert 'headway_upstream_up{upstream="main"} 1\n' in prometheus_text(seen)


def test_dollars_are_by_the_prices_of_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "headway.toml").write_text('[prices."home/mine"]\ninput = 2.0\noutput = 0.0\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "_kept", None)
    monitor = Monitor()
    monitor.hear(answered("mine", provider="home", sent=1_000_000, made=5))
    assert monitor.snapshot().total("headway_spent_usd_total", model="mine") == 2.0


def test_what_began_long_ago_is_not_in_flight() -> None:
    """A tool call in a conversation need not have a result."""
    monitor = Monitor(prices=PRICES)
    with clock.use(FakeClock(NOW)):
        monitor.hear(started("old", "tool", NOW - 2 * monitor_file.LONGEST_FLIGHT_S))
        monitor.hear(started("new", "tool", NOW - 1.0))
        assert monitor.snapshot().total("headway_calls_in_flight") == 1


@pytest.mark.parametrize(
    ("gauge", "text"),
    [
        (Gauge("a b", 1), "gauge 'a b': a name has letters"),
        (Gauge("a", 1, labels={"b-c": ""}), "gauge a: label 'b-c'"),
        (Gauge("a", 1, labels={"__b": ""}), "gauge a: label '__b'"),
        (Gauge("a", float("nan")), "gauge a: nan cannot be shown"),
        (Gauge("a", 10**400), "gauge a: 10+ cannot be shown"),
        (Gauge("headway_calls_total", 1), "'headway_calls_total': the name is taken"),
        (Gauge("headway_calls_in_flight", 1), "the name is taken"),
        (Gauge("headway_call_seconds_max", 1), "the name is taken"),
        (Gauge("headway_workers", 1), "the name is taken"),
    ],
)
def test_a_gauge_that_cannot_be_shown_is_refused(gauge: Gauge, text: str) -> None:
    with pytest.raises(BadSetup, match=text):
        Monitor().snapshot([gauge])


def test_threads_lose_nothing() -> None:
    monitor = Monitor(prices=PRICES)
    totals: list[int | float] = []

    def say(thread: int) -> None:
        for n in range(500):
            call = f"{thread}.{n}"
            monitor.hear(started(call))
            monitor.hear(answered(f"m{n % 50}", agent=str(thread)))
            monitor.hear(ended(f"o{n % 50}", call=call, seconds=n / 1000))

    threads = [threading.Thread(target=say, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = monitor.snapshot()
        calls = seen.total("headway_calls_total")
        assert calls == seen.seconds("headway_call_seconds").count
        totals.append(calls)
    for thread in threads:
        thread.join()
    seen = monitor.snapshot()
    assert totals == sorted(totals)
    assert seen.total("headway_calls_total") == seen.total("headway_model_answers_total") == 2000
    assert seen.total("headway_calls_in_flight") == 0


def test_it_hears_what_operations_do() -> None:
    tries = 0

    @operation(Cache("1h"), Retry(3, on=OSError, first_wait="1ms"))
    async def flaky(x: int) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("once")
        return x

    async def ask() -> None:
        await flaky(1)
        await flaky(1)

    monitor = Monitor()
    with events.listen(monitor.hear):
        asyncio.run(ask())
    seen = monitor.snapshot()
    assert seen.total("headway_calls_total", source="ran", error="") == 1
    assert seen.total("headway_calls_total", source="hit") == 1
    assert seen.total("headway_policy_actions_total", action="retried") == 1
    assert seen.total("headway_calls_in_flight") == 0
