"""What is kept for a second tier that is down, and what of it goes first."""

import pytest

from headway.stores import Entry
from headway.stores.tiered import journal
from headway.stores.tiered.journal import Journal
from headway.stores.tiered.marks import Marks


def entry(value: str, size_bytes: int = 10) -> Entry:
    return Entry(value, made_at=0.0, fresh_until=60.0, size_bytes=size_bytes)


def values(writes: dict[object, Entry]) -> list[object]:
    return [write.value for write in writes.values()]


def test_only_the_latest_write_to_a_key_is_sent() -> None:
    held = Journal(1_000)
    held.write("a", entry("old"))
    held.write("b", entry("b"))
    held.write("a", entry("new"))
    assert values(held.take(9)) == ["b", "new"]
    assert not held


def test_the_oldest_writes_are_dropped_first() -> None:
    held = Journal(30)
    for number in range(5):
        held.write(number, entry(str(number)))
    assert held.dropped == 2
    assert values(held.take(9)) == ["2", "3", "4"]


def test_what_alone_is_too_large_is_sent_all_the_same() -> None:
    held = Journal(30)
    held.write("a", entry("large", size_bytes=100))
    assert values(held.take(9)) == ["large"]


def test_what_is_put_back_does_not_displace_what_came_since() -> None:
    held = Journal(1_000)
    held.write("a", entry("old"))
    held.write("b", entry("b"))
    taken = held.take(9)
    held.write("a", entry("new"))
    held.put_back(taken)
    assert sorted(map(str, values(held.take(9)))) == ["b", "new"]


def test_invalidations_are_never_dropped() -> None:
    held = Journal(1)
    numbers = [held.announce((f"tag {n % 3}",)) for n in range(9)]
    for number in range(9):
        held.write(number, entry("value"))
    assert held.announcements() == (numbers[-1], False, ("tag 0", "tag 1", "tag 2"))
    held.all_announced(numbers[-1])
    assert held.announcements()[1:] == (False, ())


def test_too_many_invalidations_become_one_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_ANNOUNCEMENTS", 3)
    held = Journal(1_000)
    for number in range(4):
        held.announce((f"tag {number}",))
    last = held.announce(("later",))
    assert held.announcements() == (last, True, ("later",))


def test_one_of_everything_is_not_taken_for_the_one_that_made_it_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "MAX_ANNOUNCEMENTS", 1)
    held = Journal(1_000)
    held.announce(("a",))
    number = held.announce(("b",))
    held.announced(number, ("b",))
    assert held.announcements() == (number, True, ())


def test_work_begun_before_the_store_was_known_stays_in_memory() -> None:
    marks = Marks()
    assert not marks.may_be_sent(0)
    marks.meet(1, 500)
    assert [marks.may_be_sent(mark) for mark in (0, 1, 2)] == [False, True, True]
    assert marks.claim() == 500
    marks.heard(501)
    assert marks.claim() == 501
    marks.missed(7, 600)
    assert [marks.may_be_sent(mark) for mark in (6, 7)] == [False, True]
    assert (marks.sure_from, marks.claim()) == (7, 600)
