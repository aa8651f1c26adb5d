"""How long the parts of a research take when their durations are scripted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway import clock

NOMINAL_S: Mapping[str, float] = MappingProxyType(
    {
        "profile": 10.0,
        "financials": 10.0,
        "filings": 10.0,
        "compare": 10.0,
        "model_view": 10.0,
        "price_path": 10.0,
        "fundamentals_findings": 60.0,
        "filings_findings": 90.0,
        "risk_findings": 60.0,
        "summary": 10.0,
        "fundamentals": 15.0,
        "news": 15.0,
        "risk": 10.0,
        "synthesis": 10.0,
    }
)
"""Seconds a slow data source, a model-backed analyst and a written section take, unscaled."""


class Pace:
    """Spends each part's scripted time, divided by *scale*; without a scale no time at all.

    It stands where a research on the wire waits for data vendors and models.
    """

    def __init__(self, scale: float | None = None) -> None:
        if scale is not None and not scale > 0:
            raise ValueError(
                f"a scale of {scale:g} is no pace; use more than 0, such as 20 for 1:20"
            )
        self.scale = scale

    def seconds(self, part: str) -> float:
        """How long *part* takes at this pace."""
        return 0.0 if self.scale is None else NOMINAL_S[part] / self.scale

    async def spend(self, part: str) -> None:
        """Wait as long as *part* takes."""
        await clock.sleep(self.seconds(part))

    def expected(self) -> dict[str, float]:
        """Seconds by part, where they are known beforehand; empty without a script."""
        return {} if self.scale is None else {part: self.seconds(part) for part in NOMINAL_S}
