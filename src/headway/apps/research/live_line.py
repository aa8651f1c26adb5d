"""The line under a running research: who works, on what, for how long, and how long still."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import TextIO

from headway import CallEnded, CallStarted, Event, clock

TTY_EVERY_S, PIPED_EVERY_S = 0.2, 0.9
AMID_WORDS_S = 5.0
"""How long words may stop in the middle of a line before the live line says what goes on."""

_CLEAR = "\r\x1b[2K"
_WIDTH = 100


class LiveLine:
    """Shows what is under way, at least once a second, from a thread of its own.

    On a terminal one line is drawn over and over; into a pipe a line is written when nothing else
    was for a while. Give it to ``headway.listen``; use it as a context manager; print through
    ``aside``.

    Args:
        spent: tells what models have used so far; None if there are none.
    """

    def __init__(
        self,
        stream: TextIO,
        title: str,
        eta_s: float | None,
        eta_from: int,
        spent: Callable[[], str] | None = None,
    ) -> None:
        self._stream, self._title, self._spent = stream, title, spent
        self._eta_s, self._eta_from = eta_s, eta_from
        self._is_tty = stream.isatty()
        self._is_amid_words = self._is_drawn = False
        self._under_way: dict[str, CallStarted] = {}
        self._began = self._wrote = clock.monotonic()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="live line", daemon=True)

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallStarted):
            self._under_way[event.call] = event
        elif isinstance(event, CallEnded):
            self._under_way.pop(event.call, None)

    def __enter__(self) -> LiveLine:
        self._draw()
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()
        self._erase()

    def aside(
        self, write: Callable[[], None], *, amid_words: Callable[[], bool] = lambda: False
    ) -> None:
        """Write something of your own without disturbing the line.

        Args:
            amid_words: whether what was written does not end with its line, and more will follow.
        """
        with self._lock:
            self._erase()
            write()
            self._is_amid_words = amid_words()
            self._wrote = clock.monotonic()

    def tell(self, told: str) -> None:
        """Write a line of its own that stays; OSError or ValueError if the reader has gone."""
        with self._lock:
            self._erase()
            begin = "\n" if self._is_amid_words else ""
            self._is_amid_words = False
            self._stream.write(f"{begin}{told}\n")
            self._stream.flush()
            self._wrote = clock.monotonic()

    def text(self) -> str:
        """The line as it stands now."""
        elapsed_s = clock.monotonic() - self._began
        parts = [f"{self._title}  {elapsed_s:5.1f} s", self._who()]
        parts += [self._spent()] if self._spent is not None else []
        return "  ".join([*parts, self._eta(elapsed_s)])

    def _who(self) -> str:
        started = list(self._under_way.values())
        parents = {event.parent for event in started}
        leaves = [event for event in started if event.call not in parents]
        shown = sorted({_named(event) for event in leaves})
        return " | ".join(shown)[: _WIDTH - 40] or "starting"

    def _eta(self, elapsed_s: float) -> str:
        if self._eta_s is None:
            return "no estimate yet"
        left_s = self._eta_s - elapsed_s
        runs = f"{self._eta_from} earlier run{'s' if self._eta_from != 1 else ''}"
        return f"about {left_s:.0f} s left ({runs})" if left_s >= 0.5 else f"longer than {runs}"

    def _tick(self) -> None:
        every_s = TTY_EVERY_S if self._is_tty else PIPED_EVERY_S
        while not self._stop.wait(every_s / 3):
            self._draw_if_silent(every_s)

    def _draw_if_silent(self, every_s: float) -> None:
        with self._lock:
            silent_s = clock.monotonic() - self._wrote
            if silent_s >= (AMID_WORDS_S if self._is_amid_words else every_s):
                self._draw()

    def _draw(self) -> None:
        self._wrote = clock.monotonic()
        begin = "\n" if self._is_amid_words else ""
        self._is_amid_words = False
        text = self.text()
        if self._is_tty:  # a line that wraps could not be erased
            line = f"{begin}{_CLEAR}{text[: shutil.get_terminal_size().columns - 1]}"
        else:
            line = f"{begin}  {text}\n"
        try:
            self._stream.write(line)
            self._stream.flush()
            self._is_drawn = True
        except (OSError, ValueError):  # the reader has gone; the work has not
            self._stop.set()

    def _erase(self) -> None:
        if self._is_tty and self._is_drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
        self._is_drawn = False


def _named(event: CallStarted) -> str:
    if event.kind == "model":
        return f"{event.agent}: model" if event.agent else event.operation
    what = event.operation.rpartition(".")[2].replace("_findings", " analyst")
    if event.kind == "step" or event.agent in (None, what):
        return what
    return f"{event.agent}: {what}"
