"""A stand-in model provider on loopback, for tests that need a model and no network."""

from .answer import Answer, Reported, ToolUse
from .answers import Always, Answers, OutOfAnswers, Recorded, Scripted, Templated
from .fault import Fault
from .log import Asked, Totals
from .pace import Pace
from .provider import Provider
from .question import Question, Tool, ToolResult

__all__ = [
    "Always",
    "Answer",
    "Answers",
    "Asked",
    "Fault",
    "OutOfAnswers",
    "Pace",
    "Provider",
    "Question",
    "Recorded",
    "Reported",
    "Scripted",
    "Templated",
    "Tool",
    "ToolResult",
    "ToolUse",
    "Totals",
]
