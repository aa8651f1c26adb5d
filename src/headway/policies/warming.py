"""Warm: ask the questions beforehand, so that nobody waits for them later."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import msgspec

from .. import bridge
from ..call import Place, Source
from ..errors import BadSetup, refuse_unless_whole
from ..stream import Stream
from .decorator import Answer, AsyncOperation, SyncOperation


class WarmResult(msgspec.Struct, frozen=True):
    """How many questions were run, how many were answered already, how many failed and why."""

    ran: int
    already_kept: int
    failed: int
    errors: dict[str, int] = {}
    """Failures by the name of the error."""


async def warm(
    operation: AsyncOperation[..., Any] | SyncOperation[..., Any],
    questions: Iterable[object],
    *,
    at_once: int = 4,
) -> WarmResult:
    """Ask *operation* every one of *questions*, *at_once* at a time, and say how that went.

    A tuple is the arguments of one call, anything else the only argument. Questions are taken from
    *questions* as there is room, so it may be a long generator. One that fails harms no other. A
    stream is read to its end.

    Raises:
        BadSetup: *operation* has no ``Cache``; or *at_once* is below 1.
    """
    refuse_unless_whole("warm(at_once=...)", at_once)
    if all(policy.place is not Place.CACHE for policy in getattr(operation, "policies", ())):
        raise BadSetup(f"warm({operation!r}): it keeps nothing; put a Cache around it")
    left, counted = iter(questions), Counter[str]()
    errors = Counter[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_ask_all(operation, left, counted, errors))
    return WarmResult(
        ran=counted["ran"],
        already_kept=counted["kept"],
        failed=errors.total(),
        errors=dict(errors),
    )


async def _ask_all(
    operation: AsyncOperation[..., Any] | SyncOperation[..., Any],
    left: Iterator[object],
    counted: Counter[str],
    errors: Counter[str],
) -> None:
    for question in left:
        arguments = question if isinstance(question, tuple) else (question,)
        try:
            source = await _ask(operation, arguments)
        except Exception as error:
            errors[type(error).__name__] += 1
        else:
            counted["ran" if source == "ran" else "kept"] += 1


async def _ask(
    operation: AsyncOperation[..., Any] | SyncOperation[..., Any], arguments: tuple[object, ...]
) -> Source:
    ask = partial(operation.answer, *arguments)
    told: Any = ask() if operation.operation.is_async else await bridge.in_thread(ask)
    answer: Answer[Any] = await told if inspect.isawaitable(told) else told
    if isinstance(answer.value, Stream):
        await answer.value.collect()
    return answer.source
