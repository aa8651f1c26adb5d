"""What a research is expected to take and to cost, by earlier ones with the same model."""

from __future__ import annotations

from .caps import Caps, dollars


def expected(
    model: str,
    caps: Caps,
    *,
    runs: int,
    wall_s: float | None,
    tokens: float | None,
    cost_usd: float | None,
) -> str:
    """One line for before the work; nothing is guessed that was not seen."""
    parts = [] if wall_s is None else [f"{wall_s:.3g} s"]
    parts += [] if tokens is None else [f"{tokens:,.0f} tokens"]
    parts += [] if cost_usd is None else [dollars(cost_usd)]
    seen = f"{runs} earlier run{'' if runs == 1 else 's'}"
    estimate = f"about {', '.join(parts)} by {seen}" if parts else "no estimate yet"
    return f"{model}: {estimate}{_limits(caps)}"


def _limits(caps: Caps) -> str:
    limits = [] if caps.cost_usd is None else [dollars(caps.cost_usd)]
    limits += [] if caps.tokens is None else [f"{caps.tokens:,} tokens"]
    limits += [] if caps.time_s is None else [f"{caps.time_s:g} s"]
    return f"; no more calls beyond {' or '.join(limits)}" if limits else ""
