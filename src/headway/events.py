"""Frozen records of what happened, and ``listen``: act inside, watch outside.

With nobody listening an event costs one truth test (``if events.listeners: ...``).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b

import msgspec

log = logging.getLogger("headway.events")


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """One thing that happened; ``at`` is seconds since the epoch."""

    at: float
    run: str | None


class RunStarted(Event, frozen=True, tag=True):
    """A run began; ``name`` is what it was started for."""

    name: str


class RunEnded(Event, frozen=True, tag=True):
    """A run ended, by success or with ``error``."""

    seconds: float
    error: str | None = None


class Touched(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call declared to read and write: resources whose segments are digests.

    Separators and a star at the end stay, so two of them can be compared as the resources could.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    exclusive: bool = False

    @classmethod
    def of(
        cls, reads: Iterable[str] = (), writes: Iterable[str] = (), *, exclusive: bool = False
    ) -> Touched:
        """The record of these resources, such as ``company:NVDA``."""
        return cls(tuple(map(_unnamed, reads)), tuple(map(_unnamed, writes)), exclusive)


@lru_cache(maxsize=4096)
def _unnamed(resource: str) -> str:
    """*resource* without what it names: it is made from arguments, which are not recorded."""
    return re.sub(r"[^:/*]+", _segment_digest, resource)


def _segment_digest(segment: re.Match[str]) -> str:
    if segment[0] in (".", ".."):  # ways, not names
        return segment[0]
    return blake2b(segment[0].encode("utf-8", "replace"), digest_size=6).hexdigest()


class CallStarted(Event, frozen=True, tag=True, omit_defaults=True):
    """An operation was asked; ``key`` is the digest of the question, never the question."""

    call: str
    operation: str
    kind: str
    key: str | None = None
    agent: str | None = None
    parent: str | None = None


class CallEnded(Event, frozen=True, tag=True, omit_defaults=True):
    """A call was answered; ``at`` is its end, ``source`` one of ran, hit, joined, stale."""

    call: str
    operation: str
    kind: str
    source: str
    seconds: float
    key: str | None = None
    agent: str | None = None
    parent: str | None = None
    age_s: float | None = None
    first_chunk_s: float | None = None
    error: str | None = None
    cached: bool | None = None
    """Whether a cache stood in its way; None if the sender cannot tell."""
    tier: str | None = None
    """Of a kept answer, the tier of the store that had it: memory, disk, redis."""
    effects: Touched | None = None
    """Of a tool that said what it reads and writes; None if nobody did."""


class ModelAnswered(Event, frozen=True, tag=True, omit_defaults=True):
    """What an exchange with a model endpoint used, as the provider said; ``call`` tells whose.

    ``tokens_in`` counts all input, cached and cache-written included; None is unknown, never zero.
    Emitted for answers from a cache too: what they spent is decided by the call's ``source``.
    """

    call: str | None
    operation: str
    provider: str
    model: str
    source: str
    agent: str | None = None
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_cache_written: int | None = None
    tokens_out: int | None = None
    tokens_reasoning: int | None = None
    finish_reason: str | None = None
    tool_calls: int = 0
    status: int | None = None
    streamed: bool = False
    complete: bool = True


class PolicyActed(Event, frozen=True, tag=True, omit_defaults=True):
    """A policy did something to a call that a reader of the run will want to know.

    ``action``: retried, not retried, fell back, waited, timed out, refreshed, refresh failed,
    batched, bypassed, refused.
    """

    operation: str
    action: str
    call: str | None = None
    agent: str | None = None
    seconds: float | None = None
    count: int | None = None
    detail: str | None = None


class StoreFailed(Event, frozen=True, tag=True):
    """A store could not read or keep a value; the caller got a fresh answer instead."""

    store: str
    error: str


class StoreStateChanged(Event, frozen=True, tag=True, omit_defaults=True):
    """What the second tier of a store is now: ``state`` is down, up, in doubt or repaired.

    Down: it failed or kept a caller waiting, and is let alone but for probes; memory goes on.
    Up: it answers again. In doubt: news of invalidations were lost, so what memory holds is asked
    for again. Repaired: it was told what it had missed; ``detail`` counts that.
    """

    store: str
    state: str
    detail: str | None = None


class GraphPlanned(Event, frozen=True, tag=True):
    """A graph is about to run: what each step needs, and its expected seconds."""

    graph: str
    needs: dict[str, list[str]]
    expected_s: dict[str, float]


class StepSettled(Event, frozen=True, tag=True, omit_defaults=True):
    """A step of a graph is done, failed, left out or skipped."""

    graph: str
    step: str
    outcome: str
    seconds: float | None = None
    detail: str | None = None


class BatchEnded(Event, frozen=True, tag=True, omit_defaults=True):
    """A batch of tool calls has a result for each of its ``size`` calls.

    ``shared`` of them were answered by the run of another, ``failed`` are not done. ``speed_up`` is
    the seconds of all its calls, one after another, per second it took. ``stopped`` is cancelled or
    timed out if it was cut short.
    """

    size: int
    seconds: float
    peak: int
    mean_concurrency: float
    speed_up: float
    shared: int = 0
    failed: int = 0
    agent: str | None = None
    stopped: str | None = None


class Progress(Event, frozen=True, tag=True, omit_defaults=True):
    """A note from inside a long piece of work; ``done`` of ``total`` where that is known."""

    text: str
    agent: str | None = None
    done: float | None = None
    total: float | None = None


AnyEvent = (
    RunStarted
    | RunEnded
    | CallStarted
    | CallEnded
    | ModelAnswered
    | PolicyActed
    | StoreFailed
    | StoreStateChanged
    | GraphPlanned
    | StepSettled
    | BatchEnded
    | Progress
)
Listener = Callable[[Event], None]

listeners: tuple[Listener, ...] = ()
_changing = threading.Lock()


def emit(event: Event) -> None:
    """Hand *event* to every listener; one that fails is logged and harms nobody."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:
            log.exception("a listener failed on %s", type(event).__name__)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Call *listener* with every event of this process while the block runs.

    It is called where the event happens, so it must be quick and must not block; from worker
    threads too.
    """
    global listeners
    with _changing:
        listeners = (*listeners, listener)
    try:
        yield
    finally:
        with _changing:
            remaining = list(listeners)
            remaining.remove(listener)
            listeners = tuple(remaining)
