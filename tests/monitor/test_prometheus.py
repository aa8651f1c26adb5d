"""The text is what Prometheus reads, and says what the JSON says, number for number."""

import importlib
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.events import Event, StoreFailed, StoreStateChanged
from headway.monitor import Gauge, Monitor, Snapshot, merge, prometheus_text
from headway.monitor.histogram import PROMETHEUS_BOUNDS
from headway.prices import Price
from tests.monitor.exposition import Labels, parse
from tests.monitor.some_events import NOW, acted, answered, ended, started

PRICES = {"openai/gpt-x": (Price(input=2.0, output=8.0, cache_read=0.5, cache_write=2.5),)}
NAMES = ["gpt-x", 'say "hi"', "back\\slash", "two\nlines", "\\n", 'a="b",c="d"', "}", "", "другой"]
names = st.sampled_from(NAMES) | st.text(max_size=5)
some_events = st.one_of(
    st.builds(started, st.uuids().map(str), names),
    st.builds(
        ended,
        names,
        kind=names,
        source=st.sampled_from(["ran", "hit"]),
        seconds=st.floats(0, 1e5) | st.sampled_from(PROMETHEUS_BOUNDS),
        first_chunk_s=st.none() | st.floats(0, 10),
        error=st.none() | names,
    ),
    st.builds(
        answered,
        names,
        source=st.sampled_from(["ran", "hit", "joined"]),
        sent=st.none() | st.integers(0, 10**6),
        cached=st.none() | st.integers(0, 100),
        status=st.sampled_from([None, 200, 429]),
        agent=st.none() | names,
    ),
    st.builds(acted, names, names),
    st.builds(StoreFailed, st.just(NOW), st.none(), names, names),
    st.builds(StoreStateChanged, st.just(NOW), st.none(), names, st.sampled_from(["up", "down"])),
)


def snapshot_of(said: list[Event], gauge_label: str = "") -> Snapshot:
    monitor = Monitor(prices=PRICES)
    for event in said:
        monitor.hear(event)
    return monitor.snapshot([Gauge("headway_up", 0.5, 'of "it"\\\n', {"upstream": gauge_label})])


def numbers_in(json: bytes) -> dict[tuple[str, Labels], float]:
    """Every number of the JSON by the name and labels that Prometheus has for it."""
    decoded = msgspec.json.decode(json)
    found: dict[tuple[str, Labels], float] = {
        ("headway_workers", frozenset()): decoded["workers"],
        ("headway_since_timestamp_seconds", frozenset()): decoded["since"],
    }
    for family in (*decoded["counters"], *decoded["gauges"]):
        for sample in family["samples"]:
            found[family["name"], frozenset(sample["labels"].items())] = sample["value"]
    for family in decoded["timings"]:
        for sample in family["samples"]:
            labels, seconds = frozenset(sample["labels"].items()), sample["seconds"]
            for part in ("sum", "count", "max"):
                found[f"{family['name']}_{part}", labels] = seconds[part]
            for bound in (*PROMETHEUS_BOUNDS, float("inf")):
                count = sum(n for upper, n in seconds["buckets"] if upper <= bound)
                count += seconds["above"] if bound == float("inf") else 0
                le = "+Inf" if bound == float("inf") else repr(bound)
                found[f"{family['name']}_bucket", labels | {("le", le)}] = count
    return found


@given(st.lists(some_events, max_size=40), names, st.integers(1, 3))
def test_text_and_json_have_the_very_same_numbers(
    said: list[Event], gauge_label: str, workers: int
) -> None:
    snapshot = merge([snapshot_of(said, gauge_label)] * workers)
    assert parse(prometheus_text(snapshot)).values == numbers_in(msgspec.json.encode(snapshot))


def test_a_real_reader_reads_the_same() -> None:
    """With the client library where it is installed; our own reader is as strict elsewhere."""
    try:
        read = importlib.import_module("prometheus_client.parser").text_string_to_metric_families
    except ImportError:
        read = None
    snapshot = snapshot_of([ended(name, error=name, seconds=0.2) for name in NAMES], 'a"b')
    text = prometheus_text(snapshot)
    ours = parse(text).values
    assert len(ours) > 200
    if read is not None:
        theirs = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in read(text)
            for sample in family.samples
        }
        assert theirs == ours


def test_every_family_has_its_head() -> None:
    said = [started("a"), ended(first_chunk_s=0.1), answered(), answered(source="hit"), acted("x")]
    exposed = parse(prometheus_text(snapshot_of(said)))
    assert exposed.types.keys() == exposed.helps.keys()
    assert exposed.types["headway_call_seconds"] == "histogram"
    for name, type_ in exposed.types.items():
        assert name.startswith("headway_")
        assert name.endswith("_total") == (type_ == "counter"), name
    assert exposed.helps["headway_up"] == r'of "it"\\\n'


def test_a_histogram_in_full() -> None:
    monitor = Monitor()
    for seconds in (0.004, 0.2, 0.25, 7.0, 5000.0):
        monitor.hear(ended(seconds=seconds))
    text = prometheus_text(monitor.snapshot())
    buckets = dict(re.findall(r'headway_call_seconds_bucket\{.*le="(.+)"\} (\d+)', text))
    some = ("0.0025", "0.005", "0.25", "5.0", "10.0", "+Inf")
    assert [buckets[bound] for bound in some] == ["0", "1", "3", "3", "4", "5"]
    assert len(buckets) == len(PROMETHEUS_BOUNDS) + 1
    assert 'headway_call_seconds_max{operation="ask",source="ran"} 5000.0\n' in text


@pytest.mark.parametrize(
    "text",
    [
        "a 1\n",
        "# TYPE a counter\na 1",
        "# TYPE a counter\nb 1\n",
        "# TYPE a counter\na 1\na 1\n",
        '# TYPE a counter\na{b="c} 1\n',
        '# TYPE a counter\na{b="\\d"} 1\n',
        '# TYPE a counter\na{b="c",b="d"} 1\n',
        "# TYPE a counter\n# TYPE a counter\n",
        "# TYPE a counter\na 1 2 3\n",
        '# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_reader_refuses_what_is_wrong(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)
