"""For your tests and ours: a clock that moves when told, and a model provider on loopback."""

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
]
