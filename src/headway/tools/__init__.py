"""Tools: what they read and write, and one session in which all agents share what was read."""

from .effects import (
    UNKNOWN,
    Effects,
    conflict,
    effects_of_hints,
    tags_to_keep,
    tags_to_void,
)
from .guard import Guard
from .session import Session, current_session, session
from .tally import SessionStatistics, ToolStatistics
from .tool import AsyncTool, SyncTool, tool

__all__ = [
    "UNKNOWN",
    "AsyncTool",
    "Effects",
    "Guard",
    "Session",
    "SessionStatistics",
    "SyncTool",
    "ToolStatistics",
    "conflict",
    "current_session",
    "effects_of_hints",
    "session",
    "tags_to_keep",
    "tags_to_void",
    "tool",
]
