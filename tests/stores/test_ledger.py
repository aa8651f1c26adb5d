"""What a process knows of a shared store's invalidations, and what it admits not to know."""

from headway.stores.ledger import Change, Gap, Ledger, News, Rebirth, State, Verdict, tag_of_key


def met(count: int = 10, born: int = 1, max_tags: int = 100) -> Ledger:
    ledger = Ledger(max_tags)
    ledger.meet(State(born=born, count=count, cleared=0))
    return ledger


def test_what_was_marked_after_the_latest_invalidation_is_good() -> None:
    assert met(count=10).verdict(10, ["a"]) is Verdict.GOOD


def test_of_the_time_before_it_was_met_it_knows_nothing() -> None:
    assert met(count=10).verdict(9, ["a"]) is Verdict.UNKNOWN


def test_a_tag_voids_what_was_begun_before() -> None:
    ledger = met(count=10)
    assert ledger.learn([Change(11, ("a",)), Change(12, ("b",))])
    assert ledger.verdict(10, ["a"]) is Verdict.VOID
    assert ledger.verdict(11, ["a"]) is Verdict.GOOD
    assert ledger.verdict(11, ["b"]) is Verdict.VOID
    assert ledger.verdict(10, ["c"]) is Verdict.GOOD


def test_clearing_voids_everything_before() -> None:
    ledger = met(count=10)
    ledger.learn([Change(11, ())])
    assert ledger.verdict(10, []) is Verdict.VOID
    assert ledger.verdict(11, []) is Verdict.GOOD


def test_a_number_is_heard_once_and_a_hole_is_reported() -> None:
    ledger, heard = met(count=10), list[News]()
    ledger.listen(heard.append)
    assert ledger.learn([Change(11, ("a",))])
    assert ledger.learn([Change(11, ("a",))]), "an echo"
    assert not ledger.learn([Change(13, ("c",))]), "12 is missing"
    assert ledger.learn([Change(12, ("b",)), Change(13, ("c",))])
    assert heard == [Change(11, ("a",)), Change(12, ("b",)), Change(13, ("c",))]


def test_meeting_says_whether_there_is_something_to_catch_up() -> None:
    ledger = met(count=10)
    assert not ledger.meet(State(1, 10, 0))
    assert ledger.meet(State(1, 12, 0))


def test_what_is_lost_is_a_gap_and_nothing_before_it_is_known() -> None:
    ledger, heard = met(count=10), list[News]()
    ledger.listen(heard.append)
    ledger.give_up(State(1, 20, 0))
    assert heard == [Gap(20)]
    assert ledger.verdict(19, ["a"]) is Verdict.UNKNOWN
    assert ledger.verdict(20, ["a"]) is Verdict.GOOD


def test_a_store_that_lost_its_data_voids_what_it_kept_before() -> None:
    ledger, heard = met(count=10), list[News]()
    ledger.listen(heard.append)
    ledger.learn([Change(11, ("a",))])
    ledger.meet(State(born=100, count=100, cleared=0))
    assert heard[-1] == Rebirth(100)
    assert ledger.verdict(11, ["b"]) is Verdict.VOID
    assert ledger.verdict(100, ["a"]) is Verdict.GOOD
    assert ledger.recent(60) == ("a",), "to be told to the store that forgot it"


def test_forgotten_tags_make_verdicts_unknown_never_good() -> None:
    ledger = met(count=0, born=0, max_tags=10)
    ledger.learn([Change(number, (f"tag {number}",)) for number in range(1, 21)])
    assert ledger.verdict(0, ["tag 1"]) is not Verdict.GOOD
    assert ledger.verdict(0, ["tag 20"]) is Verdict.VOID
    assert ledger.verdict(19, ["tag 3"]) is Verdict.GOOD


def test_every_key_has_a_tag_of_its_own() -> None:
    assert tag_of_key(("a", 1)) == tag_of_key(("a", 1))
    assert tag_of_key(("a", 1)) != tag_of_key(("a", True))


def test_a_tag_heard_of_again_is_never_absent_to_who_reads_without_a_lock() -> None:
    taken: list[str] = []

    class Watched(dict[str, int]):
        def pop(self, tag: str, *default: object) -> int:  # type: ignore[override]
            taken.append(tag)
            return super().pop(tag, 0)

    ledger = met(count=10)
    ledger.learn([Change(11, ("a",))])
    ledger._latest = Watched(ledger._latest)
    ledger.learn([Change(12, ("a",))])
    assert ledger.verdict(11, ["a"]) is Verdict.VOID
    assert taken == []


def test_folding_keeps_a_tag_that_was_heard_of_again() -> None:
    ledger = met(count=0, born=0, max_tags=4)
    tags = ("again", "b", "c", "d", "again", "e")
    ledger.learn([Change(number, (tag,)) for number, tag in enumerate(tags, 1)])
    assert ledger.verdict(0, ["again"]) is Verdict.VOID
    assert ledger.verdict(0, ["b"]) is Verdict.UNKNOWN
