"""Who leaves first."""

from collections.abc import Iterable

import pytest

from headway.stores import Entry, Key
from headway.stores.eviction import Eviction, Lru, S3Fifo, Slot


def slot(key: Key, size_bytes: int = 1) -> Slot:
    return Slot(key, Entry("value", made_at=0.0, fresh_until=1.0), size_bytes, gap_s=0.0)


def admit(eviction: Eviction, keys: Iterable[str], size_bytes: int = 1) -> dict[str, Slot]:
    slots = {key: slot(key, size_bytes) for key in keys}
    for one in slots.values():
        eviction.admit(one)
    return slots


def evict(eviction: Eviction, number: int = 1, spared: Slot | None = None) -> list[object]:
    return [eviction.evict(lambda slot: False, spared).key for _ in range(number)]


def test_lru_lets_the_least_recently_used_go() -> None:
    lru = Lru()
    slots = admit(lru, "abcde")
    lru.touch("a")
    lru.replace(slots["b"], 5)
    lru.discard(slots["c"])
    assert slots["b"].size_bytes == 5
    assert evict(lru, 4) == ["d", "e", "a", "b"]


def test_lru_does_not_mind_a_touch_that_comes_too_late() -> None:
    lru = Lru()
    admit(lru, "ab")
    assert evict(lru) == ["a"]
    lru.touch("a")
    assert evict(lru) == ["b"]


def test_lru_spares_whom_it_is_told_to() -> None:
    lru = Lru()
    slots = admit(lru, "ab")
    assert evict(lru, spared=slots["a"]) == ["b"]
    assert evict(lru) == ["a"]


def test_s3_fifo_lets_unused_newcomers_go_in_order() -> None:
    s3 = S3Fifo(10, None)
    admit(s3, "abc")
    assert evict(s3, 3) == ["a", "b", "c"]


def test_s3_fifo_moves_what_was_used_twice_to_the_main_queue() -> None:
    s3 = S3Fifo(10, None)
    slots = admit(s3, "abc")
    slots["a"].uses, slots["b"].uses = 2, 1
    assert evict(s3, 3) == ["b", "c", "a"]


def test_s3_fifo_keeps_the_popular_through_a_scan() -> None:
    s3 = S3Fifo(20, None)
    for one in admit(s3, [f"popular {n}" for n in range(10)]).values():
        one.uses = 3
    admit(s3, [f"filler {n}" for n in range(10)])
    gone: list[object] = []
    for number in range(200):
        gone += evict(s3)
        s3.admit(slot(f"scan {number}"))
    assert not [key for key in gone if str(key).startswith("popular")]


def test_s3_fifo_remembers_who_left_and_lets_them_return_to_the_main_queue() -> None:
    s3 = S3Fifo(10, None)
    admit(s3, "abcdefghij")
    assert evict(s3) == ["a"]
    s3.admit(slot("a"))
    assert evict(s3, 8) == list("bcdefghi"), "a is in the main queue now, behind the others"


def test_s3_fifo_lets_nobody_return_twice_on_one_trace() -> None:
    s3 = S3Fifo(10, None)
    admit(s3, "abcdefghij")
    evict(s3)
    returned = slot("a")
    s3.admit(returned)
    s3.discard(returned)
    s3.admit(slot("a"))
    assert [one.key for one in s3._small][-1] == "a", "its trace is used up"


def test_s3_fifo_gives_every_use_in_the_main_queue_one_round() -> None:
    s3 = S3Fifo(10, None)
    admit(s3, "abcdefghij")
    evict(s3, 3)
    returned = admit(s3, "abc")
    returned["a"].uses = 2
    returned["b"].uses = 1
    evict(s3, 7)
    assert evict(s3, 3) == ["c", "b", "a"]


def test_s3_fifo_counts_the_small_queue_in_bytes_too() -> None:
    s3 = S3Fifo(1_000, 100)
    for one in admit(s3, "ab", size_bytes=20).values():
        one.uses = 2
    admit(s3, "x", size_bytes=20)
    assert evict(s3) == ["x"], "a and b went on to the main queue"
    admit(s3, ["large"], size_bytes=50)
    admit(s3, ["next"], size_bytes=5)
    assert evict(s3) == ["large"], "with it the small queue has more than a tenth of the bytes"
    assert evict(s3) == ["a"], "and without it less"


def test_s3_fifo_follows_replaced_and_discarded_slots_in_its_bytes() -> None:
    s3 = S3Fifo(1_000, 100)
    for one in admit(s3, "ab", size_bytes=20).values():
        one.uses = 2
    admit(s3, "c", size_bytes=20)
    evict(s3)
    slots = admit(s3, "de", size_bytes=9)
    s3.replace(slots["d"], 5)
    s3.discard(slots["e"])
    assert slots["d"].size_bytes == 5
    assert evict(s3) == ["a"], "d alone is within the share of the small queue"


def test_s3_fifo_forgets_who_left_long_ago() -> None:
    s3 = S3Fifo(10, None)
    for number in range(10_000):
        s3.admit(slot(f"{number}"))
        if number >= 10:
            evict(s3)
    assert len(s3._ghost) == len(s3._ghost_order) <= 10


def with_ten_in_main(one_that_left: Key) -> S3Fifo:
    s3 = S3Fifo(10, None)
    for popular in admit(s3, "abcdefghij").values():
        popular.uses = 2
    pass_through(s3, one_that_left)
    assert len(s3._main) == 10
    return s3


def pass_through(s3: S3Fifo, *keys: Key) -> None:
    for key in keys:
        s3.admit(slot(key))
        assert evict(s3) == [key]


def return_and_leave(s3: S3Fifo, key: Key) -> None:
    """Use up the trace of *key*, and leave another one."""
    returned = slot(key)
    s3.admit(returned)
    s3.discard(returned)
    pass_through(s3, key)


def test_s3_fifo_holds_few_traces_that_were_used_up() -> None:
    s3 = with_ten_in_main("x")
    for _ in range(1_000):
        return_and_leave(s3, "x")
    assert len(s3._ghost) == 1
    assert len(s3._ghost_order) < 50


@pytest.mark.parametrize("x", ["x", 0], ids=["text", "number"])
def test_s3_fifo_forgets_a_new_trace_in_its_own_turn_not_in_that_of_the_one_used_up(x: Key) -> None:
    s3 = with_ten_in_main(x)
    pass_through(s3, *range(1, 8))
    return_and_leave(s3, x)
    pass_through(s3, 8, 9)
    assert len(s3._ghost) == 9, "full: the oldest trace had to go, which is that of 1"
    s3.admit(slot(1))
    assert s3._small[-1].key == 1
    s3.admit(slot(x))
    assert s3._main[-1].key == x


def test_s3_fifo_lets_go_of_what_is_discarded_and_soon_of_its_place() -> None:
    s3 = S3Fifo(1_000, None)
    slots = admit(s3, map(str, range(100)))
    first = slots.pop("50")
    s3.discard(first)
    assert (first.key, first.entry.value, len(s3._small)) == (None, None, 100)
    for other in slots.values():
        s3.discard(other)
    assert len(s3._small) <= 16
    assert (s3._small_count, s3._small_bytes) == (0, 0)


def test_s3_fifo_spares_whom_it_is_told_to() -> None:
    s3 = S3Fifo(10, None)
    slots = admit(s3, "ab")
    assert evict(s3, spared=slots["a"]) == ["b"]
    assert evict(s3) == ["a"]


def test_s3_fifo_lets_the_dead_go_whatever_their_merits() -> None:
    s3 = S3Fifo(10, None)
    slots = admit(s3, "abc")
    slots["a"].uses = slots["b"].uses = 3
    assert s3.evict(lambda slot: slot is slots["b"], None) is slots["b"]
    s3.discard(slots["c"])
    slots["a"].uses = 3
    assert s3.evict(lambda slot: True, None) is slots["a"]
    assert slots["a"].uses == 3, "it went without another round"
