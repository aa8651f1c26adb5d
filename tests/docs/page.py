"""A page of the documentation, taken apart: its code blocks, tables, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[\w-]*)")
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_HEADING = re.compile(r"(?P<depth>#{1,6}) +(?P<title>.+?) *#* *$")


class Block(NamedTuple):
    """A fenced block; ``line`` is the number of its first line of content in the page."""

    language: str
    line: int
    text: str


@dataclass(frozen=True)
class Page:
    """A page's fenced blocks, and its lines with those blocks blanked out."""

    path: Path
    blocks: tuple[Block, ...]
    prose: tuple[str, ...]

    def links(self) -> Iterator[tuple[int, str]]:
        """Line and target of every link in the prose."""
        for number, line in enumerate(self.prose, 1):
            for found in _LINK.finditer(_CODE.sub("", line)):
                yield number, found["target"]

    def anchors(self) -> set[str]:
        """What a link to a heading of this page may say after ``#``."""
        found = [_HEADING.match(line) for line in self.prose]
        return {anchor(heading["title"]) for heading in found if heading}

    def table_under(self, title: str) -> list[list[str]]:
        """The cells of the first table under the heading *title*, without its head."""
        lines = iter(self.prose)
        for line in lines:
            heading = _HEADING.match(line)
            if heading and heading["title"] == title:
                break
        rows = []
        for line in lines:
            if line.startswith("|"):
                rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
            elif rows or _HEADING.match(line):
                break
        return rows[2:]


def anchor(title: str) -> str:
    """A heading as it appears in links: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def pages() -> list[Path]:
    """Every page of the documentation, the README included."""
    return [*sorted(DOCS.rglob("*.md")), *ROOT.glob("README.md")]


def read(path: Path) -> Page:
    """The page at *path*.

    Raises:
        ValueError: a block is never closed.
    """
    blocks: list[Block] = []
    prose: list[str] = []
    opening, began, inside = None, 0, list[str]()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opening is None and fence:
            opening, began, inside = fence, number + 1, []
        elif opening and fence and _closes(fence, opening):
            blocks.append(Block(opening["language"], began, "".join(inside)))
            opening = None
        elif opening:
            inside.append(_without_indent(line, opening["indent"]) + "\n")
        else:
            prose.append(line)
            continue
        prose.append("")
    if opening is not None:
        raise ValueError(f"{path}: the block at line {began - 1} is never closed")
    return Page(path, tuple(blocks), tuple(prose))


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    return fence["fence"].startswith(opening["fence"]) and not fence["language"]


def _without_indent(line: str, indent: str) -> str:
    return line[len(indent) :] if line.startswith(indent) else line.lstrip(" ")
