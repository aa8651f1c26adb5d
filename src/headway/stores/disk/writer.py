"""One thread that writes: whatever came while it was busy goes into its next transaction."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from .transaction import Transaction

T = TypeVar("T")

IDLE_S: Final = 5.0
_MOST: Final = 256


class Write(Generic[T]):
    """One thing to write; ``future`` has its outcome once it is committed.

    *announce* gets the outcome after the commit, before who waits is told, on the writer's thread.
    """

    __slots__ = ("announce", "apply", "future", "size_bytes")

    def __init__(
        self,
        apply: Callable[[Transaction], T],
        size_bytes: int = 0,
        announce: Callable[[T], None] | None = None,
    ) -> None:
        self.apply = apply
        self.size_bytes = size_bytes
        self.announce = announce
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # who stops waiting does not stop the write


AnyWrite = Write[Any]
Commit = Callable[[Sequence[AnyWrite]], None]


class Writer:
    """Hands what is submitted to *commit*, in order, from one thread; it ends when idle."""

    def __init__(self, commit: Commit, batch_bytes: int) -> None:
        self._commit = commit
        self._batch_bytes = batch_bytes
        self._waiting: deque[AnyWrite] = deque()
        self._woken = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def submit(self, write: Write[T]) -> Future[T]:
        """Write it with the next batch."""
        with self._woken:
            self._waiting.append(write)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="headway disk writer", daemon=True
                )
                self._thread.start()
            self._woken.notify()
        return write.future

    def drain(self) -> None:
        """Return when all that was submitted is settled and the thread has ended."""
        with self._woken:
            thread, self._is_closing = self._thread, True
            self._woken.notify()
        if thread is not None:
            thread.join()
        with self._woken:
            self._is_closing = False

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._commit(batch)
            except BaseException as error:
                for write in batch:
                    if not write.future.done():
                        write.future.set_exception(error)
            del batch

    def _next(self) -> list[AnyWrite]:
        """What to write next; nothing once there was nothing for a while."""
        with self._woken:
            while not self._waiting:
                if self._is_closing or not self._woken.wait(IDLE_S):
                    if self._waiting:
                        break
                    self._thread = None
                    return []
            batch, size_bytes = [self._waiting.popleft()], 0
            while self._waiting and len(batch) < _MOST:
                size_bytes += batch[-1].size_bytes
                if size_bytes + self._waiting[0].size_bytes > self._batch_bytes:
                    break
                batch.append(self._waiting.popleft())
            return batch
