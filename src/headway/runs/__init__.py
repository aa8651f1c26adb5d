"""The flight recorder: what a run asked, what ran, what was shared, where the time went."""

from __future__ import annotations

from .comparison_text import compare
from .history import Earlier, earlier, earlier_durations
from .journal import Header
from .live_lines import slow_seconds, slow_tool_lines
from .model_counts import ModelCounts
from .model_use import ModelLine, ModelUse
from .money import cost_of
from .receipt import Receipt
from .receipt_text import render, write_receipt
from .record import Run, record
from .recorded import ListedRun, RecordedRun, latest_run, list_runs, read_run

__all__ = [
    "Earlier",
    "Header",
    "ListedRun",
    "ModelCounts",
    "ModelLine",
    "ModelUse",
    "Receipt",
    "RecordedRun",
    "Run",
    "compare",
    "cost_of",
    "earlier",
    "earlier_durations",
    "latest_run",
    "list_runs",
    "read_run",
    "record",
    "render",
    "slow_seconds",
    "slow_tool_lines",
    "write_receipt",
]
