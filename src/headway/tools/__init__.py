"""Tools: what they read and write, and one session in which all agents share what was read."""

from .batch import ToolBatch, execute_batch
from .effects import (
    UNKNOWN,
    Effects,
    conflict,
    effects_of_hints,
    tags_to_keep,
    tags_to_void,
)
from .guard import Guard
from .messages import calls_of, results_for
from .outcome import BatchOutcome, CallResult, ToolCall
from .session import Session, current_session, session
from .tally import SessionStatistics, ToolStatistics
from .tool import AsyncTool, SyncTool, tool

__all__ = [
    "UNKNOWN",
    "AsyncTool",
    "BatchOutcome",
    "CallResult",
    "Effects",
    "Guard",
    "Session",
    "SessionStatistics",
    "SyncTool",
    "ToolBatch",
    "ToolCall",
    "ToolStatistics",
    "calls_of",
    "conflict",
    "current_session",
    "effects_of_hints",
    "execute_batch",
    "results_for",
    "session",
    "tags_to_keep",
    "tags_to_void",
    "tool",
]
