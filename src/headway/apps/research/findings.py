"""What an analyst hands over: readings of figures, without the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from .company_records import Filing
from .figures import Figure
from .model_view import ModelView

if TYPE_CHECKING:
    from collections.abc import Iterable

Tone = Literal["strength", "neutral", "concern", "unknown"]
Analyst = Literal["fundamentals", "filings", "risk"]


class Finding(msgspec.Struct, frozen=True):
    """One judgement: its topic, how the figures read, and how much it weighs.

    `figures` are the numbers used; `words` are names a sentence needs (never numbers).
    """

    topic: str
    reading: str
    tone: Tone
    weight: int
    figures: tuple[Figure, ...] = ()
    words: dict[str, str] = {}
    filings: tuple[Filing, ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of this name. Raises KeyError."""
        for candidate in self.figures:
            if candidate.name == name:
                return candidate
        raise KeyError(f"finding {self.topic!r} has no figure {name!r}")


class Findings(msgspec.Struct, frozen=True):
    """All findings of one analyst on one company, in the order a reader wants them."""

    analyst: Analyst
    symbol: str
    company: str
    findings: tuple[Finding, ...]
    view: ModelView | None = None

    def about(self, topic: str) -> Finding | None:
        """The finding on this topic, or None if there is nothing to say."""
        return next((finding for finding in self.findings if finding.topic == topic), None)


def heaviest(findings: Iterable[Finding], tone: Tone, most: int) -> tuple[Finding, ...]:
    """Up to `most` findings of a tone, the weightiest first, else in the order given."""
    of_tone = [finding for finding in findings if finding.tone == tone]
    return tuple(sorted(of_tone, key=lambda finding: -finding.weight)[:most])
