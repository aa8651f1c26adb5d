"""A made-up price path: seeded, the same on every machine, and marked as synthetic everywhere.

Only whole numbers are used, because rounding of floats and of `math` functions may differ.
"""

from __future__ import annotations

import hashlib
import math

import msgspec

from .figures import Figure, Source
from .lookup import normal_symbol

SYNTHETIC_NOTE = (
    "Synthetic: made by a seeded generator, not a market price of this company on any day."
)

_START = 1_000_000  # 100.0000 in ten-thousandths
_MOST_DAYS = 2520
_TRADING_DAYS = 252
_STEP_SCALE = 10**6


class PricePath(msgspec.Struct, frozen=True):
    """Closing values of an index that starts at 100. `synthetic` is always True."""

    symbol: str
    seed: int
    days: int
    closes: tuple[float, ...]
    synthetic: bool = True
    note: str = SYNTHETIC_NOTE

    def volatility(self) -> Figure:
        """Yearly volatility of the path, as a fraction; its source says that it is synthetic."""
        steps = [b / a - 1 for a, b in zip(self.closes, self.closes[1:], strict=False)]
        mean = math.fsum(steps) / len(steps)
        variance = math.fsum((step - mean) ** 2 for step in steps) / len(steps)
        source = Source("Synthetic price path", None, None, f"seed {self.seed}", "synthetic")
        value = math.sqrt(variance * _TRADING_DAYS)
        return Figure(
            "synthetic_volatility", value, "fraction", None, (source,), "derived: synthetic"
        )


def price_path(symbol: str, days: int = 252, seed: int = 0) -> PricePath:
    """A synthetic path of `days` closes for a known ticker. Raises UnknownTicker, ValueError."""
    if not 2 <= days <= _MOST_DAYS:
        raise ValueError(f"days is {days}: use 2 to {_MOST_DAYS}")
    known = normal_symbol(symbol)
    level, closes = _START, []
    for day in range(days):
        closes.append(round(level / 100) / 100)
        level += level * _step(known, seed, day) // _STEP_SCALE
    return PricePath(known, seed, days, tuple(closes))


def _step(symbol: str, seed: int, day: int) -> int:
    """The day's change in millionths: bell-shaped, about 2 % wide, with a slight rise."""
    digest = hashlib.sha256(f"{symbol}/{seed}/{day}".encode()).digest()
    parts = [int.from_bytes(digest[place : place + 2], "big") for place in range(0, 24, 2)]
    # twelve even draws add up to a bell of width one draw; 65535 maps to 2 %
    return (sum(parts) - 6 * 65_535) * 20_000 // 65_535 + 300
