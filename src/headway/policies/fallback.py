"""Fallback: when one way fails, take the next."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .. import bridge, events
from ..call import Call, Place, Proceed
from ..errors import BadSetup
from ..stream import Stream
from .retry import are_failures
from .watch import note


class Fallback:
    """Asks *others* in turn, with the same arguments, when the operation fails with one of *on*.

    The others are functions or operations, async or plain. If all fail, the first failure is
    raised, with a note of what was tried. A stream falls back only before its first chunk. What a
    fallback answered is kept by a ``Cache`` further out like any answer.
    """

    place = Place.FALLBACK

    def __init__(
        self,
        *others: Callable[..., Any],
        on: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        if not others:
            raise BadSetup("Fallback() has nowhere to go; name at least one function")
        for other in others:
            if not callable(other):
                raise BadSetup(
                    f"Fallback({other!r}); give functions with the operation's arguments"
                )
        if not are_failures(on):
            raise BadSetup(f"Fallback(on={on!r}); name exception classes")
        self.others, self.on = others, on

    async def around(self, call: Call, proceed: Proceed) -> Any:
        try:
            return await proceed(call)
        except self.on as error:
            return await self._others(call, error)

    async def _others(self, call: Call, first: Exception) -> Any:
        error = first
        for other in self.others:
            if events.listeners:
                note(call, "fell back", detail=f"{type(error).__name__} -> {_name(other)}")
            try:
                return await _ask(other, call)
            except self.on as failed:
                first.add_note(f"{call.operation.name}: {_name(other)} failed too: {failed!r}")
                error = failed
        raise first


async def _ask(other: Callable[..., Any], call: Call) -> Any:
    if inspect.isasyncgenfunction(other):
        return await Stream.start(other(*call.args, **call.kwargs))
    if inspect.iscoroutinefunction(other):
        return await other(*call.args, **call.kwargs)
    answer = await bridge.in_thread(lambda: other(*call.args, **call.kwargs))
    # Async after all, though it does not look it: a lambda, an object with an async __call__.
    return await answer if inspect.isawaitable(answer) else answer


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
