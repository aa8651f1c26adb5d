"""Batch: many questions asked at about the same time become one call."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Hashable, Iterable, Mapping, Set
from typing import Any
from weakref import WeakSet

from .. import clock, events, settings
from ..call import Call, Operation, Place, Proceed
from ..clock import Duration, Timer
from ..errors import BadSetup, CallCancelled, refuse_unless_whole
from ..scope import current
from ..stream import Stream
from .watch import note


class Batch:
    """Lets one call with a list go in for many calls with one item each.

    The function is written for many (``async def embed(texts: list[str]) -> list[Vector]``) and
    asked with one (``await embed("text")``); a method gathers for each object on its own. A batch
    goes when it holds *max_items*, or *max_wait* after its first item came. The function returns
    one answer an item, in order; an exception in the place of an answer is raised to that caller
    alone, one that is raised goes to all. A caller who leaves before the batch goes is not in it;
    when all have left, the call is cancelled.
    """

    place = Place.BATCH

    def __init__(self, max_items: int = 64, max_wait: Duration = "5ms") -> None:
        refuse_unless_whole("Batch(max_items=...)", max_items)
        try:
            self.max_items, self.max_wait_s = max_items, clock.seconds(max_wait)
        except ValueError as wrong:
            raise BadSetup(f"Batch(max_wait=...): {wrong}") from None
        self._off = settings.off_at_construction()
        self._of_methods: WeakSet[Operation] = WeakSet()
        self._open: dict[Hashable, _Gathering] = {}

    def check(self, operation: Operation) -> None:
        """Refuse what cannot be asked in one list."""
        if operation.is_stream:
            raise BadSetup(
                f"{operation.name} returns a stream, which Batch cannot share out by items"
            )
        if next(iter(inspect.signature(operation.run).parameters), None) in ("self", "cls"):
            self._of_methods.add(operation)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        *owner, item = self._owner_and_item(call)
        if self._off or settings.switched_off:
            (answer,) = _one_each(call, 1, await proceed(call.asking(*owner, [item])))
            return _raised(answer)
        return await self._gathering(call, proceed, owner).answer(item)

    def _owner_and_item(self, call: Call) -> tuple[Any, ...]:
        owners = 1 if call.operation in self._of_methods else 0
        if len(call.args) != owners + 1 or call.kwargs:
            raise BadSetup(
                f"{call.operation.name} is batched: ask with one positional item, not "
                f"{len(call.args) - owners} positional and {len(call.kwargs)} named arguments"
            )
        return call.args

    def _gathering(self, call: Call, proceed: Proceed, owner: list[Any]) -> _Gathering:
        # The gathering holds the owner, so its id stays its own until the gathering closes.
        # One tenant a batch: the work runs in the context of the caller who began it.
        here = (asyncio.get_running_loop(), current.get().tenant)
        place = (call.operation, *here, *map(id, owner))
        gathering = self._open.get(place)
        if gathering is None:

            def closed() -> None:
                del self._open[place]

            gathering = self._open[place] = _Gathering(self, call, proceed, owner, closed)
        return gathering


class _Gathering:
    """Items that will go in together, and the futures of those who asked."""

    def __init__(
        self, batch: Batch, call: Call, proceed: Proceed, owner: list[Any], closed: Any
    ) -> None:
        self._batch, self._call, self._proceed, self._closed = batch, call, proceed, closed
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[Any], Any] = {}
        self._began = clock.monotonic()
        self._timer: Timer = clock.call_later(batch.max_wait_s, self._go)
        self._task: asyncio.Task[None] | None = None

    async def answer(self, item: Any) -> Any:
        future = self._loop.create_future()
        self._waiting[future] = item
        if len(self._waiting) >= self._batch.max_items:
            self._go()
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                self._leave(future)

    def _leave(self, future: asyncio.Future[Any]) -> None:
        self._waiting.pop(future, None)
        if not self._waiting and not self._loop.is_closed():
            if self._task is None:
                self._timer.cancel()
                self._closed()
            else:
                self._task.cancel()

    def _go(self) -> None:
        self._timer.cancel()
        self._closed()
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        asked = dict(self._waiting)
        if events.listeners:
            waited = clock.monotonic() - self._began
            note(self._call, "batched", count=len(asked), seconds=waited)
        try:
            many = self._call.asking(*self._owner, list(asked.values()))
            answers = await self._proceed(many)
            answers = _one_each(self._call, len(asked), answers)
        except asyncio.CancelledError:
            self._settle({future: CallCancelled(self._call.operation.name) for future in asked})
            raise
        except BaseException as error:
            self._settle(dict.fromkeys(asked, error))
            if not isinstance(error, Exception):  # the program ends
                raise
        else:
            self._settle(dict(zip(asked, answers, strict=True)))

    def _settle(self, answers: dict[asyncio.Future[Any], Any]) -> None:
        self._waiting.clear()
        for future, answer in answers.items():
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(_holdable(answer))
            else:
                future.set_result(answer)


_NO_LIST = (str, bytes, Stream, Mapping, Set)
"""Can be gone through, but not as one answer an item in the order of the items."""


def _one_each(call: Call, asked: int, answers: object) -> list[Any]:
    if not isinstance(answers, Iterable) or isinstance(answers, _NO_LIST):
        raise BadSetup(
            f"{call.operation.name} is batched and must return a list, not {type(answers).__name__}"
        )
    given = list(answers)
    if len(given) != asked:
        raise BadSetup(
            f"{call.operation.name} was asked {asked} items and gave {len(given)} answers; "
            "give one each"
        )
    return given


def _holdable(error: BaseException) -> BaseException:
    """What a future can hold: a StopIteration would end whoever awaits it instead."""
    if not isinstance(error, StopIteration):
        return error
    held = RuntimeError("the answer to an item was StopIteration")
    held.__cause__ = error
    return held


def _raised(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer
