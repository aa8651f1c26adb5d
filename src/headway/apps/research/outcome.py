"""What a research comes to: its outcome, how it ended, and why sections are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from headway import Receipt, StepFailed

from .model.caps import CapReached, Spent
from .model.talk import ModelFailed, ModelRefused
from .sections import SECTION_TITLES

Ending = Literal["complete", "incomplete", "capped", "refused"]
"""All sections; some failed; none failed, but a cap left some out; the model's endpoint said no."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a research did, in seconds and counts.

    What was ``asked`` and ``run`` is counted by the tools.
    """

    wall_s: float
    first_words_s: float | None
    """Until the first words of a section were on the screen."""
    first_section_s: float | None
    critical_path_s: float | None
    """Nominal: from the scripted durations, unscaled; None without a script."""
    tool_calls_asked: int
    tool_calls_run: int
    duplicates_run: int
    cache_hits: int
    cache_misses: int
    sections: list[str]
    left_out: dict[str, str]
    unverified: int
    """Figures in the text that are not in the data, each marked where it stands."""
    model: str | None
    """Who wrote; None for the embedded writer."""
    spent: Spent | None
    cap: str | None
    """The cap that was reached, in words."""
    report: str
    record: str | None


class Conducted(msgspec.Struct, frozen=True):
    """A finished research: its outcome, its receipt, and why it is incomplete, if it is."""

    outcome: Outcome
    receipt: Receipt
    failure: StepFailed | None = None

    @property
    def ending(self) -> Ending:
        """How it ended."""
        return ending_of(None if self.failure is None else self.failure.failures)

    def why(self) -> str:
        """What stands in the way of completeness, in one line."""
        if self.failure is None:
            return ""
        causes = dict.fromkeys(told(error) for error in self.failure.failures.values())
        missing = ", ".join(SECTION_TITLES[key] for key in self.outcome.left_out)
        return f"{'; '.join(causes)} (left out: {missing})" if missing else "; ".join(causes)


def ending_of(failures: Mapping[str, Exception] | None) -> Ending:
    """How a research with these failures has ended."""
    if not failures:
        return "complete"
    if any(isinstance(error, ModelRefused) for error in failures.values()):
        return "refused"
    is_capped = all(isinstance(error, CapReached) for error in failures.values())
    return "capped" if is_capped else "incomplete"


def left_out(failed: StepFailed) -> dict[str, str]:
    """The sections that will not come, in reading order, each with its cause."""
    causes = {step: told(error) for step, error in failed.failures.items()}
    for step, needed in failed.skipped.items():
        error = failed.failures[needed]
        who = needed.replace("_findings", " analyst")
        causes[step] = told(error) if _is_told_alone(error) else f"the {who} failed: {told(error)}"
    return {step: causes[step] for step in SECTION_TITLES if step in causes}


def told(error: Exception) -> str:
    """An error in words; a type's name only where its text may mean nothing without."""
    if isinstance(error, (CapReached, ModelFailed)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _is_told_alone(error: Exception) -> bool:
    return isinstance(error, (CapReached, ModelRefused))
