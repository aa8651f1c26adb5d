"""Where finished sections go: onto the screen at once, and into the report file."""

from __future__ import annotations

import logging
from collections.abc import Callable

from headway import clock

from .prose import Section
from .report_file import ReportFile, ReportNotWritten
from .screen import Screen
from .sections import SECTION_TITLES

log = logging.getLogger("headway.apps.research")


class Desk:
    """Publishes sections as they come; a report that cannot be written is told of once."""

    def __init__(self, report: ReportFile, screen: Screen) -> None:
        self.report, self.screen = report, screen
        self.first_words_at: float | None = None
        self.first_section_at: float | None = None
        self.unwritten = 0
        self.published: list[str] = []

    def open(self) -> None:
        """Put the empty report in its place."""
        self._write(self.report.start)

    def words(self, key: str, text: str) -> None:
        """Show more of a section that is being written."""
        self.screen.words(key, text)
        self.first_words_at = self.first_words_at or clock.monotonic()

    def broken_off(self, key: str) -> None:
        """The section that is being written will not be finished."""
        self.screen.break_off(key)

    def publish(self, section: Section) -> None:
        """Show the section under its title and put it into the report."""
        self.screen.finish(section)
        self.first_section_at = self.first_section_at or clock.monotonic()
        self.published.append(section.key)
        self._write(lambda: self.report.add(section))

    def leave_out(self, key: str, because: str) -> None:
        """Name a section that will not come."""
        self.screen.tell(f"{SECTION_TITLES[key]}: left out because {because}")
        self._write(lambda: self.report.leave_out(key, because))

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except ReportNotWritten as problem:
            self.unwritten += 1
            if self.unwritten == 1:
                log.warning("%s", problem)
