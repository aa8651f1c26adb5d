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
    Unstorable,
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
    StoreStateChanged,
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
    LastAnswer,
    Limit,
    Retry,
    Share,
    SyncOperation,
    Timeout,
    Watch,
    answer_version,
    batched,
    last_answer,
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
    from .policies.market_hours import until
    from .policies.warming import WarmResult, warm
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
    from .stores.codec import Codec
    from .stores.codec.classes import register
    from .stores.disk import DiskStore
    from .stores.opening import open_store
    from .stores.redis import RedisStore
    from .stores.tiered import TieredStore

_LATER = {
    "Codec": "stores.codec",
    "DiskStore": "stores.disk",
    "RedisStore": "stores.redis",
    "TieredStore": "stores.tiered",
    "WarmResult": "policies.warming",
    "open_store": "stores.opening",
    "register": "stores.codec.classes",
    "until": "policies.market_hours",
    "warm": "policies.warming",
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
    "Codec",
    "DiskStore",
    "Duration",
    "Entry",
    "Event",
    "Fallback",
    "Graph",
    "GraphPlanned",
    "GraphResult",
    "HeadwayError",
    "LastAnswer",
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
    "RedisStore",
    "Retry",
    "RunEnded",
    "RunStarted",
    "Share",
    "StepFailed",
    "StepSettled",
    "Store",
    "StoreFailed",
    "StoreStateChanged",
    "StoreStatistics",
    "Stream",
    "StreamBroken",
    "SyncOperation",
    "TieredStore",
    "Timeout",
    "Unstorable",
    "UpstreamFailed",
    "WarmResult",
    "Watch",
    "answer_version",
    "batched",
    "clock",
    "compare",
    "cost_of",
    "earlier",
    "earlier_durations",
    "last_answer",
    "latest_run",
    "list_runs",
    "listen",
    "note",
    "off",
    "on_a_loop",
    "open_store",
    "operation",
    "progress",
    "read_run",
    "record",
    "register",
    "render",
    "scope",
    "seconds",
    "switch_logging",
    "through",
    "until",
    "warm",
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
