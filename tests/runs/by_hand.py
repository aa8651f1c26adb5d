"""Events made by hand, with times in seconds from the start of the run."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TypedDict, Unpack, cast

import pytest

from headway.events import (
    CallEnded,
    CallStarted,
    Event,
    GraphPlanned,
    ModelAnswered,
    PolicyActed,
    RunEnded,
    RunStarted,
    StepSettled,
    Touched,
)

START = 1_700_000_000.0
RUN = "run1"
_ids = count(1)


def near(seconds: float) -> float:
    """Equal to *seconds* but for rounding."""
    return cast(float, pytest.approx(seconds))


class More(TypedDict, total=False):
    """What most calls do without."""

    call: str
    key: str | None
    agent: str
    parent: str
    age_s: float
    first_chunk_s: float
    error: str
    cached: bool
    effects: Touched


def call(
    operation: str,
    began: float,
    ended: float,
    source: str = "ran",
    *,
    kind: str = "tool",
    **more: Unpack[More],
) -> CallEnded:
    """A call that was under way from *began* to *ended*."""
    more.setdefault("call", f"c{next(_ids)}")
    return CallEnded(
        at=START + ended,
        run=RUN,
        operation=operation,
        kind=kind,
        source=source,
        seconds=ended - began,
        **more,
    )


class Used(TypedDict, total=False):
    """What most answers of models are like."""

    operation: str
    provider: str
    agent: str
    tokens_in: int | None
    tokens_cached: int | None
    tokens_cache_written: int | None
    tokens_out: int | None
    tokens_reasoning: int | None
    status: int
    complete: bool


def answered(
    call: str | None,
    source: str = "ran",
    *,
    model: str = "gpt-x",
    at: float = 0.0,
    **used: Unpack[Used],
) -> ModelAnswered:
    """What a model used for the call of that id: 1,000 tokens in, 400 of them cached, 100 out."""
    figures: Used = {
        "operation": f"openai.chat {model}",
        "provider": "openai",
        "tokens_in": 1_000,
        "tokens_cached": 400,
        "tokens_cache_written": 0,
        "tokens_out": 100,
        "tokens_reasoning": 20,
    }
    figures.update(used)
    return ModelAnswered(at=START + at, run=RUN, call=call, model=model, source=source, **figures)


class MoreBegun(TypedDict, total=False):
    """What most beginnings do without."""

    call: str
    key: str
    agent: str | None
    parent: str


def begun(
    operation: str, at: float, *, kind: str = "tool", **more: Unpack[MoreBegun]
) -> CallStarted:
    """The beginning of a call."""
    more.setdefault("call", f"c{next(_ids)}")
    return CallStarted(at=START + at, run=RUN, operation=operation, kind=kind, **more)


def acted(operation: str, action: str, *, seconds: float | None = None) -> PolicyActed:
    """A policy that did *action*."""
    return PolicyActed(at=START, run=RUN, operation=operation, action=action, seconds=seconds)


def planned(needs: Mapping[str, Sequence[str]], graph: str = "report") -> GraphPlanned:
    """The plan of a graph."""
    return GraphPlanned(
        at=START,
        run=RUN,
        graph=graph,
        needs={step: list(wanted) for step, wanted in needs.items()},
        expected_s={},
    )


def settled(
    step: str, began: float, ended: float, outcome: str = "done", graph: str = "report"
) -> StepSettled:
    """A step that was under way from *began* to *ended*."""
    return StepSettled(
        at=START + ended,
        run=RUN,
        graph=graph,
        step=step,
        outcome=outcome,
        seconds=ended - began,
    )


def whole_run(
    *inside: Event, seconds: float, name: str = "research", error: str | None = None
) -> list[Event]:
    """*inside* between the start and the end of a run that took *seconds*."""
    return [
        RunStarted(at=START, run=RUN, name=name),
        *inside,
        RunEnded(at=START + seconds, run=RUN, seconds=seconds, error=error),
    ]
