"""A figure, where it comes from, and how a person reads it."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Unit = Literal["usd", "usd_per_share", "share", "count", "fraction", "points", "times", "years"]
Basis = Literal["filing", "series", "quoted", "index", "count", "synthetic"]

NOT_REPORTED = "not reported"

_BASIS_WORDS: dict[Basis, str] = {
    "filing": "read from the filing's XBRL",
    "series": "from the SEC's series of XBRL facts",
    "quoted": "headline figure as widely quoted, not read from the filing",
    "index": "from the EDGAR index of submissions",
    "count": "counted in the EDGAR index of submissions",
    "synthetic": "synthetic, made by a seeded generator",
}
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))


class Source(msgspec.Struct, frozen=True, array_like=True):
    """Which filing a figure comes from; what the source does not state is None.

    `basis` says how it was taken: read from that `filing`; from the SEC's `series`, the filing
    named being the period's own; `quoted`; from the `index` of submissions; a `count` over it; or
    `synthetic`.
    """

    form: str
    period_end: str | None
    filed: str | None
    accession: str | None
    basis: Basis

    def describe(self) -> str:
        """One line for a list of sources."""
        parts = [self.form if self.basis in ("count", "synthetic") else f"Form {self.form}"]
        if self.period_end and self.form.startswith("10-"):
            parts[0] += f" for the period ended {long_date(self.period_end)}"
        elif self.period_end and self.form == "8-K":
            parts[0] += f" on an event of {long_date(self.period_end)}"
        if self.filed:
            parts.append(f"filed {long_date(self.filed)}")
        if self.accession:
            parts.append(f"accession {self.accession}")
        return f"{', '.join(parts)} ({_BASIS_WORDS[self.basis]})"


class Figure(msgspec.Struct, frozen=True):
    """One number with its unit, its period and its filing; `value` None means not reported.

    `origin` is the XBRL tag, or `derived: <formula>`, or None where the source states no tag.
    `if_missing` is what a reader is told in place of a number that is not there.
    """

    name: str
    value: float | None
    unit: Unit
    period_end: str | None
    sources: tuple[Source, ...] = ()
    origin: str | None = None
    if_missing: str = NOT_REPORTED

    @property
    def is_reported(self) -> bool:
        """Whether there is a number at all."""
        return self.value is not None

    def known(self) -> float:
        """The number. Raises ValueError if it is not reported."""
        if self.value is None:
            raise ValueError(f"{self.name} is not reported: check is_reported first")
        return self.value

    def __str__(self) -> str:
        """The number as a person reads it, such as `$130.5 billion`, or `not reported`."""
        return self.if_missing if self.value is None else in_words(self.value, self.unit)


def in_words(value: float, unit: Unit) -> str:
    """A number in its unit as a person reads it: `$130.5 billion`, `71.1 %`, `$2.94`."""
    if unit == "usd":
        return money(value)
    if unit == "usd_per_share":
        return _signed(value, f"${_decimal(abs(value), 2)}")
    if unit == "fraction":
        return _number(value * 100, 1) + " %"
    if unit == "points":
        return _number(value * 100, 1) + " percentage points"
    if unit == "times":
        return _number(value, _digits_of_multiple(value)) + " times"
    if unit == "years":
        return _number(value, 0 if float(value).is_integer() else 1) + " years"
    if unit == "share":
        return scaled(value)
    return _number(value, 0)


def money(value: float) -> str:
    """US dollars with one decimal of the largest fitting scale: `-$14.3 billion`, `$950`."""
    return _signed(value, f"${scaled(abs(value))}")


def scaled(value: float) -> str:
    """A plain number with one decimal of the largest fitting scale: `24.5 billion`, `36,000`."""
    for scale, word in _SCALES:
        # 999,960,000 rounds to 1,000.0 million, so the step up is where rounding reaches it
        if abs(value) >= scale * 0.99995:
            return f"{_number(value / scale, 1)} {word}"
    return _number(value, 0)


def long_date(day: str) -> str:
    """`2026-01-25` as `25 January 2026`."""
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {_MONTHS[parsed.month - 1]} {parsed.year}"


def month_year(day: str) -> str:
    """`2026-01-25` as `January 2026`."""
    parsed = date.fromisoformat(day)
    return f"{_MONTHS[parsed.month - 1]} {parsed.year}"


def sources_of(figures: Iterable[Figure]) -> tuple[Source, ...]:
    """The filings of some figures, each once, in the order they appear."""
    return tuple(dict.fromkeys(source for figure in figures for source in figure.sources))


# The names are written out because strftime follows the machine's language.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _digits_of_multiple(value: float) -> int:
    if abs(value) < 10:
        return 2
    return 1 if abs(value) < 100 else 0


def _signed(value: float, positive: str) -> str:
    """The text for |value| with a minus sign, unless it rounds to zero."""
    has_digit = any(character in "123456789" for character in positive)
    return f"-{positive}" if value < 0 and has_digit else positive


def _number(value: float, digits: int) -> str:
    return _signed(value, _decimal(abs(value), digits))


def _decimal(value: float, digits: int) -> str:
    """Rounded half up on the decimal digits that a person sees, with thousands separators."""
    exact = Decimal(repr(float(value)))
    return f"{exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP):,f}"
