"""Where finished sections go: onto the screen at once, and into the report file."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TextIO

from headway import clock

from .prose import Section
from .report_file import ReportFile, ReportNotWritten

WIDTH = 96

log = logging.getLogger("headway.apps.research")


class Desk:
    """Publishes sections as they come; a report that cannot be written is told of once."""

    def __init__(self, report: ReportFile, out: TextIO, *, rich: bool = False) -> None:
        self.report, self._out, self._rich = report, out, rich
        if rich:
            import_module("rich.markdown")  # now, not in the middle of the work
        self.first_section_at: float | None = None
        self.unwritten = 0
        self.published: list[str] = []

    def open(self) -> None:
        """Put the empty report in its place."""
        self._write(self.report.start)

    def publish(self, section: Section) -> None:
        """Show the section under its title and put it into the report."""
        self._show(section)
        self._out.flush()
        if self.first_section_at is None:
            self.first_section_at = clock.monotonic()
        self.published.append(section.key)
        self._write(lambda: self.report.add(section))

    def leave_out(self, key: str, because: str) -> None:
        """Name a section that will not come."""
        self._write(lambda: self.report.leave_out(key, because))

    def _show(self, section: Section) -> None:
        if self._rich:
            _show_rich(section, self._out)
            return
        self._out.write(f"\n{section.title}\n{'=' * len(section.title)}\n\n")
        self._out.write("\n".join(_wrapped(section.body)) + "\n")

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except ReportNotWritten as problem:
            self.unwritten += 1
            if self.unwritten == 1:
                log.warning("%s", problem)


def _wrapped(body: str) -> Iterator[str]:
    """The body for a plain terminal or a pipe: long lines folded, lists indented."""
    for line in body.splitlines():
        indent = "  " if line.startswith(("- ", "[")) else ""
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent) or [""]


def _show_rich(section: Section, out: TextIO) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=out, width=None if out.isatty() else WIDTH)
    console.print(f"\n[bold]{section.title}[/bold]\n")
    console.print(Markdown(section.body))
