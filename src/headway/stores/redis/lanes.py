"""What is asked in one turn of the event loop goes to the server together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from .connections import explained

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Carry = Callable[[list[Asked]], Awaitable[Sequence[Answer | Exception]]]


class Lane(Generic[Asked, Answer]):
    """Gathers questions; *carry* takes a batch and returns the answers in the same order.

    A batch that weighs *most* takes no more. At most *at_once* are on their way; who comes
    meanwhile gathers in the next. A batch travels in a task of its own, so a caller may be
    cancelled without cutting the others' command.
    Each question has its answer, or an error, within *timeout_s* of the first of its batch.
    """

    def __init__(
        self,
        carry: Carry[Asked, Answer],
        *,
        at_once: int,
        most: int,
        timeout_s: float,
        where: str,
    ) -> None:
        self._carry = carry
        self._most, self._timeout_s, self._where = most, timeout_s, where
        self._way = asyncio.Semaphore(at_once)
        self._asked: list[Asked] = []
        self._answers: list[asyncio.Future[Answer]] = []
        self._weight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, asked: Asked, weight: int = 1) -> asyncio.Future[Answer]:
        """The answer to come."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if not self._asked or self._weight >= self._most:
            self._begin()
        self._asked.append(asked)
        self._answers.append(answer)
        self._weight += weight
        return answer

    def _begin(self) -> None:
        self._asked, self._answers, self._weight = [], [], 0
        task = asyncio.get_running_loop().create_task(self._travel(self._asked, self._answers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _travel(self, asked: list[Asked], answers: list[asyncio.Future[Answer]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s), self._way:
                self._leave(asked)
                replies = await self._carry(asked)
        except asyncio.CancelledError:
            self._leave(asked)
            # Whoever still waits was not cancelled: the store was closed under their feet.
            self._settle(answers, [ConnectionError(f"{self._where}: closed")] * len(answers))
            raise
        except Exception as error:
            self._leave(asked)
            self._settle(answers, [error] * len(answers))
        else:
            self._settle(answers, replies)

    def _settle(
        self,
        answers: Sequence[asyncio.Future[Answer]],
        replies: Sequence[Answer | Exception],
    ) -> None:
        for answer, reply in zip(answers, replies, strict=True):
            if answer.done():
                continue  # whoever asked has gone
            if isinstance(reply, Exception):
                answer.set_exception(explained(reply, self._where))
            else:
                answer.set_result(reply)

    def _leave(self, asked: list[Asked]) -> None:
        if self._asked is asked:
            self._asked, self._answers = [], []

    async def close(self) -> None:
        """Cancel what is on its way."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
