"""What an answer of a model cost, at the price of its day, those of ``headway.toml`` first."""

from __future__ import annotations

from datetime import UTC, datetime

from .. import prices, settings
from ..errors import BadSetup
from ..events import ModelAnswered
from ..prices import Price, Table

DAY_S = 86_400


class Prices:
    """The prices of one receipt; looks each model up once for each day."""

    def __init__(self, table: Table | None = None) -> None:
        self._table = table
        self._found: dict[tuple[str, str, int], Price | None] = {}

    def price_of(self, answer: ModelAnswered) -> Price | None:
        """The price of *answer*'s model on the day of the answer, by UTC; None if unknown."""
        key = (answer.provider, answer.model, int(answer.at // DAY_S))
        if key not in self._found:
            day = datetime.fromtimestamp(answer.at, UTC).date()
            self._found[key] = prices.price_of(*key[:2], self._table, on=day)
        return self._found[key]

    def cost_of(self, answer: ModelAnswered) -> float | None:
        """US dollars that *answer* cost if it ran, or would have cost if it was spared."""
        return prices.cost_usd(
            self.price_of(answer),
            answer.tokens_in,
            answer.tokens_cached,
            answer.tokens_cache_written,
            answer.tokens_out,
        )


def prices_here() -> Prices:
    """The built-in prices, and those of this process's ``headway.toml``.

    Raises:
        BadSetup: ``headway.toml`` is wrong.
    """
    return Prices(prices.with_settings(settings.current().prices))


def prices_or_note() -> tuple[Prices, list[str]]:
    """The prices for a receipt; a wrong ``headway.toml`` does not prevent it, but is noted."""
    try:
        return prices_here(), []
    except BadSetup as wrong:
        return Prices(), [f"built-in prices only: {wrong}"]


def cost_of(answer: ModelAnswered) -> float | None:
    """US dollars for one answer of a model, at the price of its day; None if that is unknown.

    An answer from a cache has cost nothing: this is what it has saved.

    Raises:
        BadSetup: ``headway.toml`` is wrong.
    """
    return prices_here().cost_of(answer)
