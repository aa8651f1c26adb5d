"""The second tier as a caller may use it: never longer than a moment, and not while it is down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from ..entry import Entry, Key
from ..shared import SharedStore
from .attempt import AtMost, OutOfReach, Patience, Refused, Work
from .breaker import Breaker

T = TypeVar("T")
Waiter = asyncio.Future[Any]

_LATE: Final = object()


class Question(NamedTuple):
    """A look-up that is under way, or about to be."""

    key: Key
    waiters: list[Waiter]


class Here:
    """What is under way on one event loop, used on it alone; does not keep the loop alive."""

    def __init__(self) -> None:
        self.asked: dict[str, Question] = {}
        self.next: dict[str, Question] = {}
        self.next_checks: list[Waiter] = []
        self.waiters: set[Waiter] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.flushing: list[Waiter] = []
        self.writer: asyncio.Task[None] | None = None

    def waiter(self) -> Waiter:
        """A future that is given up when the second tier goes down."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        return waiter

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """*work* in a task of its own, whoever leaves."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits has it from the task; else it is counted

    def give_up(self) -> None:
        """Let everyone go who waits."""
        self.asked, self.next, self.next_checks = {}, {}, []
        settle(list(self.waiters), _LATE)


def settle(waiters: Sequence[Waiter], answer: object) -> None:
    """Give *answer* to those who still wait."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(answer)


class SecondTier:
    """Look-ups of one tick of an event loop go together; who is asked for already is not again.

    Nobody waits longer than *soft_s* for a look-up, but for the first of all; the attempt goes on
    until *hard_s*, and *on_found* is given what comes, late or not: key, its tag, entry, and the
    mark that was taken before it was asked for.
    With *joins_late* a caller may be given what was asked for before it came. *on_down* is called
    when an attempt takes the store down.
    """

    def __init__(
        self,
        store: SharedStore,
        breaker: Breaker,
        *,
        soft_s: float,
        hard_s: float,
        joins_late: bool,
        mark: Callable[[], int],
        on_found: Callable[[Key, str, Entry, int], Entry | None],
        on_down: Callable[[], None],
    ) -> None:
        self.store, self.breaker, self.soft_s, self.hard_s = store, breaker, soft_s, hard_s
        self.attempts = 0
        self._has_answered = False
        self.errors: dict[str, int] = {}
        self._joins_late = joins_late
        self._mark, self._on_found, self._on_down = mark, on_found, on_down
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: nobody else holds the lock, and the loops are the parent's."""
        self._lock = threading.Lock()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Here] = WeakKeyDictionary()

    def here(self) -> Here:
        """What is under way on the running loop."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            with self._lock:
                here = self._loops.setdefault(loop, Here())
        return here

    async def find(self, keys: Sequence[tuple[str, Key]]) -> list[Entry | None]:
        """What *on_found* made of the entries under *keys*, in their order; each with its tag.

        Raises:
            OutOfReach: it is down, or no answer came in time.
        """
        here = self._here_if_up()
        waiters = [self._asked(here, tag, key) for tag, key in keys]
        try:
            return [self._given(await waiter) for waiter in waiters]
        finally:
            here.waiters.difference_update(waiters)

    async def check(self) -> None:
        """Return when every invalidation that was acknowledged before this call is heard of.

        Raises:
            OutOfReach: it is down, or no answer came in time.
        """
        here = self._here_if_up()
        waiter = here.waiter()
        if not here.next_checks:
            asyncio.get_running_loop().call_soon(self._check_together, here)
        here.next_checks.append(waiter)
        try:
            self._given(await waiter)
        finally:
            here.waiters.discard(waiter)

    async def ask(
        self,
        work: Work[T],
        *,
        late: Callable[[T], None] | None = None,
        is_patient: bool = False,
        may_be_refused: bool = False,
    ) -> T:
        """The answer of *work*, in a task of its own, which goes on if nobody waits any more.

        *late* is given the answer then. A caller who *is_patient* waits ``hard_s`` for it. What
        *may_be_refused* does not take a store down that is alive.

        Raises:
            OutOfReach: it is down, or failed or refused, or no answer came in time.
        """
        here = self._here_if_up()
        waiter = here.waiter()
        attempt = self.attempt(
            work, limit_s=self.hard_s, is_patient=is_patient, may_be_refused=may_be_refused
        )
        task = here.begin(attempt)
        task.add_done_callback(partial(_hand_over, waiter, late))
        try:
            answer: T = self._given(await waiter)
            return answer
        finally:
            here.waiters.discard(waiter)

    async def ask_as_long(self, work: Work[T], seconds: float) -> T:
        """The answer of *work*, which may take *seconds*; it ends when its caller leaves.

        Raises:
            OutOfReach: it is or goes down, or failed.
        """
        here = self._here_if_up()
        waiter = here.waiter()
        task = here.begin(self.attempt(work, limit_s=seconds + self.hard_s))
        task.add_done_callback(partial(_hand_over, waiter, None))
        try:
            answer: T = self._given(await waiter)
            return answer
        finally:
            here.waiters.discard(waiter)
            task.cancel()

    async def attempt(
        self,
        work: Work[T],
        *,
        limit_s: float,
        is_patient: bool = True,
        may_be_refused: bool = False,
    ) -> T:
        """The answer of *work*, done in the running task, which may be cut after *limit_s*.

        Unless it *is_patient* the store goes down when there is none after ``soft_s``; but the
        first answer of all, before which files are opened and servers greeted, may take longer.

        Raises:
            OutOfReach: no answer came, or an error.
            Refused: an error came, the store is alive, and that *may_be_refused*.
        """
        turn = self.breaker.turn
        self.attempts += 1
        too_slow = partial(self.failed, turn, "TimeoutError", f"no answer in {self.soft_s:g} s")
        is_patient = is_patient or not self._has_answered
        patience = None if is_patient else Patience(self.soft_s, too_slow)
        try:
            async with AtMost(limit_s):
                answer = await work()
            self._has_answered = True
            return answer
        except Exception as error:
            name = type(error).__name__
            if may_be_refused and await self._is_alive():
                self._count(name)
                raise Refused from error
            self.failed(turn, name, f"{name}: {error}" if str(error) else name)
            raise OutOfReach(self._out_of_reach()) from error
        finally:
            if patience is not None:
                patience.end()

    def failed(self, turn: int, name: str, reason: str) -> None:
        """An attempt of *turn* failed; whoever waits for another is let go."""
        self._count(name)
        if self.breaker.failed(turn, reason):
            self._give_up_everywhere()
            self._on_down()

    def _count(self, name: str) -> None:
        with self._lock:
            self.errors[name] = self.errors.get(name, 0) + 1

    async def _is_alive(self) -> bool:
        """Also of a store that is down for callers and being mended."""
        try:
            async with AtMost(self.soft_s):
                await self.store.probe()
        except Exception:
            return False
        return True

    def _here_if_up(self) -> Here:
        if not self.breaker.is_up:
            raise OutOfReach(self._out_of_reach())
        return self.here()

    def _given(self, answer: Any) -> Any:
        if answer is _LATE:
            raise OutOfReach(self._out_of_reach())
        return answer

    def _out_of_reach(self) -> str:
        return (
            f"{self.store.name} does not answer ({self.breaker.reason or 'too slow'}); "
            f"it is tried again every {self.breaker.probe_every_s:g} s"
        )

    def _asked(self, here: Here, tag: str, key: Key) -> Waiter:
        waiter = here.waiter()
        question = here.asked.get(tag)
        if question is not None:
            question.waiters.append(waiter)
            return waiter
        if not here.next:
            asyncio.get_running_loop().call_soon(self._read_together, here)
        here.asked[tag] = here.next[tag] = Question(key, [waiter])
        return waiter

    def _read_together(self, here: Here) -> None:
        questions, here.next = here.next, {}
        if questions:  # else it went down in this very tick
            if not self._joins_late:
                here.asked = {}
            here.begin(self._read(here, questions))

    async def _read(self, here: Here, questions: dict[str, Question]) -> None:
        mark = self._mark()
        keys = [question.key for question in questions.values()]
        answers: list[object] = [_LATE] * len(keys)
        try:
            found = await self.attempt(
                partial(self.store.get_many, keys), limit_s=self.hard_s, is_patient=False
            )
            answers = [
                None if entry is None else self._on_found(key, tag, entry, mark)
                for (tag, key), entry in zip(zip(questions, keys), found)
            ]
        except OutOfReach:
            pass
        finally:
            for (tag, question), answer in zip(questions.items(), answers):
                if here.asked.get(tag) is question:
                    del here.asked[tag]
                settle(question.waiters, answer)

    def _check_together(self, here: Here) -> None:
        checks, here.next_checks = here.next_checks, []
        if checks:
            here.begin(self._check(checks))

    async def _check(self, checks: Sequence[Waiter]) -> None:
        answer: object = _LATE
        try:
            await self.attempt(self.store.catch_up, limit_s=self.hard_s, is_patient=False)
            answer = None
        except OutOfReach:
            pass
        finally:
            settle(checks, answer)

    def _give_up_everywhere(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        with self._lock:
            all_here = list(self._loops.items())
        for loop, here in all_here:
            if loop is running:
                here.give_up()
            else:
                with suppress(RuntimeError):  # that loop is closed
                    loop.call_soon_threadsafe(here.give_up)


def _hand_over(waiter: Waiter, late: Callable[[Any], None] | None, task: asyncio.Task[Any]) -> None:
    if task.cancelled() or task.exception() is not None:
        settle([waiter], _LATE)
    elif not waiter.done():
        waiter.set_result(task.result())
    elif late is not None:
        late(task.result())
