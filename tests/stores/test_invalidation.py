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


class Watched(dict[str, int]):
    """Notes every tag that was taken out."""

    def __init__(self, of: dict[str, int]) -> None:
        super().__init__(of)
        self.taken: list[str] = []

    def pop(self, tag: str, *default: object) -> int:  # type: ignore[override]
        self.taken.append(tag)
        return super().pop(tag, 0)

    def __delitem__(self, tag: str) -> None:
        self.taken.append(tag)
        super().__delitem__(tag)


def test_a_tag_invalidated_again_is_never_absent_to_who_reads_without_a_lock() -> None:
    invalidations = Invalidations()
    invalidations.invalidate(["a"])
    watched = invalidations._latest = Watched(invalidations._latest)
    invalidations.invalidate(["a"])
    assert watched == {"a": 2}
    assert watched.taken == []


def test_the_forgotten_number_is_there_before_its_tag_is_gone() -> None:
    invalidations = Invalidations(max_tags=2)
    seen: list[bool] = []

    class Seen(Watched):
        def __delitem__(self, tag: str) -> None:
            super().__delitem__(tag)
            seen.append(invalidations.is_void_on_arrival(entry(tag)))

    for tag in ("a", "b", "c"):
        invalidations.invalidate([tag])
    invalidations._latest = Seen(invalidations._latest)
    invalidations.fold()
    assert seen == [True, True]


def test_a_tag_borne_unsaid_is_void_too_once_it_is_forgotten() -> None:
    invalidations = Invalidations(max_tags=2)
    for tag in ("=key", "b", "c"):
        invalidations.invalidate([tag])
    assert invalidations.is_tag_void("=key", 0)
    invalidations.fold()
    assert invalidations.is_tag_void("=key", 0)
    assert not invalidations.is_tag_void("=key", 2)
