"""What a batch is asked and what it gives: calls, one result each, and how well they overlapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..call import Operation, Source

Status = Literal["done", "failed", "timed out", "cancelled", "skipped"]


class ToolCall(msgspec.Struct, frozen=True):
    """One call that somebody wants made.

    Attributes:
        id: What its result will bear; unique in a batch.
        tool: The tool itself, or its name among the batch's ``tools``.
        arguments: By name; or the JSON text of that, as a model writes it.
        literal: Take ``$1`` and ``${...}`` for what they are, text; so are a model's own calls
            unless it was told of references.
        custom: The model wrote free text instead of arguments, which some wires answer differently.
    """

    id: str
    tool: str | Callable[..., Any]
    arguments: Mapping[str, object] | str = {}
    literal: bool = False
    custom: bool = False

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.tool if isinstance(self.tool, str) else name_of(self.tool)


def name_of(tool: Callable[..., Any]) -> str:
    """What a tool is called: as its author named it, else as the function."""
    operation = getattr(tool, "operation", None)
    if isinstance(operation, Operation):
        run = operation.run
        is_named = operation.name != f"{run.__module__}.{run.__qualname__}"
        return operation.name if is_named else run.__name__
    return getattr(tool, "__name__", None) or type(tool).__name__


class CallResult(msgspec.Struct, frozen=True):
    """What came of one call.

    Attributes:
        status: ``done``; ``failed`` (it raised, or could not be made); ``timed out``; ``cancelled``
            while it ran; ``skipped``: never started.
        value: What it gave; a ``Stream`` has ended by the time the batch has.
        error: Why there is no value; None if it is done.
        seconds: From its start to its end; of a call that shared the run of another, that one's.
        source: ran, hit, joined or stale; joined also if it shared a run within the batch; None if
            it never ran.
    """

    id: str
    tool: str
    status: Status
    value: object = None
    error: Exception | None = None
    seconds: float = 0.0
    source: Source | None = None
    custom: bool = False


class BatchOutcome(msgspec.Struct, frozen=True):
    """One result for each call, in the order of the calls, and how the batch went.

    Attributes:
        peak: Most calls that ran at one time.
        mean_concurrency: Calls running, on average over ``seconds``.
        speed_up: The seconds of all its calls, one after another, per second it took. A call that
            shared a run counts as if it had run as long itself.
        seconds: From the first start to the last end.
    """

    results: list[CallResult]
    size: int
    peak: int
    mean_concurrency: float
    speed_up: float
    seconds: float

    def __getitem__(self, id: str) -> CallResult:
        """The result of the call *id*."""
        for result in self.results:
            if result.id == id:
                return result
        raise KeyError(id)

    @property
    def failures(self) -> list[CallResult]:
        """The results of the calls that are not done."""
        return [result for result in self.results if result.status != "done"]


def measured(
    results: Sequence[CallResult], *, busy_s: float, peak: int, seconds: float
) -> BatchOutcome:
    """The outcome of *results*; *busy_s* are the seconds of the runs that took place."""
    wall_s = seconds if seconds > 0.0 else 1.0
    in_turn_s = sum(result.seconds for result in results)
    return BatchOutcome(
        list(results),
        len(results),
        peak,
        busy_s / wall_s,
        in_turn_s / wall_s,
        seconds,
    )
