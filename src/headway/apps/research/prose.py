"""Sentences with injected data: every number comes from a figure, every sentence names its filings.

A template is plain text with injection points. `{revenue}` is a figure in its own unit,
`{revenue:size}` its size without the sign, `{revenue:end}` and `{revenue:month}` the end of its
period, `{reports:often}` a count as `twice`, `{filing:filed}`, `{filing:end}`, `{filing:form}` and
`{filing:about}` parts of a filing, and any other name a word. The filings behind a sentence follow
it as `[1][2]`.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import structs

from .company_records import Filing
from .figures import Figure, Source, long_date, month_year

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Injected = Figure | Filing | str
Clause: TypeAlias = "tuple[str, Mapping[str, Injected]]"

_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z{])")


class Section(msgspec.Struct, frozen=True):
    """One finished section of a report: its prose, and what its numbers rest on."""

    key: str
    title: str
    text: str
    figures: tuple[Figure, ...]
    sources: tuple[Source, ...]
    synthetic: bool = False
    unverified: tuple[str, ...] = ()
    """What a model wrote and the data does not hold: numbers, and names of figures."""

    @property
    def body(self) -> str:
        """Markdown: the text, then its numbered sources."""
        lines = [f"[{n}] {source.describe()}" for n, source in enumerate(self.sources, start=1)]
        return self.text if not lines else f"{self.text}\n\nSources:\n\n" + "  \n".join(lines)


class Citations:
    """The filings behind a text, numbered from 1 in the order in which they come up."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str | None, ...], Source] = {}

    def number(self, source: Source) -> int:
        """The place of a filing in the list; one filing has one place, however it was read."""
        filing = (source.form, source.period_end, source.filed, source.accession)
        self._sources.setdefault(filing, source)
        return list(self._sources).index(filing) + 1

    def listed(self) -> tuple[Source, ...]:
        """The list."""
        return tuple(self._sources.values())


class Prose:
    """A text that grows by sentences, and remembers the figures and filings put into it."""

    def __init__(self) -> None:
        self._paragraphs: list[list[str]] = [[]]
        self._figures: dict[Figure, None] = {}
        self._citations = Citations()

    def say(self, template: str, injected: Mapping[str, Injected]) -> None:
        """Add the template's sentences to the paragraph, each with its markers."""
        for sentence in _SENTENCE_END.split(template):
            self._paragraphs[-1].append(self._sentence([(sentence, injected)]))

    def say_joined(self, opening: str, clauses: Sequence[Clause], end: str = ".") -> None:
        """Add one sentence made of clauses: `opening a, b and c.`"""
        parts: list[Clause] = [(opening, {})]
        for place, clause in enumerate(clauses):
            joint = "" if place == 0 else (", " if place < len(clauses) - 1 else " and ")
            parts += [(joint, {}), clause]
        self._paragraphs[-1].append(self._sentence([*parts, (end, {})]))

    def line(self, template: str, injected: Mapping[str, Injected]) -> None:
        """Add one bullet line; lines that follow one another make a list."""
        if not self._paragraphs[-1] or not self._paragraphs[-1][0].startswith("- "):
            self.paragraph()
        bullet = "- " + self._sentence([(template, injected)])
        self._paragraphs[-1] = ["\n".join([*self._paragraphs[-1], bullet])]

    def paragraph(self) -> None:
        """What follows begins a new paragraph."""
        if self._paragraphs[-1]:
            self._paragraphs.append([])

    def section(self, key: str, title: str, synthetic: bool = False) -> Section:
        """The finished section."""
        text = "\n\n".join(" ".join(sentences) for sentences in self._paragraphs if sentences)
        return Section(key, title, text, tuple(self._figures), self._citations.listed(), synthetic)

    def _sentence(self, clauses: Sequence[Clause]) -> str:
        parts: list[str] = []
        markers: set[int] = set()
        for template, injected in clauses:
            for literal, name, spec, _ in Formatter().parse(template):
                parts.append(literal)
                if name is not None:
                    parts.append(self._inject(name, injected[name], spec or "", markers))
        return _with_markers(_capitalised("".join(parts)), markers)

    def _inject(self, name: str, value: Injected, spec: str, markers: set[int]) -> str:
        markers.update(self._citations.number(source) for source in sources_behind(value))
        if isinstance(value, Figure):
            self._figures[value] = None
        return words_of(name, value, spec)


def sources_behind(value: Injected) -> tuple[Source, ...]:
    """The filings that an injected value rests on; a word rests on none."""
    if isinstance(value, Filing):
        return (value.source(),)
    return value.sources if isinstance(value, Figure) else ()


def words_of(name: str, value: Injected, spec: str) -> str:
    """What stands in the text for `{name:spec}`. Raises ValueError if it takes no such `spec`."""
    if isinstance(value, str):
        return value
    if isinstance(value, Filing):
        return _filing_words(name, value, spec)
    return _figure_words(name, value, spec)


def _figure_words(name: str, figure: Figure, spec: str) -> str:
    if spec == "":
        return str(figure)
    if spec == "size":
        return str(structs.replace(figure, value=abs(figure.known())))
    if spec == "often":
        return _often(figure)
    if spec in ("end", "month") and figure.period_end is not None:
        return long_date(figure.period_end) if spec == "end" else month_year(figure.period_end)
    raise ValueError(f"{{{name}:{spec}}}: a figure takes size, often, end, month or nothing")


def _often(figure: Figure) -> str:
    words = {1: "once", 2: "twice"}
    return words.get(round(figure.known()), f"{figure} times")


def _filing_words(name: str, filing: Filing, spec: str) -> str:
    if spec == "filed":
        return long_date(filing.filed)
    if spec == "end" and filing.period_end is not None:
        return long_date(filing.period_end)
    if spec in ("form", "about"):
        return filing.form if spec == "form" else filing.about
    raise ValueError(f"{{{name}:{spec}}}: a filing takes filed, end, form or about")


def _capitalised(sentence: str) -> str:
    """The first letter large, unless the first word has capitals of its own (such as `iPhone`)."""
    first = sentence.split(" ", 1)[0]
    return sentence if first != first.lower() else sentence[:1].upper() + sentence[1:]


def _with_markers(sentence: str, markers: set[int]) -> str:
    if not markers:
        return sentence
    marks = "".join(f"[{number}]" for number in sorted(markers))
    body, end = (sentence[:-1], sentence[-1]) if sentence[-1] in ".:;!?" else (sentence, "")
    return f"{body} {marks}{end}"
