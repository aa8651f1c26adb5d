"""Sections on the screen: whole ones, and one at a time that is still being written.

Of several that are being written the one that began first is shown word by word. The others wait;
what is finished in the meantime follows whole, in the order of finishing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import TextIO

from .prose import Section
from .sections import SECTION_TITLES

WIDTH = 96
_INDENTED = ("- ", "[")


class Screen:
    """Writes sections for people; with `rich` whole ones are rendered as Markdown."""

    def __init__(self, out: TextIO, *, rich: bool = False) -> None:
        self._out, self._rich = out, rich
        if rich:
            import_module("rich.markdown")  # now, not in the middle of the work
        self._shown: str | None = None
        self._drafts: dict[str, str] = {}
        self._waiting: list[Section] = []
        self._fold = Fold()

    @property
    def is_mid_line(self) -> bool:
        """Words of a section stand on the screen, and more will follow them."""
        return self._shown is not None

    def words(self, key: str, text: str) -> None:
        """Show more of a section that is being written, or keep it until its turn."""
        if self._shown is None:
            self._begin(key)
        if key == self._shown:
            self._write(self._fold.more(text))
        else:
            self._drafts[key] = self._drafts.get(key, "") + text

    def finish(self, section: Section) -> None:
        """Show a finished section, or what is missing of it, or keep it until its turn."""
        if self._shown == section.key:
            listed = section.body[len(section.text) :]
            self._write("\n\n" + _folded(listed.strip()) if listed else "\n")
            self._next()
        elif self._shown is None:
            self._show(section)
        else:
            self._drafts.pop(section.key, None)
            self._waiting.append(section)

    def break_off(self, key: str) -> None:
        """Nothing more of this section will come."""
        self._drafts.pop(key, None)
        if self._shown == key:
            self._write("\n\n(broken off)\n")
            self._next()

    def tell(self, line: str) -> None:
        """Show a line of its own."""
        self._write(f"\n{_folded(line)}")

    def _next(self) -> None:
        """What is finished first, then the section that began first of those still written."""
        self._shown = None
        for section in self._waiting:
            self._show(section)
        self._waiting.clear()
        if self._drafts:
            key = next(iter(self._drafts))
            self._begin(key)
            self._write(self._fold.more(self._drafts.pop(key)))

    def _begin(self, key: str) -> None:
        self._shown, self._fold = key, Fold()
        self._head(SECTION_TITLES[key])

    def _head(self, title: str) -> None:
        self._write(f"\n{title}\n{'=' * len(title)}\n\n")

    def _show(self, section: Section) -> None:
        if self._rich:
            _show_rich(section, self._out)
        else:
            self._head(section.title)
            self._write(_folded(section.body))

    def _write(self, text: str) -> None:
        self._out.write(printable(text, self._out.encoding))
        self._out.flush()


class Fold:
    """Folds a text that comes in pieces, whole words each, into lines."""

    def __init__(self, width: int = WIDTH) -> None:
        self._width, self._column, self._indent, self._blank = width, 0, "", ""

    def more(self, text: str) -> str:
        """The piece with line ends where they belong."""
        return "".join(self._folded(text))

    def _folded(self, text: str) -> Iterator[str]:
        for part in _parts(text):
            if part == "\n":
                self._column, self._indent, self._blank = 0, "", ""
                yield part
            elif part == " ":
                self._blank = part if self._column else ""
            else:
                yield from self._word(part)

    def _word(self, word: str) -> Iterator[str]:
        if self._column == 0:
            self._indent = "  " if word.startswith(("-", "[")) else ""
        elif self._column + len(self._blank) + len(word) > self._width and self._blank:
            yield f"\n{self._indent}"
            self._column, self._blank = len(self._indent), ""
        yield self._blank + word
        self._column, self._blank = self._column + len(self._blank) + len(word), ""


def _parts(text: str) -> Iterator[str]:
    """Words, blanks and line ends, each on its own."""
    for number, line in enumerate(text.split("\n")):
        if number:
            yield "\n"
        for place, word in enumerate(line.split(" ")):
            if place:
                yield " "
            if word:
                yield word


def _folded(text: str) -> str:
    """The text for a plain terminal or a pipe: long lines folded, lists indented."""
    lines: list[str] = []
    for line in text.splitlines():
        indent = "  " if line.startswith(_INDENTED) else ""
        lines += textwrap.wrap(line, WIDTH, subsequent_indent=indent) or [""]
    return "\n".join(lines) + "\n"


def printable(text: str, encoding: str | None) -> str:
    """The text as a screen of this encoding can show it; marks of unverified figures in ASCII."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = text.replace("⟨", "[").replace("⟩", "]")
        return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
    return text


def _show_rich(section: Section, out: TextIO) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=out, width=None if out.isatty() else WIDTH)
    console.print(f"\n[bold]{section.title}[/bold]\n")
    console.print(Markdown(section.body))
