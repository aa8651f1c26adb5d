"""The report file: always whole, in reading order, gaps named, nothing left behind."""

import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.apps.research.price_path import price_path
from headway.apps.research.report_file import (
    DISCLAIMER,
    NOT_FINISHED,
    ReportFile,
    ReportNotWritten,
    render_report,
)
from headway.apps.research.sections import SECTION_TITLES, write_risk

DAY = "2026-11-21"


@pytest.fixture
def report(tmp_path):
    return ReportFile(tmp_path / "reports", "NVDA", DAY, company="NVIDIA")


@pytest.fixture
def sections(research_of):
    return {section.key: section for section in research_of("NVDA").sections}


def test_nothing_is_written_before_it_starts(report):
    assert not report.path.parent.exists()


def test_starts_with_every_gap_named(report):
    report.start()
    text = report.path.read_text("utf-8")
    assert report.path.name == "NVDA_2026-11-21.md"
    assert text.startswith("# NVIDIA (NVDA)\n\nResearch report of 21 November 2026. ")
    assert DISCLAIMER in text
    assert text.count(NOT_FINISHED) == 5
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(
        SECTION_TITLES.values()
    )


def test_each_section_is_on_disk_as_soon_as_it_is_added(report, sections):
    for number, section in enumerate(sections.values(), start=1):
        report.add(section)
        text = report.path.read_text("utf-8")
        assert section.body in text
        assert text.count(NOT_FINISHED) == 5 - number


def test_a_section_left_out_says_why_and_can_still_come(report, sections):
    report.leave_out("risk", "the risk analyst\nfailed: time-out")
    assert "_(left out because the risk analyst failed: time-out)_" in report.path.read_text(
        "utf-8"
    )
    report.add(sections["risk"])
    text = report.path.read_text("utf-8")
    assert "left out" not in text
    assert sections["risk"].body in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(order=st.permutations(tuple(SECTION_TITLES)), finished=st.integers(0, 5))
def test_reading_order_whatever_is_finished_first(tmp_path, sections, order, finished):
    report = ReportFile(tmp_path, "NVDA", DAY)
    report.start()
    for key in order[:finished]:
        report.add(sections[key])
    for key in order[finished:]:
        report.leave_out(key, "it was not asked for")
    text = report.path.read_text("utf-8")
    places = [text.index(f"## {title}\n") for title in SECTION_TITLES.values()]
    assert places == sorted(places)
    for key in order:
        assert (sections[key].body in text) == (key in order[:finished])
    assert [path.name for path in tmp_path.iterdir()] == [report.path.name]


def test_all_orders_end_in_the_same_report(sections):
    texts = {
        render_report("NVDA", "21 November 2026", {key: sections[key] for key in order}, {})
        for order in itertools.permutations(sections)
    }
    assert len(texts) == 1


def test_synthetic_data_is_marked_at_the_head(report, research_of, sections):
    report.add(sections["risk"])
    assert "synthetic" not in report.path.read_text("utf-8")
    report.add(write_risk(research_of("NVDA").risk, price_path("NVDA")))
    head = report.path.read_text("utf-8").split("## ")[0]
    assert "**Holds synthetic data, marked where it is used.**" in head


def test_a_folder_replaced_by_a_file_is_one_clear_error(report, sections):
    report.path.parent.write_text("in the way")
    with pytest.raises(ReportNotWritten, match="could not be written") as raised:
        report.add(sections["summary"])
    assert isinstance(raised.value, OSError)
    assert raised.value.path == report.path
    assert "\n" not in str(raised.value)


def test_after_a_failure_the_next_section_writes_all(report, sections):
    report.path.parent.write_text("in the way")
    with pytest.raises(ReportNotWritten):
        report.add(sections["summary"])
    report.path.parent.unlink()
    report.add(sections["risk"])
    text = report.path.read_text("utf-8")
    assert sections["summary"].body in text
    assert sections["risk"].body in text


def test_a_target_that_cannot_be_replaced_leaves_no_part_behind(report, sections):
    report.path.mkdir(parents=True)
    with pytest.raises(ReportNotWritten):
        report.add(sections["summary"])
    assert [path.name for path in report.path.parent.iterdir()] == [report.path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_keeps_the_old_report_and_leaves_no_part_behind(report, sections):
    report.add(sections["summary"])
    before = report.path.read_text("utf-8")
    beside = report.path.with_name(f".{report.path.name}.{os.getpid()}.part")
    beside.symlink_to("/dev/full")
    with pytest.raises(ReportNotWritten, match="No space left"):
        report.add(sections["risk"])
    assert report.path.read_text("utf-8") == before
    assert [path.name for path in report.path.parent.iterdir()] == [report.path.name]


@pytest.mark.parametrize("symbol", ["", "..", "../NVDA", "NVDA/x", "nvda", "A\x00", "A B", "-A"])
def test_a_symbol_that_is_no_ticker_never_becomes_a_path(tmp_path, symbol):
    with pytest.raises(ValueError, match="cannot name a report"):
        ReportFile(tmp_path, symbol, DAY)


@pytest.mark.parametrize("day", ["", "today", "2026-13-01", "../../x"])
def test_a_date_that_is_none_is_refused(tmp_path, day):
    with pytest.raises(ValueError, match=r"isoformat|month"):
        ReportFile(tmp_path, "NVDA", day)


def test_an_unknown_section_is_refused(report, sections):
    with pytest.raises(KeyError, match="no section 'appendix'"):
        report.leave_out("appendix", "it does not exist")
