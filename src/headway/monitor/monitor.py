"""The monitor: a listener of ``headway.events`` that counts what passes, in bounded memory.

Delete this room and nothing changes but what you see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from .. import clock, settings
from ..events import (
    CallEnded,
    CallStarted,
    Event,
    ModelAnswered,
    PolicyActed,
    StoreFailed,
    StoreStateChanged,
)
from ..prices import Table, with_settings
from .call_tally import CallTally, Timing
from .counters import MOST_LABEL_SETS, Count, Counters, Labels, LabelSets
from .gauges import Gauge, gauge_families, refuse_taken
from .model_tally import ModelTally, Tariff, TokenTally
from .readings import RAN, Counted, counter_families, own_gauges, shown, timings_of
from .slow_calls import SlowCalls
from .snapshot import Snapshot, families, timing_families

MOST_TIMINGS = 200
"""Pairs of operation and source with histograms of their own, 3 kB each, 6 kB for streams."""
MOST_IN_FLIGHT = 50_000
"""Calls in flight that are known by id; of more, the older half is forgotten."""
LONGEST_FLIGHT_S = 3600.0
"""What began before has no end: a tool call in a conversation need not have a result."""

_OPERATION = ("operation",)
_STATES = {"down": 1, "up": 0}


class Monitor:
    """Counts calls, seconds, tokens, dollars and what policies did: ``events.listen(m.hear)``.

    Args:
        prices: By which tokens are dollars; default: the built-in table, and before it the
            prices of ``headway.toml``.
        most_label_sets: Of each counter, 10 at least; further ones count as ``other``.
        most_timings: Pairs of operation and source with histograms; further ones the same.

    Raises:
        BadSetup: *prices* are left out, and ``headway.toml`` is wrong.
    """

    def __init__(
        self,
        *,
        prices: Table | None = None,
        most_label_sets: int = MOST_LABEL_SETS,
        most_timings: int = MOST_TIMINGS,
    ) -> None:
        # Not a plain lock: an event may come from a finalizer that runs while one is counted.
        self._lock = threading.RLock()
        own = settings.current().prices if prices is None else {}
        self._prices = with_settings(own) if prices is None else prices
        most = most_label_sets
        self._rows = Counted(
            calls=LabelSets(
                (*_OPERATION, "kind", "source", "error"),
                self._calls_of,
                most=most,
                wild=(*_OPERATION, "error"),
            ),
            timings=LabelSets((*_OPERATION, "source"), Timing, most=most_timings, wild=_OPERATION),
            models=LabelSets(
                ("provider", "model", "source", "status"),
                self._answers_of,
                most=most,
                wild=("model", "status"),
            ),
            agents=LabelSets(("agent",), TokenTally, most=most),
            actions=Counters("action", *_OPERATION, most=most, wild=_OPERATION),
            store_failures=Counters("store", most=most),
            store_states=Counters("store", "state", most=most, wild=("store",)),
            stores_down=LabelSets(("store",), Count, most=most),
        )
        self._calls, self._models, self._agents = self._rows[0], self._rows[2], self._rows[3]
        self._in_flight: dict[str, tuple[float, str]] = {}
        self._slow = SlowCalls()
        self._since = clock.now()
        self._hears: dict[type[Event], Callable[[Any], None]] = {
            CallStarted: self._call_started,
            CallEnded: self._call_ended,
            ModelAnswered: self._model_answered,
            PolicyActed: self._policy_acted,
            StoreFailed: self._store_failed,
            StoreStateChanged: self._store_changed,
        }

    def hear(self, event: Event) -> None:
        """Count *event*; from any thread."""
        count = self._hears.get(type(event))
        if count is not None:
            with self._lock:
                count(event)

    def snapshot(self, gauges: Iterable[Gauge] = ()) -> Snapshot:
        """All numbers of this moment, and *gauges* that the caller knows; from any thread.

        Raises:
            BadSetup: a gauge has a name or a value that cannot be shown.
        """
        extra, rows, now = tuple(gauge_families(gauges)), self._rows, clock.now()
        with self._lock:
            own = own_gauges(self._kinds_in_flight(now), rows.stores_down)
            snapshot = Snapshot(
                since=self._since,
                at=now,
                workers=1,
                counters=families(counter_families(rows)),
                gauges=families((*own, *extra)),
                timings=timing_families(timings_of(rows.timings)),
                slow=self._slow.lately(now),
            )
        refuse_taken(extra, snapshot)
        return snapshot

    def _kinds_in_flight(self, now: float) -> list[str]:
        since, calls = now - LONGEST_FLIGHT_S, self._in_flight.values()
        return [kind for at, kind in calls if at >= since]

    def _calls_of(self, labels: Labels) -> CallTally:
        operation, _, source, _ = labels
        return CallTally(self._rows.timings.row((operation, source)))

    def _answers_of(self, labels: Labels) -> ModelTally:
        provider, model, _, _ = labels
        return ModelTally(Tariff(shown(provider), shown(model), self._prices))

    def _call_started(self, event: CallStarted) -> None:
        in_flight = self._in_flight
        in_flight[event.call] = (event.at, event.kind)
        if len(in_flight) > MOST_IN_FLIGHT:
            for call in tuple(islice(in_flight, MOST_IN_FLIGHT // 2)):
                del in_flight[call]

    def _call_ended(self, event: CallEnded) -> None:
        self._in_flight.pop(event.call, None)
        key = (event.operation, event.kind, event.source, event.error)
        tally = self._calls.rows.get(key) or self._calls.row(key)
        tally.count += 1
        seconds = event.seconds
        tally.timing.seconds.record(seconds)
        if event.first_chunk_s is not None:
            tally.timing.record_first_chunk(event.first_chunk_s)
        slow = self._slow
        if seconds > slow.bar or event.at >= slow.until:
            slow.note(event)

    def _model_answered(self, event: ModelAnswered) -> None:
        key = (event.provider, event.model, event.source, event.status)
        usd = (self._models.rows.get(key) or self._models.row(key)).hear(event)
        if event.source == RAN:
            agent = (event.agent,)
            (self._agents.rows.get(agent) or self._agents.row(agent)).add(event, usd)

    def _policy_acted(self, event: PolicyActed) -> None:
        self._rows.actions.add(event.action, event.operation)

    def _store_failed(self, event: StoreFailed) -> None:
        self._rows.store_failures.add(event.store)

    def _store_changed(self, event: StoreStateChanged) -> None:
        self._rows.store_states.add(event.store, event.state)
        if event.state in _STATES:
            self._rows.stores_down.row((event.store,)).value = _STATES[event.state]
