"""The performance layer for LLM agents: removes the calls that need not run, and shows a receipt.

Everything public is here or in ``headway.testing``. What only a few programs need is imported on
first use.
"""

from __future__ import annotations

import os as _os
from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from warnings import warn as _warn

from . import clock
from .bridge import on_a_loop
from .call import Call, Operation, Place, Policy, Proceed
from .clock import Duration, seconds
from .errors import (
    BadSetup,
    CallCancelled,
    CallTimedOut,
    HeadwayError,
    LimitExceeded,
    NoKey,
    StepFailed,
    StreamBroken,
    UpstreamFailed,
)
from .events import (
    CallEnded,
    CallStarted,
    Event,
    GraphPlanned,
    ModelAnswered,
    PolicyActed,
    Progress,
    RunEnded,
    RunStarted,
    StepSettled,
    StoreFailed,
    listen,
)
from .keys import without
from .policies import (
    Answer,
    AsyncOperation,
    Batch,
    Cache,
    CacheStatistics,
    Fallback,
    Limit,
    Retry,
    Share,
    SyncOperation,
    Timeout,
    Watch,
    batched,
    note,
    operation,
)
from .scope import HIGH, LOW, NORMAL, progress, scope
from .settings import off, switch_logging
from .stores import Entry, MemoryStore, Store, StoreStatistics
from .stream import Stream

if _TYPE_CHECKING:
    from .adapters.http import through, wrap
    from .graph import Graph, GraphResult
    from .runs import (
        Receipt,
        compare,
        cost_of,
        earlier,
        earlier_durations,
        latest_run,
        list_runs,
        read_run,
        record,
        render,
    )

_LATER = {
    "Graph": "graph",
    "GraphResult": "graph",
    "Receipt": "runs",
    "compare": "runs",
    "cost_of": "runs",
    "earlier": "runs",
    "earlier_durations": "runs",
    "latest_run": "runs",
    "list_runs": "runs",
    "read_run": "runs",
    "record": "runs",
    "render": "runs",
    "through": "adapters.http",
    "wrap": "adapters.http",
}

__version__ = "0.1.0"

__all__ = [
    "HIGH",
    "LOW",
    "NORMAL",
    "Answer",
    "AsyncOperation",
    "BadSetup",
    "Batch",
    "Cache",
    "CacheStatistics",
    "Call",
    "CallCancelled",
    "CallEnded",
    "CallStarted",
    "CallTimedOut",
    "Duration",
    "Entry",
    "Event",
    "Fallback",
    "Graph",
    "GraphPlanned",
    "GraphResult",
    "HeadwayError",
    "Limit",
    "LimitExceeded",
    "MemoryStore",
    "ModelAnswered",
    "NoKey",
    "Operation",
    "Place",
    "Policy",
    "PolicyActed",
    "Proceed",
    "Progress",
    "Receipt",
    "Retry",
    "RunEnded",
    "RunStarted",
    "Share",
    "StepFailed",
    "StepSettled",
    "Store",
    "StoreFailed",
    "StoreStatistics",
    "Stream",
    "StreamBroken",
    "SyncOperation",
    "Timeout",
    "UpstreamFailed",
    "Watch",
    "batched",
    "clock",
    "compare",
    "cost_of",
    "earlier",
    "earlier_durations",
    "latest_run",
    "list_runs",
    "listen",
    "note",
    "off",
    "on_a_loop",
    "operation",
    "progress",
    "read_run",
    "record",
    "render",
    "scope",
    "seconds",
    "switch_logging",
    "through",
    "without",
    "wrap",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        value = getattr(_import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "HEADWAY_LOG" in _os.environ:
    try:
        switch_logging(_os.environ["HEADWAY_LOG"])
    except BadSetup as _wrong:  # a slip in the environment must not keep a program from starting
        _warn(f"HEADWAY_LOG has no effect: {_wrong}", stacklevel=2)
