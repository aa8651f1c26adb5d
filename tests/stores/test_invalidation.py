"""Void or not, decided by counting."""

from headway.stores import Entry
from headway.stores.invalidation import Invalidations


def entry(*tags: str, mark: int = 0) -> Entry:
    return Entry("value", made_at=0.0, fresh_until=1.0, tags=tags, mark=mark)


def test_only_what_was_begun_before_is_void() -> None:
    invalidations = Invalidations()
    before = entry("a", mark=invalidations.count)
    invalidations.invalidate(["a", "b"])
    after = entry("a", mark=invalidations.count)
    assert invalidations.has_tag_voided(before)
    assert not invalidations.has_tag_voided(after)
    assert not invalidations.has_tag_voided(entry("c"))
    assert not invalidations.has_tag_voided(entry())


def test_clearing_keeps_out_everything_begun_before() -> None:
    invalidations = Invalidations()
    invalidations.clear()
    assert invalidations.is_void_on_arrival(entry(mark=0))
    assert not invalidations.is_void_on_arrival(entry(mark=1))


def test_folding_bounds_the_table_and_forgets_the_oldest() -> None:
    invalidations = Invalidations(max_tags=4)
    is_full = []
    for number in range(5):
        invalidations.invalidate([f"tag {number}"])
        is_full.append(invalidations.is_full)
    invalidations.fold()
    is_full.append(invalidations.is_full)
    assert is_full == [False, False, False, False, True, False]
    held = [n for n in range(5) if invalidations.has_tag_voided(entry(f"tag {n}"))]
    assert held == [3, 4]


def test_a_tag_invalidated_again_counts_as_new() -> None:
    invalidations = Invalidations(max_tags=4)
    for tag in ("again", "b", "c", "d", "again", "e"):
        invalidations.invalidate([tag])
    invalidations.fold()
    assert invalidations.has_tag_voided(entry("again"))
    assert invalidations.has_tag_voided(entry("e"))
    assert not invalidations.has_tag_voided(entry("d"))


def test_what_is_forgotten_still_keeps_old_work_out() -> None:
    invalidations = Invalidations(max_tags=2)
    for tag in ("a", "b", "c"):
        invalidations.invalidate([tag])
    invalidations.fold()
    assert invalidations.is_void_on_arrival(entry("a", mark=0))
    assert invalidations.is_void_on_arrival(entry("innocent", mark=1)), "cannot be told apart"
    assert not invalidations.is_void_on_arrival(entry("innocent", mark=2))
    assert not invalidations.is_void_on_arrival(entry(mark=0)), "without tags it cannot be void"


def test_many_tags_at_once_are_folded_at_once() -> None:
    invalidations = Invalidations(max_tags=10)
    invalidations.invalidate(f"tag {number}" for number in range(1_000))
    invalidations.fold()
    assert not invalidations.is_full
    assert invalidations.has_tag_voided(entry("tag 999"))
