"""A tool behind its guard, called with what a framework hands to its tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Generic, TypeVar

from ..tools import Guard
from .declared import CONTEXT, Declared, Described, defaults_of

C = TypeVar("C")
T = TypeVar("T")

ContextOf = Callable[[C], object]
"""What of a framework's context a result depends on: text, numbers, lists and mappings of these."""

_calls = count()


class Guarded(Generic[C]):
    """One tool, whose calls are answered from the session where its effects allow it.

    Args:
        takes_context: the function is also given the framework's context, so that its result may
            depend on more than its arguments. Unless *context_of* says on what, nothing is shared.
        for_asker_alone: exceptions by which a framework steers the one call that raised them.
    """

    def __init__(
        self,
        guard: Guard,
        tool: Described,
        *,
        takes_context: bool = False,
        context_of: ContextOf[C] | None = None,
        for_asker_alone: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.guard = guard
        self._defaults = defaults_of(tool.function)
        self._takes_context, self._context_of = takes_context, context_of
        self._for_asker_alone = for_asker_alone

    async def call(
        self,
        arguments: Mapping[str, object],
        context: C,
        run: Callable[[], Awaitable[T]],
        keeps: Callable[[T], bool] = lambda result: True,
    ) -> T:
        """The result for *arguments*: kept, of equal work under way, or of *run*."""
        asked = {**self._defaults, **arguments}
        if self._takes_context and self._context_of is None:
            asked[CONTEXT] = next(_calls)
            return await self.guard.call(asked, run, keeps=_never)
        if self._takes_context and self._context_of is not None:
            asked[CONTEXT] = self._context_of(context)
        has_run = False

        async def attempt() -> T:
            nonlocal has_run
            has_run = True
            return await run()

        try:
            return await self.guard.call(asked, attempt, keeps=keeps)
        except self._for_asker_alone:
            if has_run:
                raise
        return await run()


def _never(result: object) -> bool:
    return False


def guarded(
    declared: Declared,
    tool: Described,
    *,
    takes_context: bool = False,
    context_of: ContextOf[C] | None = None,
    for_asker_alone: tuple[type[BaseException], ...] = (),
) -> Guarded[C] | None:
    """*tool* behind its guard, None if it needs none."""
    guard = declared.guard(tool)
    if guard is None:
        return None
    return Guarded(
        guard,
        tool,
        takes_context=takes_context,
        context_of=context_of,
        for_asker_alone=for_asker_alone,
    )
