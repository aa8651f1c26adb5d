"""Find the numbers of a text that no figure accounts for: the guard on words written by a model.

A number is accounted for if it is a correct rounding of a figure, to the digits shown and in the
figure's unit (sign apart: a fall of 9.8 % is the growth -9.8 %), or a date or year of a filing.
It is not checked that a number stands at the right name; numerals written as words are reported
only before a unit (`two billion`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .figures import long_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .figures import Figure, Source, Unit

_SCALE = {
    "trillion": 1e12, "billion": 1e9, "million": 1e6, "thousand": 1e3,
    "tn": 1e12, "T": 1e12, "bn": 1e9, "B": 1e9, "M": 1e6, "K": 1e3, "": 1.0,
}  # fmt: skip
_FORM = re.compile(r"\b(?:10-[KQ](?:/A)?|8-K|DEF 14A|424B\d|S-\d+(?:ASR)?)\b")
_MARKER = re.compile(r"\[\d+\]")
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_LONG_DATE = re.compile(rf"\b(\d{{1,2}} {_MONTH} \d{{4}})\b")
_ISO_DATE = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
_US_DATE = re.compile(rf"\b({_MONTH}) (\d{{1,2}}), (\d{{4}})\b")
_NUMBER = re.compile(
    r"(?P<dollar>\$ ?)?(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)"
    r"(?: ?(?P<scale>trillion|billion|million|thousand|tn|bn|[TBMK](?![\w-]))\b)?"
    r"(?: ?(?P<unit>%|percentage points?\b|percent\b|times\b|years?\b|x\b))?",
)
_SPELLED = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|seventy|eighty|ninety|hundred)(?:[- ]\w+)? "
    r"(?:percent|per cent|%|thousand|million|billion|trillion|dollars)\b",
    re.IGNORECASE,
)
_UNITS: dict[str, tuple[Unit, ...]] = {
    "%": ("fraction",),
    "percent": ("fraction",),
    "point": ("points",),
    "times": ("times", "count"),
    "x": ("times",),
    "year": ("years", "count"),
    "$": ("usd", "usd_per_share"),
    "": ("count", "share"),
}


class Place(NamedTuple):
    """From where to where in a text."""

    start: int
    end: int


class NumberCheck:
    """Finds numbers that are not among some figures or dates, in any number of texts."""

    def __init__(self, figures: Iterable[Figure], sources: Iterable[Source] = ()) -> None:
        self._figures = tuple(figure for figure in figures if figure.is_reported)
        days = _days(self._figures, sources)
        self._days = days | {long_date(day) for day in days}
        self._years = {day[:4] for day in days}

    def find(self, text: str) -> list[Place]:
        """Where numbers stand in `text` that nothing accounts for, from left to right."""
        rest = _MARKER.sub(_blank, _FORM.sub(_blank, text))
        found: list[Place] = []
        for pattern, is_known in (
            (_US_DATE, self._is_known_american),
            (_ISO_DATE, self._is_known_day),
            (_LONG_DATE, self._is_known_day),
        ):
            found += _places(pattern, rest, is_known)
            rest = pattern.sub(_blank, rest)
        found += _places(_SPELLED, rest, lambda match: False)
        found += _places(_NUMBER, rest, self._is_known_number)
        return sorted(found)

    def _is_known_day(self, match: re.Match[str]) -> bool:
        return match[1] in self._days

    def _is_known_american(self, match: re.Match[str]) -> bool:
        return f"{match[2]} {match[1]} {match[3]}" in self._days

    def _is_known_number(self, match: re.Match[str]) -> bool:
        return _is_known(match, self._figures, self._years)


def check_numbers(
    text: str, figures: Iterable[Figure], sources: Iterable[Source] = ()
) -> tuple[str, ...]:
    """The numbers in `text` that are not among the figures or dates, as they are written."""
    found = NumberCheck(figures, sources).find(text)
    return tuple(text[place.start : place.end] for place in found)


def _blank(match: re.Match[str]) -> str:
    """As many blanks: what follows keeps its place."""
    return " " * len(match[0])


def _places(
    pattern: re.Pattern[str], text: str, is_known: Callable[[re.Match[str]], bool]
) -> Iterator[Place]:
    for match in pattern.finditer(text):
        if not is_known(match):
            shown = match[0].rstrip(" ,")
            yield Place(match.start(), match.start() + len(shown))


def _days(figures: Iterable[Figure], sources: Iterable[Source]) -> set[str]:
    """Every date of the figures and of their filings."""
    listed = [*sources]
    days: set[str | None] = set()
    for figure in figures:
        days.add(figure.period_end)
        listed.extend(figure.sources)
    days.update(day for source in listed for day in (source.filed, source.period_end))
    return {day for day in days if day is not None}


def _is_known(match: re.Match[str], figures: tuple[Figure, ...], years: set[str]) -> bool:
    digits, scale = match["digits"].rstrip(","), match["scale"] or ""
    unit = match["unit"] or ""
    is_bare = not (match["dollar"] or unit or scale)
    if is_bare and (digits in years or _is_in_a_name(match)):
        return True
    units = _UNITS["$" if match["dollar"] else _short(unit)]
    by_hundred = 100 if units[0] in ("fraction", "points") else 1
    shown = float(digits.replace(",", "")) * _SCALE[scale]
    decimals = len(digits.partition(".")[2])
    tolerance = 0.5 * 10.0**-decimals * _SCALE[scale] * (1 + 1e-9) + 1e-9
    return any(
        figure.unit in units and abs(abs(figure.known()) * by_hundred - shown) <= tolerance
        for figure in figures
    )


def _is_in_a_name(match: re.Match[str]) -> bool:
    """A letter leads into the digits, as in H100 or Q3."""
    return match.string[max(0, match.start() - 1) : match.start()].isalpha()


def _short(unit: str) -> str:
    if unit.startswith("percentage"):
        return "point"
    return unit.rstrip("s") if unit.startswith("year") else unit
