"""Steps that name what they need: each starts the moment its needs are met."""

from .graph import Graph
from .plan import CriticalPath, Plan, next_ready, timetable
from .result import GraphResult
from .stream import GraphStream

__all__ = [
    "CriticalPath",
    "Graph",
    "GraphResult",
    "GraphStream",
    "Plan",
    "next_ready",
    "timetable",
]
