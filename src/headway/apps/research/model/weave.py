"""A model's words as they come, with figures put in and numbers checked.

`{revenue}` becomes the figure of that name, with its filing noted at the end of the sentence. A
number that the model wrote itself stays if the data accounts for it; otherwise it is marked, and so
is a name that there is not. Text is given out at word ends, and held back only while a number may
still go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..figures import Figure
from ..number_check import NumberCheck, Place
from ..prose import Citations, Injected, Section, sources_behind, words_of
from .named_data import NamedData

MARK = "⟨unverified: {}⟩"
CUT_OFF = "_(cut off: the model's answer became too long)_"

_PLACEHOLDER = re.compile(r"\{([a-z0-9_]{1,80})(?::([a-z]{1,10}))?\}")
_POINT = re.compile(rf"{_PLACEHOLDER.pattern}|(?P<end>[.!?](?=\s|$)|(?<=[^\s.!?])(?=\n|$))")
_OWN_MARKER = re.compile(r" ?\[\d+\]")  # a source that the model made up
_LONGEST_NAME = 100
# What ends a sentence ends every number in it.
_SENTENCE_END = re.compile(r"[.!?:;][\"')]*\s+$|\n\s*$")
_MAY_GO_ON = re.compile(
    r"\d|\$|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty"
    r"|fifty|sixty|seventy|eighty|ninety|hundred|January|February|March|April|May|June|July|August"
    r"|September|October|November|December)\b",
    re.IGNORECASE,
)
_WORDS_OF_A_NUMBER = 4
_BLANKS = re.compile(r"\s+")
_MOST_LOOKED_AT = 400  # the last words, however long the text
# Nothing that a model writes may steer a terminal or turn the direction of a text.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CLEANED: dict[int, str | None] = {**dict.fromkeys(_CONTROLS), 0x09: " ", 0x0A: "\n"}


class Weaver:
    """Turns what one call of a model writes into one section."""

    def __init__(self, data: NamedData) -> None:
        self._named: dict[str, Injected] = {**data.figures, **data.filings}
        filed = [filing.source() for filing in data.filings.values()]
        self._check = NumberCheck(data.figures.values(), filed)
        self._raw = self._blank = ""
        self._held = 0  # so much of the beginning of raw has no place to cut
        self._citations = Citations()
        self._markers: set[int] = set()
        self._figures: dict[Figure, None] = {}
        self._text: list[str] = []
        self.unverified: list[str] = []

    def feed(self, piece: str) -> str:
        """What can be shown now that this piece has come."""
        self._raw += piece.translate(_CLEANED)
        cut = safe_cut(self._raw, self._held)
        ready, self._raw = self._raw[:cut], self._raw[cut:]
        # Where no word ended safely none will: only what comes after is looked at next time.
        self._held = max(len(self._raw) - _LONGEST_NAME, 0)
        return self._give_out(ready)

    def finish(self, *, is_cut_off: bool = False) -> str:
        """The rest."""
        rest, self._raw = self._raw.rstrip(), ""
        shown = self._give_out(rest)
        if is_cut_off:
            self._text.append(f" {CUT_OFF}")
            shown += self._text[-1]
        return shown

    @property
    def is_empty(self) -> bool:
        """Nothing but blanks has come."""
        return not "".join(self._text).strip()

    def section(self, key: str, title: str) -> Section:
        """The finished section."""
        is_synthetic = any(
            s.basis == "synthetic" for figure in self._figures for s in figure.sources
        )
        return Section(
            key,
            title,
            "".join(self._text).strip(),
            tuple(self._figures),
            self._citations.listed(),
            is_synthetic,
            tuple(self.unverified),
        )

    def _give_out(self, raw: str) -> str:
        if not raw:
            return ""
        woven = self._blank + "".join(self._woven(raw))
        shown = woven.rstrip()
        self._blank = woven[len(shown) :]  # shown with the next word, if there is one
        self._text.append(shown if any(self._text) else shown.lstrip())
        return self._text[-1]

    def _woven(self, raw: str) -> Iterator[str]:
        raw = _OWN_MARKER.sub("", raw)
        unknown = self._check.find(_PLACEHOLDER.sub(lambda match: " " * len(match[0]), raw))
        place = 0
        for point in _POINT.finditer(raw):
            yield from self._literal(raw, place, point.start(), unknown)
            yield self._cited() + point[0] if point["end"] is not None else self._injected(point)
            place = point.end()
        yield from self._literal(raw, place, len(raw), unknown)

    def _literal(self, raw: str, start: int, end: int, unknown: list[Place]) -> Iterator[str]:
        """The model's own words from start to end, its unknown numbers marked."""
        for begins, ends in unknown:
            if start <= begins < end:
                yield raw[start:begins]
                yield self._marked(raw[begins:ends])
                start = ends
        yield raw[start:end]

    def _injected(self, point: re.Match[str]) -> str:
        name, spec = point[1], point[2] or ""
        value = self._named.get(name)
        if value is None:
            return self._marked(point[0])
        try:
            words = words_of(name, value, spec)
        except ValueError:
            return self._marked(point[0])
        if isinstance(value, Figure):
            self._figures[value] = None
        self._markers.update(self._citations.number(source) for source in sources_behind(value))
        return words

    def _cited(self) -> str:
        """The markers of a sentence that ends here."""
        marks = "".join(f"[{number}]" for number in sorted(self._markers))
        self._markers.clear()
        return f" {marks}" if marks else ""

    def _marked(self, text: str) -> str:
        self.unverified.append(text)
        return MARK.format(text)


def safe_cut(raw: str, held: int = 0) -> int:
    """How much of the beginning can be given out: whole words, no half number, no half name.

    *held* says of how much of it is known that it has no place to cut.
    """
    opening = raw.rfind("{")
    if opening >= 0 and "}" not in raw[opening:] and len(raw) - opening < _LONGEST_NAME:
        raw = raw[:opening]
    ends = [match.end() for match in _BLANKS.finditer(raw, held)]
    for end in reversed(ends):
        before = raw[max(end - _MOST_LOOKED_AT, 0) : end]
        last = " ".join(_PLACEHOLDER.sub("", before).split()[-_WORDS_OF_A_NUMBER:])
        if _SENTENCE_END.search(before) or not _MAY_GO_ON.search(last):
            return end
    return 0
