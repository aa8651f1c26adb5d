"""For your tests and ours: a clock that moves when told, a model provider and a Valkey server."""

from .clock import FakeClock
from .provider import (
    Always,
    Answer,
    Answers,
    Asked,
    Fault,
    Pace,
    Provider,
    Question,
    Recorded,
    Reported,
    Scripted,
    Templated,
    ToolUse,
)
from .valkey import Valkey

__all__ = [
    "Always",
    "Answer",
    "Answers",
    "Asked",
    "FakeClock",
    "Fault",
    "Pace",
    "Provider",
    "Question",
    "Recorded",
    "Reported",
    "Scripted",
    "Templated",
    "ToolUse",
    "Valkey",
]
