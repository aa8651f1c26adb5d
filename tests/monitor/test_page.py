"""The page lists the metrics that there are, with their types and labels."""

from headway import clock
from headway.events import StoreFailed, StoreStateChanged
from headway.monitor import Monitor, prometheus_text
from headway.prices import Price
from headway.testing import FakeClock
from tests.docs.page import DOCS, read
from tests.monitor.exposition import parse
from tests.monitor.some_events import NOW, acted, answered, ended, started

PRICES = {"openai/gpt-x": (Price(input=2.0, output=8.0, cache_read=0.5, cache_write=2.5),)}
EVERYTHING = (
    started("a"),
    ended(first_chunk_s=0.1),
    answered(cached=1, written=1, reasoning=1),
    answered(source="hit"),
    answered("unpriced", sent=None),
    acted("retried"),
    StoreFailed(at=NOW, run=None, store="redis", error="gone"),
    StoreStateChanged(at=NOW, run=None, store="redis", state="down"),
)


def test_the_table_is_what_prometheus_gets() -> None:
    monitor = Monitor(prices=PRICES)
    for event in EVERYTHING:
        monitor.hear(event)
    with clock.use(FakeClock(NOW)):
        exposed = parse(prometheus_text(monitor.snapshot()))
    labels: dict[str, set[str]] = {}
    for name, pairs in exposed.values:
        family = name if name in exposed.types else name.rpartition("_")[0]
        labels.setdefault(family, set()).update({label for label, _ in pairs} - {"le"})
    rows = read(DOCS / "monitor.md").table_under("What is counted")
    written = {row[0].strip("`"): (row[1], set(row[2].replace("`", "").split())) for row in rows}
    found = {
        name: (type_, labels[name])
        for name, type_ in exposed.types.items()
        if not name.endswith("_max")
    }
    assert written == found
