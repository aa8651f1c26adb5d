"""For the tests of policies: work that counts itself, and a look at what is left behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from headway import Event, PolicyActed, listen
from headway.testing.clock import settle


class Work:
    """The inside of an operation: counts its runs and, after ``hold``, waits until it is let go."""

    def __init__(self) -> None:
        self.runs = self.inside = self.most_inside = self.finished = self.cancelled = 0
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    async def run(self, error: BaseException | None = None) -> int:
        """The number of this run; *error* if one is given."""
        self.runs += 1
        number = self.runs
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self._open.wait()
            if error is not None:
                raise error
            self.finished += 1
            return number
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fails if the block leaves a task running."""
    before = asyncio.all_tasks()
    yield
    await settle()
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, f"left behind: {left}"


@contextmanager
def actions() -> Iterator[list[PolicyActed]]:
    """What policies did while the block ran."""
    seen: list[PolicyActed] = []

    def note(event: Event) -> None:
        if isinstance(event, PolicyActed):
            seen.append(event)

    with listen(note):
        yield seen


def on_threads(count: int, ask: Callable[[int], object], *, within_s: float = 10.0) -> list[object]:
    """What *ask* gave, or raised, on *count* threads that begin together; fails if one hangs."""
    answers: list[object] = [None] * count
    together = threading.Barrier(count)

    def one(number: int) -> None:
        together.wait()
        try:
            answers[number] = ask(number)
        except BaseException as error:
            answers[number] = error

    threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_s)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return answers
