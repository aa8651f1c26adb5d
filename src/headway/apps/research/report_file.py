"""The report as a file that is readable at every moment: finished sections, gaps named."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import long_date
from .price_path import SYNTHETIC_NOTE
from .sections import SECTION_TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .prose import Section

DISCLAIMER = "Historic figures, put together as a demonstration. Not investment advice."
NOT_FINISHED = "_(not finished)_"

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*(?:[.-][A-Z0-9]+)*")


class ReportNotWritten(OSError):
    """The report could not be written; the sections are still in memory, and no part is left."""

    def __init__(self, path: Path, cause: OSError) -> None:
        self.path = path
        reason = cause.strerror or str(cause)
        super().__init__(
            f"the report {path} could not be written: {reason}. The file holds what was written "
            "before; free the place or choose another folder, and the next section writes it all"
        )


class ReportFile:
    """`<folder>/<SYMBOL>_<date>.md`, rewritten as a whole each time a section is finished.

    A reader sees the old file or the new one, never half of one. Nothing is written before the
    first call of `start`, `add` or `leave_out`.
    """

    def __init__(self, folder: Path | str, symbol: str, date: str, company: str = "") -> None:
        """`date` is an ISO day. Raises ValueError for a symbol or day that cannot be in a name."""
        if not _SYMBOL.fullmatch(symbol):
            raise ValueError(f"symbol {symbol!r} cannot name a report: use a ticker such as NVDA")
        self.heading = f"{company} ({symbol})" if company else symbol
        self.day = long_date(date)
        self.path = Path(folder) / f"{symbol}_{date}.md"
        self.sections: dict[str, Section] = {}
        self.left_out: dict[str, str] = {}

    def start(self) -> None:
        """Write the file with every section still open. Raises ReportNotWritten."""
        self._write()

    def add(self, section: Section) -> None:
        """Put a finished section in its place and write. Raises ReportNotWritten, KeyError."""
        _check_key(section.key)
        self.left_out.pop(section.key, None)
        self.sections[section.key] = section
        self._write()

    def leave_out(self, key: str, because: str) -> None:
        """Name why a section is missing, and write. Raises ReportNotWritten, KeyError."""
        _check_key(key)
        self.sections.pop(key, None)
        self.left_out[key] = " ".join(because.split())
        self._write()

    def _write(self) -> None:
        text = render_report(self.heading, self.day, self.sections, self.left_out)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(self.path, text)
        except OSError as problem:
            raise ReportNotWritten(self.path, problem) from problem


def render_report(
    heading: str, day: str, sections: Mapping[str, Section], left_out: Mapping[str, str]
) -> str:
    """The report in reading order, whatever the order in which its sections were finished."""
    head = [f"# {heading}", f"Research report of {day}. {DISCLAIMER}"]
    if any(section.synthetic for section in sections.values()):
        head.append(f"**Holds synthetic data, marked where it is used.** {SYNTHETIC_NOTE}")
    unverified = sum(len(section.unverified) for section in sections.values())
    if unverified:
        head.append(f"**{_marked(unverified)} not in the data, marked as unverified.**")
    for key, title in SECTION_TITLES.items():
        head += [f"## {title}", _body(key, sections, left_out)]
    return "\n\n".join(head) + "\n"


def replace_whole(path: Path, text: str) -> None:
    """Write a file beside `path` and move it there in one step; on failure leave none behind."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _marked(unverified: int) -> str:
    return "1 figure is" if unverified == 1 else f"{unverified} figures are"


def _body(key: str, sections: Mapping[str, Section], left_out: Mapping[str, str]) -> str:
    if key in sections:
        return sections[key].body
    return f"_(left out because {left_out[key]})_" if key in left_out else NOT_FINISHED


def _check_key(key: str) -> None:
    if key not in SECTION_TITLES:
        raise KeyError(f"no section {key!r} in a report; there are {', '.join(SECTION_TITLES)}")
