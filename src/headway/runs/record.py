"""The flight recorder: listens to one run, keeps its file, and has its receipt ready at any time.

The caller's thread only appends an event to a queue; one daemon thread counts and writes. A process
killed in mid-run loses at most the last 0.1 s.

A forked child does not record into its parent's run: there the handle is empty and hears nothing. A
child that should be part of the run calls ``record(name, run=id)`` itself (or is started with
``HEADWAY_RUN=id``) and writes a file of its own; ``list_runs`` joins the files of one run.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from .. import clock, events, settings
from ..clock import Duration
from ..errors import BadSetup
from ..scope import new_run_id, scope
from .journal import FORMAT, Header, Journal, open_journal
from .live_lines import slow_seconds, slow_tool_lines
from .receipt import Receipt, receipt_of
from .tally import Tally
from .tool_calls import NOTICE_S, WARNING_S

log = logging.getLogger("headway.runs")

FLUSH_S = 0.08
MOST_WAITING = 200_000
"""If events come faster than they can be counted, those beyond this many are dropped."""
BATCH = 4096
MOST_UNCOUNTED = 128
"""Whoever brings more than so many at once counts them itself: handing the interpreter over to the
thread that counts, and back, would cost more."""
PATIENCE_S = 2.0
"""How long the end of a run waits for a disk that does not answer."""


class Run:
    """A run under way: ``id``, ``name``, ``path`` (None if not recorded), ``receipt()``."""

    def __init__(self, run: str, name: str, journal: Journal, *, overheard: bool = False) -> None:
        self.id, self.name, self._overheard = run, name, overheard
        self._journal = journal
        self._begin()
        self._hearing: str | None = run
        self._thread = threading.Thread(
            target=self._keep_writing, name="headway-recorder", daemon=True
        )

    def _begin(self) -> None:
        self._heard: deque[events.Event] = deque()
        self._unwritten: deque[events.Event] = deque()
        self._tally, self._dropped = Tally(), 0
        self._counting, self._writing, self._dropping = (threading.Lock() for _ in range(3))
        self._stop = threading.Event()
        self._is_ours = True

    @property
    def path(self) -> Path | None:
        """The file of this run, this process's part of it; None if there is none."""
        return self._journal.path

    @property
    def lost(self) -> int:
        """Events that are not in the file and never will be."""
        return self._journal.lost + self._dropped

    def receipt(self, *, first_output_s: float | None = None) -> Receipt:
        """What was asked, ran and shared so far.

        Args:
            first_output_s: seconds from the start to the first output, if the caller saw it.
        """
        self._count()
        with self._counting:
            return receipt_of(
                self._tally,
                first_output_s=first_output_s,
                events_lost=self.lost,
                notes=self._notes(),
                overheard=self._overheard,
            )

    def _notes(self) -> list[str]:
        notes = [] if self._is_ours else ["this run is recorded by the parent process"]
        if self._journal.failure:
            notes.append(f"the record on disk is incomplete: {self._journal.failure}")
        if self._dropped:
            notes.append(f"{self._dropped} events came too fast and are not counted")
        return notes

    def flush(self) -> None:
        """Put what was heard so far into the file."""
        self._count()
        with self._writing:
            self._write()

    def _hear(self, event: events.Event) -> None:
        """The listener: on the path of every call, so it filters, appends, and is done."""
        if event.run == self._hearing:
            if len(self._heard) < MOST_WAITING:
                self._heard.append(event)
                if len(self._heard) >= MOST_UNCOUNTED:
                    self._count()
            else:
                with self._dropping:
                    self._dropped += 1

    def _count(self) -> None:
        with self._counting:
            next_heard, add, keep = self._heard.popleft, self._tally.add, self._unwritten.append
            for _ in range(len(self._heard)):
                event = next_heard()
                keep(event)
                add(event)

    def _write(self) -> None:
        while self._unwritten:
            few = min(BATCH, len(self._unwritten))
            self._journal.write([self._unwritten.popleft() for _ in range(few)])

    def _keep_writing(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._stop.wait(FLUSH_S)
            try:
                self.flush()
            except Exception:
                log.exception("the recorder of run %s failed and goes on", self.id)
        self._journal.close()

    def _start(self) -> None:
        _under_way.add(self)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the end of the run writes it all
            log.warning("run %s is written at its end only: %s", self.id, error)

    def _end(self) -> None:
        _under_way.discard(self)
        if not self._is_ours:
            return
        self._stop.set()
        if self._thread.ident is None:
            self._keep_writing()
        else:
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._count()
            self._journal.give_up(len(self._unwritten))

    def _leave_to_parent(self) -> None:
        """In a forked child: forget all, with new locks, for the old ones may be held for ever."""
        self._journal.close()
        self._journal = Journal(None, None)
        self._begin()
        self._hearing, self._is_ours = None, False


_under_way: weakref.WeakSet[Run] = weakref.WeakSet()
_ids_under_way: set[str] = set()


def _after_fork_in_child() -> None:
    _ids_under_way.clear()
    for run in list(_under_way):
        run._leave_to_parent()
    _under_way.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def record(
    name: str,
    *,
    folder: Path | str | None = None,
    run: str | None = None,
    live: bool | Callable[[str], object] = False,
    slow: tuple[Duration, Duration] = (NOTICE_S, WARNING_S),
    overheard: bool = False,
) -> Iterator[Run]:
    """Record everything called in the block as one run, in ``<folder>/runs/<start>-<run>.jsonl``.

    A disk that fails never fails the run: there is one warning, the events lost are counted in
    ``Run.lost``, and the receipt, made from memory, says that the record is incomplete.

    Args:
        name: what the run was started for; runs of one name are compared with each other.
        folder: made with mode 0700 if absent; the file has mode 0600. Default: the setting
            ``folder``.
        run: the id of a run that another process began, to be part of it; default: what
            ``HEADWAY_RUN`` says if that is not recorded here already, else a new run.
        live: whether to tell on stderr, while the run goes on, of tools that take long; or a
            function that is given each such line, on another thread.
        slow: how long: a notice above the first, a warning above the second.
        overheard: these are calls of others that pass through this process: where another process
            of the run has recorded one too, ``read_run`` counts it once.

    Raises:
        BadSetup: *run* is being recorded in this process already, *slow* is no such pair, or
            ``headway.toml`` is wrong.
    """
    slow_seconds(slow)
    folder = settings.current().folder if folder is None else folder
    name = name.encode("utf-8", "replace").decode()  # a name from a command line may be no text
    with _claimed(run) as (run_id, is_shared):
        began_at, began = clock.now(), clock.monotonic()
        header = Header(
            headway_run=FORMAT,
            run=run_id,
            name=name,
            started_at=began_at,
            pid=os.getpid(),
            overheard=overheard,
        )
        journal = open_journal(Path(folder), _stem(header, is_shared), header)
        handle = Run(run_id, name, journal, overheard=overheard)
        handle._start()
        try:
            with events.listen(handle._hear), _live(live, slow, run_id), scope(run=run_id):
                yield from _between_start_and_end(handle, began)
        finally:
            handle._end()


def _live(
    live: bool | Callable[[str], object], slow: tuple[Duration, Duration], run: str
) -> AbstractContextManager[None]:
    if live is False:
        return nullcontext()
    return slow_tool_lines(None if live is True else live, slow=slow, run=run)


def _between_start_and_end(handle: Run, began: float) -> Iterator[Run]:
    events.emit(events.RunStarted(at=clock.now(), run=handle.id, name=handle.name))
    error: str | None = None
    try:
        yield handle
    except BaseException as raised:
        error = type(raised).__name__  # its text may hold what was asked or answered
        raise
    finally:
        if handle._is_ours:
            seconds = clock.monotonic() - began
            events.emit(
                events.RunEnded(at=clock.now(), run=handle.id, seconds=seconds, error=error)
            )


@contextmanager
def _claimed(run: str | None) -> Iterator[tuple[str, bool]]:
    """An id that no other recorder of this process listens to, and whether other processes may."""
    given = run if run is not None else os.environ.get("HEADWAY_RUN") or None
    if run is not None and run in _ids_under_way:
        raise BadSetup(
            f"run {run!r} is being recorded in this process already; leave out run= for a new one"
        )
    is_shared = given is not None and given not in _ids_under_way
    run_id = given if given is not None and is_shared else new_run_id()
    _ids_under_way.add(run_id)
    try:
        yield run_id, is_shared
    finally:
        _ids_under_way.discard(run_id)


def _stem(header: Header, is_shared: bool) -> str:
    """A file name that sorts by time; an id from outside is made harmless in it."""
    start = datetime.fromtimestamp(header.started_at, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", header.run)[:64]
    return f"{start}Z-{safe}-{header.pid}" if is_shared else f"{start}Z-{safe}"
