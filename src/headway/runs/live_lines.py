"""Lines about slow tools on stderr while a run goes on, from a thread of their own.

The caller's thread only appends an event to a queue. Nothing here can fail or hold up a call: a
terminal that has gone is let alone, and one that does not take lines keeps waiting nobody but this
thread.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from .. import clock, events
from ..clock import Duration
from ..errors import BadSetup
from .slow_tools import SlowTools, Told
from .text_table import plain
from .tool_calls import NOTICE_S, WARNING_S

log = logging.getLogger("headway.runs")

LOOK_EVERY_S = 0.05
MOST_WAITING = 100_000
PATIENCE_S = 1.0
_COLOURS = {"warning": "\x1b[33m"}
_END = "\x1b[0m"

Write = Callable[[str], object]


@contextmanager
def slow_tool_lines(
    write: Write | None = None,
    *,
    slow: tuple[Duration, Duration] = (NOTICE_S, WARNING_S),
    run: str | None = None,
) -> Iterator[None]:
    """Tell of tools that take long, and that still run, while the block runs.

    Args:
        write: is given each line, without its end, on another thread; default: to stderr.
        slow: a notice when a tool ran for more than the first, a warning for more than the second,
            and one while it still runs.
        run: only calls of this run; None: all of this process.

    Raises:
        BadSetup: *slow* is no pair of durations, the shorter first.
    """
    lines = _LiveLines(write or write_to_stderr, SlowTools(*slow_seconds(slow)), run)
    with lines, events.listen(lines.hear):
        yield


def slow_seconds(slow: tuple[Duration, Duration]) -> tuple[float, float]:
    """The two limits in seconds.

    Raises:
        BadSetup: they are none.
    """
    try:
        notice_s, warning_s = map(clock.seconds, slow)
    except (TypeError, ValueError) as wrong:
        raise BadSetup(f'slow={slow!r}: {wrong}; use two durations, ("1s", "5s")') from None
    if not 0 < notice_s <= warning_s < math.inf:
        raise BadSetup(
            f"slow={slow!r}: the first says when to give notice, the second when to warn; "
            "use more than 0, the shorter first"
        )
    return notice_s, warning_s


class _LiveLines:
    """Hears events, and writes what there is to tell; use it as a context manager."""

    def __init__(self, write: Write, tools: SlowTools, run: str | None) -> None:
        self._write, self._tools, self._run = write, tools, run
        self._heard: deque[tuple[events.Event, float]] = deque()
        self._has_missed = self._is_dumb = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_telling, name="slow tools", daemon=True)

    def hear(self, event: events.Event) -> None:
        """The listener: on the path of every call, so it filters, appends, and is done."""
        if not isinstance(event, events.CallStarted | events.CallEnded):
            return
        if self._run is not None and event.run != self._run:
            return
        if len(self._heard) < MOST_WAITING:
            self._heard.append((event, clock.monotonic()))
        else:
            self._has_missed = True

    def __enter__(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the run goes on without lines
            log.warning("slow tools are not shown: %s", error)

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)

    def _keep_telling(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._stop.wait(LOOK_EVERY_S)
            try:
                self._tell()
            except Exception:
                log.exception("lines about slow tools failed and go on")

    def _tell(self) -> None:
        for _ in range(len(self._heard)):
            event, at = self._heard.popleft()
            self._show(self._tools.hear(event, at))
        if self._has_missed:
            self._has_missed = False
            self._tools.forget()
        for told in self._tools.due(clock.monotonic()):
            self._show(told)

    def _show(self, told: Told | None) -> None:
        if told is None or self._is_dumb:
            return
        try:
            self._write(f"headway: {told.level}: {told.text}")
        except (OSError, ValueError):  # the reader has gone; the work has not
            self._is_dumb = True


def write_to_stderr(line: str) -> None:
    """Write *line* to stderr as it is now; yellow on a terminal if it is a warning."""
    stream = sys.stderr
    if stream is None:
        return
    colour = _colour(stream, line)
    text = f"{colour}{line}{_END}\n" if colour else f"{line}\n"
    stream.flush()
    _write_at_once(stream, plain(text, stream.encoding or "ascii"))


def _colour(stream: TextIO, line: str) -> str:
    level = line.split(": ", 2)[1]
    is_bare = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return "" if is_bare or not stream.isatty() else _COLOURS.get(level, "")


def _write_at_once(stream: TextIO, text: str) -> None:
    """Past the stream's own lock, which would be held for ever if the reader has stopped."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        stream.write(text)  # one that is no file
        stream.flush()
        return
    data = text.encode(stream.encoding or "ascii", "replace")
    while data:
        data = data[os.write(number, data) :]
