import logging
import threading
from types import UnionType
from typing import get_args

import msgspec
import pytest

from headway import CallEnded, Event, Progress, events, listen
from headway.events import AnyEvent, emit

NOTE = Progress(at=1.0, run=None, text="hello")


def test_a_listener_hears_while_the_block_runs() -> None:
    seen: list[Event] = []
    emit(NOTE)
    with listen(seen.append):
        emit(NOTE)
    emit(NOTE)
    assert seen == [NOTE]
    assert events.listeners == ()


def test_all_listeners_hear_and_leave_on_their_own() -> None:
    first: list[Event] = []
    second: list[Event] = []
    with listen(first.append):
        with listen(second.append):
            emit(NOTE)
        emit(NOTE)
    assert (len(first), len(second)) == (2, 1)


def test_the_same_listener_twice_leaves_one_at_a_time() -> None:
    seen: list[Event] = []
    with listen(seen.append):
        with listen(seen.append):
            emit(NOTE)
        emit(NOTE)
    assert len(seen) == 3


def test_a_failing_listener_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def fails(event: Event) -> None:
        raise KeyError(event)

    with caplog.at_level(logging.ERROR, "headway.events"), listen(fails), listen(seen.append):
        emit(NOTE)
    assert seen == [NOTE]
    assert "a listener failed on Progress" in caplog.text


def test_a_failing_block_leaves_no_listener() -> None:
    with pytest.raises(KeyError), listen(lambda event: None):
        raise KeyError
    assert events.listeners == ()


def test_other_threads_are_heard() -> None:
    seen: list[Event] = []
    with listen(seen.append):
        thread = threading.Thread(target=emit, args=(NOTE,))
        thread.start()
        thread.join()
    assert seen == [NOTE]


def test_events_are_frozen() -> None:
    with pytest.raises(AttributeError):
        NOTE.text = "other"  # type: ignore[misc]


def test_every_event_is_known_to_readers_of_a_run() -> None:
    assert isinstance(AnyEvent, UnionType)
    assert set(get_args(AnyEvent)) == set(Event.__subclasses__())


def test_an_event_can_be_written_and_read() -> None:
    ended = CallEnded(
        at=2.0, run="r", call="1.2", operation="shop.find", kind="tool", source="hit", seconds=0.5
    )
    written = msgspec.json.encode(ended)
    assert msgspec.json.decode(written, type=AnyEvent) == ended
    assert b"error" not in written
