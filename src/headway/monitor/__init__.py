"""What passes, counted: histograms, capped counters, one snapshot as JSON and for Prometheus."""

from .counters import OTHER
from .gauges import Gauge
from .histogram import Distribution, Histogram
from .monitor import Monitor
from .prometheus import CONTENT_TYPE, prometheus_text
from .slow_calls import SlowCall
from .snapshot import Snapshot, merge

__all__ = [
    "CONTENT_TYPE",
    "OTHER",
    "Distribution",
    "Gauge",
    "Histogram",
    "Monitor",
    "SlowCall",
    "Snapshot",
    "merge",
    "prometheus_text",
]
