"""What it costs to count an event, to take a snapshot and to write it, beside a dict increment.

    scripts/bench monitor [--json] [--rounds 15]

Events: CPU time of one, minimum of interleaved rounds; the loop around it is taken off. "At the
cap": every counter and histogram that hostile names can make.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec

from headway import events
from headway.monitor import Histogram, Monitor, merge, prometheus_text
from headway.monitor.monitor import MOST_TIMINGS

CALLS = 5_000
NOW = time.time()


def _ended(operation: str = "openai.chat gpt-4o-mini", **more: Any) -> events.CallEnded:
    fields: dict[str, Any] = {"kind": "model", "source": "ran", "seconds": 0.8, **more}
    return events.CallEnded(at=NOW, run=None, call="a.1", operation=operation, **fields)


def _answered(model: str = "gpt-4o-mini", **more: Any) -> events.ModelAnswered:
    usage: dict[str, Any] = {
        "source": "ran",
        "agent": "analyst",
        "tokens_in": 1200,
        "tokens_cached": 1024,
        "tokens_out": 150,
        "status": 200,
        **more,
    }
    return events.ModelAnswered(
        at=NOW, run=None, call="a.1", operation="ask", provider="openai", model=model, **usage
    )


def _said() -> dict[str, events.Event]:
    return {
        "CallStarted": events.CallStarted(
            at=NOW, run=None, call="a.1", operation="ask", kind="model"
        ),
        "CallEnded": _ended(),
        "CallEnded of a stream": _ended(first_chunk_s=0.2),
        "ModelAnswered": _answered(),
        "ModelAnswered from a cache": _answered(source="hit"),
        "PolicyActed": events.PolicyActed(at=NOW, run=None, operation="ask", action="retried"),
        "Progress, not counted": events.Progress(at=NOW, run=None, text="half way"),
    }


def _increment() -> Callable[[Any], None]:
    counts = {"a": 0}

    def increment(_: Any) -> None:
        counts["a"] += 1

    return increment


def _nothing(_: Any) -> None:
    pass


def _us(function: Callable[[Any], Any], argument: Any) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        function(argument)
    return (time.process_time() - began) / CALLS * 1e6


def _costs(rounds: int) -> dict[str, float]:
    """The cheapest round of each, without the call of a function that does nothing."""
    hear = Monitor().hear
    contenders: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "nothing": (_nothing, 0),
        "dict increment": (_increment(), 0),
        "Histogram.record": (Histogram().record, 0.8),
        **{f"hear {name}": (hear, event) for name, event in _said().items()},
        **_peers(),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, (function, argument) in contenders.items():
            best[name] = min(best[name], _us(function, argument))
    call = best.pop("nothing")
    return {"dict increment": best.pop("dict increment") - call, **best}


def _peers() -> dict[str, tuple[Callable[[Any], Any], Any]]:
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client import Histogram as TheirHistogram
    except ImportError:
        return {}
    theirs = TheirHistogram("a", "a", ["b", "c"], registry=CollectorRegistry())
    return {"prometheus_client observe": (lambda s: theirs.labels("x", "y").observe(s), 0.8)}


def _ms(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(7):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken) * 1e3


def _fill(monitor: Monitor, operations: int) -> None:
    for number in range(operations):
        for seconds in (0.0001, 0.003, 0.08, 0.4, 0.5, 1.5, 6.0, 40.0):
            monitor.hear(_ended(f"operation {number}", seconds=seconds, first_chunk_s=seconds / 9))
        monitor.hear(_answered(f"model {number}", agent=f"agent {number}"))
        monitor.hear(events.PolicyActed(at=NOW, run=None, operation=f"o{number}", action="retried"))


def _reading(operations: int) -> dict[str, float]:
    tracemalloc.start()
    monitor = Monitor()
    _fill(monitor, operations)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    snapshot = monitor.snapshot()
    return {
        "memory_mb": held / 1e6,
        "snapshot_ms": _ms(monitor.snapshot),
        "text_ms": _ms(lambda: prometheus_text(snapshot)),
        "json_ms": _ms(lambda: msgspec.json.encode(snapshot)),
        "merge_4_ms": _ms(lambda: merge([snapshot] * 4)),
        "text_kb": len(prometheus_text(snapshot)) / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    costs = _costs(options.rounds)
    floor = costs["dict increment"]
    print(f"{'':34}{'CPU us':>9}{'x dict increment':>18}")
    for name, cost in costs.items():
        print(f"{name:34}{cost:9.3f}{cost / floor:18.1f}")
    reading = {"10 operations": _reading(10), "at the cap": _reading(5 * MOST_TIMINGS)}
    for name, figures in reading.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))
    if options.json:
        result: dict[str, Any] = {
            "dict_increment_us": floor,
            "us": costs,
            "x_dict_increment": {name: cost / floor for name, cost in costs.items()},
            "reading": reading,
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
