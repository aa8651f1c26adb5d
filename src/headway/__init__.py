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
    BatchEnded,
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
    from .policies.retry_budget import RetryBudget
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
    from .tools import (
        BatchOutcome,
        CallResult,
        Effects,
        Guard,
        Session,
        SessionStatistics,
        ToolBatch,
        ToolCall,
        ToolStatistics,
        calls_of,
        current_session,
        execute_batch,
        results_for,
        session,
        tool,
    )

_LATER = {
    "BatchOutcome": "tools",
    "CallResult": "tools",
    "Effects": "tools",
    "Guard": "tools",
    "Session": "tools",
    "SessionStatistics": "tools",
    "ToolBatch": "tools",
    "ToolCall": "tools",
    "ToolStatistics": "tools",
    "calls_of": "tools",
    "current_session": "tools",
    "execute_batch": "tools",
    "results_for": "tools",
    "session": "tools",
    "tool": "tools",
    "Codec": "stores.codec",
    "DiskStore": "stores.disk",
    "RedisStore": "stores.redis",
    "TieredStore": "stores.tiered",
    "WarmResult": "policies.warming",
    "open_store": "stores.opening",
    "RetryBudget": "policies.retry_budget",
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
    "BatchEnded",
    "BatchOutcome",
    "Cache",
    "CacheStatistics",
    "Call",
    "CallCancelled",
    "CallEnded",
    "CallResult",
    "CallStarted",
    "CallTimedOut",
    "Codec",
    "DiskStore",
    "Duration",
    "Effects",
    "Entry",
    "Event",
    "Fallback",
    "Graph",
    "GraphPlanned",
    "GraphResult",
    "Guard",
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
    "RetryBudget",
    "RunEnded",
    "RunStarted",
    "Session",
    "SessionStatistics",
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
    "ToolBatch",
    "ToolCall",
    "ToolStatistics",
    "Unstorable",
    "UpstreamFailed",
    "WarmResult",
    "Watch",
    "answer_version",
    "batched",
    "calls_of",
    "clock",
    "compare",
    "cost_of",
    "current_session",
    "earlier",
    "earlier_durations",
    "execute_batch",
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
    "results_for",
    "scope",
    "seconds",
    "session",
    "switch_logging",
    "through",
    "tool",
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
