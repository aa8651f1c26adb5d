"""Find the numbers of a text that no figure accounts for: the guard on words written by a model.

A number is accounted for if it is a correct rounding of a figure, to the digits shown and in the
figure's unit (sign apart: a fall of 9.8 % is the growth -9.8 %), or a date or year of a filing.
It is not checked that a number stands at the right name; numerals written as words are reported
only before a unit (`two billion`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .figures import long_date

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .figures import Figure, Source, Unit

_SCALE = {"trillion": 1e12, "billion": 1e9, "million": 1e6, "thousand": 1e3, "": 1.0}
_FORM = re.compile(r"\b(?:10-[KQ](?:/A)?|8-K|DEF 14A|424B\d|S-\d+(?:ASR)?)\b")
_MARKER = re.compile(r"\[\d+\]")
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_LONG_DATE = re.compile(rf"\b(\d{{1,2}} {_MONTH} \d{{4}})\b")
_ISO_DATE = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
_US_DATE = re.compile(rf"\b({_MONTH}) (\d{{1,2}}), (\d{{4}})\b")
_NUMBER = re.compile(
    r"(?P<dollar>\$ ?)?(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)"
    r"(?: ?(?P<scale>trillion|billion|million|thousand)\b)?"
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


def check_numbers(
    text: str, figures: Iterable[Figure], sources: Iterable[Source] = ()
) -> tuple[str, ...]:
    """The numbers in `text` that are not among the figures or dates, as they are written."""
    known = tuple(figure for figure in figures if figure.is_reported)
    days = _days(known, sources)
    unknown: list[str] = []
    rest = _MARKER.sub(" ", _FORM.sub(" ", text))
    rest = _drop_dates(rest, days, unknown)
    unknown += [match.group(0) for match in _SPELLED.finditer(rest)]
    years = {day[:4] for day in days}
    for match in _NUMBER.finditer(rest):
        if not _is_known(match, known, years):
            unknown.append(match.group(0).strip())
    return tuple(unknown)


def _days(figures: Iterable[Figure], sources: Iterable[Source]) -> set[str]:
    """Every date of the figures and of their filings."""
    listed = [*sources]
    days: set[str | None] = set()
    for figure in figures:
        days.add(figure.period_end)
        listed.extend(figure.sources)
    days.update(day for source in listed for day in (source.filed, source.period_end))
    return {day for day in days if day is not None}


def _drop_dates(text: str, days: set[str], unknown: list[str]) -> str:
    """The text without its full dates; those that are not known are noted."""
    long = {long_date(day) for day in days}

    def american(match: re.Match[str]) -> str:
        return f"{match[2]} {match[1]} {match[3]}"

    def dropped(match: re.Match[str]) -> str:
        if match[1] not in days and match[1] not in long:
            unknown.append(match[1])
        return " "

    return _LONG_DATE.sub(dropped, _ISO_DATE.sub(dropped, _US_DATE.sub(american, text)))


def _is_known(match: re.Match[str], figures: tuple[Figure, ...], years: set[str]) -> bool:
    digits, scale = match["digits"].rstrip(","), match["scale"] or ""
    unit = match["unit"] or ""
    if not (match["dollar"] or unit or scale) and digits in years:
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


def _short(unit: str) -> str:
    if unit.startswith("percentage"):
        return "point"
    return unit.rstrip("s") if unit.startswith("year") else unit
