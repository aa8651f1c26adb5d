"""A tool as a batch uses it: an operation, its effects, and the way past what keeps answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..call import Operation, Place
from ..policies.decorator import build
from .effects import Effects

Tool = Callable[..., Any]


class KnownTool:
    """A tool as a batch uses it.

    ``first`` is what stands before the arguments: the object, if the tool is a bound method.
    """

    __slots__ = ("effects", "first", "fresh", "name", "operation")

    def __init__(self, name: str, tool: Tool, *, skips_cache: bool) -> None:
        found = getattr(tool, "operation", None)
        is_operation = isinstance(found, Operation)
        self.name = name
        self.operation = found if isinstance(found, Operation) else _as_operation(name, tool)
        self.fresh = _uncached(self.operation) if skips_cache else self.operation
        self.first = (tool.__self__,) if is_operation and inspect.ismethod(tool) else ()
        effects = getattr(tool, "effects", None)
        self.effects: Callable[..., Effects] | None = effects if callable(effects) else None

    def way(self, effects: Effects) -> Operation:
        """The operation to ask: writes are never let past what makes results void."""
        return self.fresh if effects.is_read else self.operation


def _uncached(operation: Operation) -> Operation:
    """*operation* without what keeps answers."""
    policies = [one for one in operation.policies if one.place is not Place.CACHE]
    if len(policies) == len(operation.policies):
        return operation
    fresh = Operation(
        operation.run,
        policies,
        name=operation.name,
        version=operation.version,
        kind=operation.kind,
        keeps=operation.keeps,
    )
    fresh.key_of, fresh.identity = operation.key_of, operation.identity
    return fresh


def _as_operation(name: str, tool: Tool) -> Operation:
    """An operation of a callable that is none: watched, with nothing else around it."""
    if not (inspect.isfunction(tool) or inspect.ismethod(tool) or inspect.isbuiltin(tool)):
        called = tool

        async def run(**arguments: object) -> object:
            answer = called(**arguments)
            return await answer if inspect.isawaitable(answer) else answer

        tool = run
    return build(tool, (), name=name, kind="tool")
