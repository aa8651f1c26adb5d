"""Sections on the screen: one is shown while it is written, the others follow whole."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.apps.research.figures import Source
from headway.apps.research.prose import Section
from headway.apps.research.screen import WIDTH, Fold, Screen, printable
from headway.apps.research.sections import SECTION_TITLES

FILING = Source("10-K", "2026-01-25", "2026-02-25", None, "filing")


def section(key: str, text: str) -> Section:
    return Section(key, SECTION_TITLES[key], text, (), (FILING,))


def screen() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(out), out


def order(text: str, *parts: str) -> list[int]:
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    return places


def test_the_first_is_shown_word_by_word_and_the_others_follow_whole() -> None:
    shown, out = screen()
    shown.words("risk", "Debt is")
    shown.words("news", "It filed")
    shown.words("summary", "In short")
    assert out.getvalue() == "\nRisk\n====\n\nDebt is"
    assert shown.is_mid_line
    shown.finish(section("summary", "In short, fine."))
    shown.words("risk", " low.")
    shown.words("news", " much")
    shown.finish(section("risk", "Debt is low."))
    order(
        out.getvalue(), "Debt is low.", "Sources:", "In short, fine.", "News from", "It filed much"
    )
    assert shown.is_mid_line
    shown.words("news", " more.")
    shown.finish(section("news", "It filed much more."))
    assert not shown.is_mid_line
    assert out.getvalue().count("Sources:\n") == 3
    assert "It filed much more.\n\nSources:\n" in out.getvalue()
    assert out.getvalue().count("In short") == 1


def test_a_section_that_breaks_off_gives_way_to_the_next() -> None:
    shown, out = screen()
    shown.words("risk", "Debt is")
    shown.words("news", "It filed")
    shown.break_off("risk")
    order(out.getvalue(), "Debt is", "(broken off)", "It filed")
    shown.break_off("news")
    shown.finish(section("risk", "Whole."))
    order(out.getvalue()[out.getvalue().index("News") :], "It filed", "(broken off)", "Whole.")


def test_a_draft_that_breaks_off_before_its_turn_is_never_seen() -> None:
    shown, out = screen()
    shown.words("risk", "Debt")
    shown.words("news", "It filed")
    shown.break_off("news")
    shown.finish(section("risk", "Debt"))
    assert "filed" not in out.getvalue().replace("filed 25 February", "")


def test_a_section_without_words_before_is_shown_at_once() -> None:
    shown, out = screen()
    shown.finish(section("risk", "Low."))
    assert out.getvalue().startswith("\nRisk\n====\n\nLow.\n\nSources:\n\n[1] Form 10-K")


@given(
    st.lists(st.sampled_from(["word", "- item", "a", "x" * 40, "\n", "\n\n", "[1]"]), max_size=60)
)
def test_folding_piece_by_piece_is_folding_the_whole(words: list[str]) -> None:
    text = " ".join(words)
    fold, whole = Fold(), Fold().more(text)
    pieces = text.split(" ")
    folded = "".join(
        fold.more(piece if place == 0 else f" {piece}") for place, piece in enumerate(pieces)
    )
    assert folded == whole
    assert folded.split() == text.split()
    assert max(len(line) for line in whole.split("\n")) <= WIDTH


def test_a_list_is_indented_where_it_is_folded() -> None:
    lines = Fold(20).more("- one two three four five six\nseven").split("\n")
    assert lines == ["- one two three four", "  five six", "seven"]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        (None, "⟨unverified: 12 %⟩ é"),
        ("utf-8", "⟨unverified: 12 %⟩ é"),
        ("ascii", "[unverified: 12 %] ?"),
        ("latin-1", "[unverified: 12 %] é"),
    ],
)
def test_marks_have_a_form_for_plain_screens(encoding: str | None, shown: str) -> None:
    assert printable("⟨unverified: 12 %⟩ é", encoding) == shown
